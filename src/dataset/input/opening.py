"""What there is to read: shards below a folder, or a streamed data set of the hub, with one interface."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from src.config.dataset import FilesSource, HubSource
from src.dataset.input.file_input import FileInput
from src.dataset.input.hub_input import HubInput
from src.dataset.input.rows import Row


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
    return FileInput(source) if isinstance(source, FilesSource) else HubInput(source)
