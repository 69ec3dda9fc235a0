"""Sides for the tests of the benchmark: light work in processes of their own."""

from __future__ import annotations

import os
from pathlib import Path

from scripts.benchmark_parts.turns import Turn


def notes_its_turns(turn: Turn, name: str, diary: str, values: list[float]) -> None:
    """Writes a line for each turn, so that their order can be seen."""
    for value in values:
        if not turn.wait():
            return
        with Path(diary).open("a") as file:
            file.write(f"{name}\n")
        turn.done(value, process=os.getpid())
    turn.wait()


def fails(turn: Turn) -> None:
    turn.wait()
    raise ValueError("the work went wrong")


def ends_early(turn: Turn) -> None:
    turn.wait()
    os._exit(9)
