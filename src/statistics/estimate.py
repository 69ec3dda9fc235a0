"""A figure with its interval. Imports neither torch nor transformers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Estimate:
    """A figure and the ends of its two-sided 95 % interval.

    Attributes:
        value: None where the figure is not defined.
        low: None where there is no interval.
        high: as low.
    """

    value: float | None
    low: float | None = None
    high: float | None = None

    def to_json(self) -> dict[str, float | None]:
        """As JSON values."""
        return {"value": self.value, "low": self.low, "high": self.high}

    def mapped(self, function: Callable[[float], float]) -> Estimate:
        """The estimate of a function of the figure.

        Args:
            function: rises, or falls, all the way.
        """
        value = None if self.value is None else float(function(self.value))
        if self.low is None or self.high is None:
            return Estimate(value)
        return Estimate(value, *sorted(float(function(end)) for end in (self.low, self.high)))
