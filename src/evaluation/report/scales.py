"""From values to places in a drawing, and the round values at an axis."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
"""Distances between two ticks, times a power of ten."""


@dataclass(frozen=True)
class Scale:
    """A linear or logarithmic axis.

    Attributes:
        low: value at `start`.
        high: value at `end`.
        start: place of the lowest value, in units of the drawing.
        end: place of the highest value; below `start` for an axis that rises upwards.
        log: whether equal ratios, not equal differences, are equally far apart.
    """

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """The place of a value, rounded to a hundredth of a unit."""
        low, high, value = (self._linear(v) for v in (self.low, self.high, value))
        share = (value - low) / (high - low) if high > low else 0.5
        return round(self.start + share * (self.end - self.start), 2)

    def _linear(self, value: float) -> float:
        return math.log10(max(value, 1e-300)) if self.log else value


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round values inside [low, high], about as many as asked for."""
    if not high > low:
        return [low]
    raw = (high - low) / about
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(s * power for s in STEPS if s * power >= raw * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [float(f"{i * step:.10g}") for i in range(first, last + 1)]


def powers_of_ten(low: float, high: float) -> list[float]:
    """The powers of ten inside [low, high]; both must be above 0."""
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    return [10.0**i for i in range(first, last + 1)]


def padded(values: Iterable[float], share: float = 0.08) -> tuple[float, float]:
    """The range of values with some room on either side; never of length 0."""
    values = list(values)
    low, high = min(values), max(values)
    room = (high - low) * share or abs(high) * share or 1.0
    return low - room, high + room
