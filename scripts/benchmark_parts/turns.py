"""What is compared takes turns: work, peer, work, peer …, each in a process of its own.

A process of its own, because what one side sets (threads, the allocator, a cache) must not help or hurt
the other; turns, because a machine's speed drifts, and drift should meet all sides alike. While one side
has its turn the others wait for a message and use no processor.
"""

from __future__ import annotations

import importlib
import multiprocessing
import statistics
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

from src.errors import ProjectError, UnavailableError

READY, DONE, FAILED = "ready", "done", "failed"
GO, STOP = "go", "stop"
SECONDS_TO_STOP = 20


@dataclass(frozen=True)
class Side:
    """One of the things compared.

    Attributes:
        name: in the messages.
        function: `package.module:function`, called in the side's process as `function(turn, **setting)`.
            It prepares and warms up, and then, `while turn.wait()`, does its work once and says
            `turn.done(figure)`.
        setting: keyword arguments, which can be pickled.
    """

    name: str
    function: str
    setting: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Readings:
    """The figures of one side, in the order of the rounds.

    Attributes:
        values: one figure a round.
        facts: what else was said with each of them.
    """

    values: tuple[float, ...]
    facts: tuple[Mapping[str, Any], ...] = ()

    @property
    def median(self) -> float:
        """The middle one; of an even number the mean of the middle two."""
        return statistics.median(self.values)


class Turn:
    """A side's end of the line."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def wait(self) -> bool:
        """Wait for the side's turn. False: there is none any more."""
        self._connection.send((READY, None, {}))
        return self._connection.recv() == GO

    def done(self, value: float, **facts: Any) -> None:
        """End the turn with its figure."""
        self._connection.send((DONE, float(value), facts))


def interleave(sides: Sequence[Side | tuple[Side, ...]], repetitions: int) -> dict[str, Readings]:
    """Let every side have its turn, in their order, that many times.

    Args:
        sides: what is compared; those of a tuple take their turn at the same time.
        repetitions: rounds.

    Returns:
        By the side's name.

    Raises:
        ProjectError: a side failed; with its traceback.
    """
    turns = [one if isinstance(one, tuple) else (one,) for one in sides]
    values: dict[str, list[float]] = {side.name: [] for turn in turns for side in turn}
    facts: dict[str, list[Mapping[str, Any]]] = {name: [] for name in values}
    with _started([side for turn in turns for side in turn]) as lines:
        for _ in range(repetitions):
            for turn in turns:
                for side in turn:
                    lines[side.name].send(GO)
                for side in turn:
                    _, value, said = _heard(side, lines[side.name], DONE)
                    _heard(side, lines[side.name], READY)
                    values[side.name].append(value)
                    facts[side.name].append(said)
    return {name: Readings(tuple(values[name]), tuple(facts[name])) for name in values}


@contextmanager
def _started(sides: Sequence[Side]) -> Iterator[dict[str, Connection]]:
    """Processes, each prepared before the next one starts, so that no preparation disturbs a turn."""
    context = multiprocessing.get_context("spawn")
    processes, lines = [], {}
    try:
        for side in sides:
            lines[side.name], theirs = context.Pipe()
            process = context.Process(
                target=_serve, args=(theirs, side.function, dict(side.setting)), name=side.name
            )
            process.start()
            theirs.close()
            processes.append(process)
            _heard(side, lines[side.name], READY)
        yield lines
        for line in lines.values():
            line.send(STOP)
        for process in processes:
            process.join(SECONDS_TO_STOP)
    finally:
        for process in processes:
            if process.is_alive():
                process.terminate()
                process.join()


def _heard(side: Side, line: Connection, expected: str) -> tuple[str, Any, Mapping[str, Any]]:
    try:
        kind, value, facts = line.recv()
    except EOFError as error:
        raise UnavailableError(
            f"{side.name}: its process ended before its turn did",
            fix="often it was killed for lack of memory: choose fewer parts, or free some memory",
        ) from error
    if kind == FAILED:
        raise ProjectError(f"{side.name} failed:\n{value}")
    if kind != expected:
        raise ProjectError(f"{side.name} said {kind!r} where {expected!r} was its turn")
    return kind, value, facts


def _serve(connection: Connection, function: str, setting: dict[str, Any]) -> None:
    """A side's process."""
    module, name = function.split(":")
    try:
        getattr(importlib.import_module(module), name)(Turn(connection), **setting)
    except Exception:  # whatever it is: the parent raises it, with the traceback
        connection.send((FAILED, traceback.format_exc(), {}))
