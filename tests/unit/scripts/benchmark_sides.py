"""Sides for the tests of the benchmark: light work in processes of their own."""

from __future__ import annotations

import os
import time
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


def meets(turn: Turn, own: str, others: str) -> None:
    """Ends its turn when the other side has begun its own."""
    while turn.wait():
        Path(own).touch()
        deadline = time.monotonic() + 60
        while not Path(others).exists():
            assert time.monotonic() < deadline, "the other side waits for its turn"
            time.sleep(0.01)
        turn.done(1.0)


def fails(turn: Turn) -> None:
    turn.wait()
    raise ValueError("the work went wrong")


def ends_early(turn: Turn) -> None:
    turn.wait()
    os._exit(9)
