"""How the tasks share the parts of the input.

A part's name and a row's number make a document's id, so ids are the same for any number of tasks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


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
