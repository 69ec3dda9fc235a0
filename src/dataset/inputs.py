"""What there is to read: its parts by name, its rows one by one, and how the tasks share it.

Two kinds with one interface: shards below a folder, and a data set of the hub, streamed. A part's name
and a row's number make a document's id, so ids are the same for any number of tasks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from src.config.dataset import FilesSource, HubSource
from src.dataset.raw_lines import Damage

Row = tuple[int, Mapping[str, Any] | Damage]


class Input(Protocol):
    """What pass 1 reads."""

    def names(self) -> list[str]:
        """The parts, in order."""

    def describe(self) -> dict[str, Any]:
        """What it is, for the manifest; equal as long as the input is the same."""

    def bytes_stored(self) -> int:
        """Size of all parts together, as stored."""

    def rows(self, name: str, share: int, shares: int) -> Iterator[Row]:
        """Every `shares`-th row of a part, from number `share` + 1 on: (its number from 1, the row)."""


def open_input(source: FilesSource | HubSource) -> Input:
    """The input that an args file names, nothing of it read yet."""
    if isinstance(source, FilesSource):
        from src.dataset.file_input import FileInput

        return FileInput(source)
    from src.dataset.hub_input import HubInput

    return HubInput(source)


def reads_column(key: str | None, column: str) -> bool:
    """Whether a key of the args (dots go into objects) takes its value from a column."""
    return key is not None and column in (key, key.split(".")[0])


@dataclass(frozen=True)
class Portion:
    """A part of the input, or every `shares`-th row of it."""

    name: str
    share: int = 0
    shares: int = 1


def portions_of(names: Sequence[str], rank: int, tasks: int) -> list[Portion]:
    """What task `rank` of `tasks` reads: neighbouring parts, or with fewer parts than tasks a share of one.

    The portions of all tasks, one after the other, are the input in its order, but for the rows of a
    shared part, which alternate.
    """
    n = len(names)
    if n >= tasks:
        return [Portion(name) for name in names[rank * n // tasks : (rank + 1) * n // tasks]]
    part = rank * n // tasks
    ranks = ranks_by_part(n, tasks)[part]
    return [Portion(names[part], ranks.index(rank), len(ranks))]


def ranks_by_part(parts: int, tasks: int) -> list[list[int]]:
    """The tasks in groups that share a part, in the order of the input."""
    if parts >= tasks:
        return [[rank] for rank in range(tasks)]
    return [[r for r in range(tasks) if r * parts // tasks == part] for part in range(parts)]
