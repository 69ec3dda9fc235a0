"""Numbers as the page shows them: each with its full value and the place in a file that it stands at."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

NOTHING = "–"
"""Stands where there was nothing to measure."""


@dataclass(frozen=True)
class Shown:
    """One number of the page.

    Attributes:
        text: as a person reads it.
        value: the full value as JSON, for `data-value`.
        path: where it stands, for `data-path`: `metrics:rows.3.perplexity`.
    """

    text: str
    value: str
    path: str


@dataclass(frozen=True)
class Estimate:
    """A number with the ends of its interval, for one cell of a table."""

    value: Shown
    low: Shown
    high: Shown


Cell = Shown | Estimate | None
"""What stands in a cell of a table; None leaves it blank."""


def look_up(content: Any, path: str) -> Any:
    """The value at a path of keys and indices: `rows.3.perplexity`.

    A key that holds a dot itself is found too: the longest key that fits is taken.
    """
    if not path:
        return content
    parts = path.split(".")
    if isinstance(content, list):
        return look_up(content[int(parts[0])], ".".join(parts[1:]))
    for end in range(len(parts), 0, -1):
        key = ".".join(parts[:end])
        if isinstance(content, Mapping) and key in content:
            return look_up(content[key], ".".join(parts[end:]))
    raise KeyError(path)


@dataclass(frozen=True)
class Numbers:
    """Shows the numbers of one file.

    Attributes:
        file: name in front of every path.
        content: of the file.
    """

    file: str
    content: Any

    def percent(self, path: str) -> Shown:
        """A share in percent, without the sign: `34.5`."""
        value = look_up(self.content, path)
        return self._shown(path, value, NOTHING if value is None else f"{100 * value:.1f}")

    def number(self, path: str, digits: int) -> Shown:
        """A number with fixed digits; thousands are set apart."""
        value = look_up(self.content, path)
        return self._shown(path, value, NOTHING if value is None else f"{value:,.{digits}f}")

    def percent_with(self, path: str, low: str, high: str) -> Shown | Estimate:
        """A share in percent with the paths of its interval's ends; alone where it has no interval."""
        value = self.percent(path)
        if look_up(self.content, low) is None:
            return value
        return Estimate(value, self.percent(low), self.percent(high))

    def number_with(self, path: str, low: str, high: str, digits: int) -> Shown | Estimate:
        """A number with the paths of its interval's ends; alone where it has no interval."""
        value = self.number(path, digits)
        if look_up(self.content, low) is None:
            return value
        return Estimate(value, self.number(low, digits), self.number(high, digits))

    def significant(self, path: str, digits: int = 4) -> Shown:
        """A number of unknown size, with its leading digits."""
        value = look_up(self.content, path)
        return self._shown(path, value, significant(value, digits))

    def _shown(self, path: str, value: Any, text: str) -> Shown:
        return Shown(minus(text), json.dumps(value), f"{self.file}:{path}")


def significant(value: float | None, digits: int = 4) -> str:
    """The leading digits of a number; whole numbers whole, with their thousands set apart."""
    if value is None:
        return NOTHING
    if isinstance(value, int):
        return f"{value:,}"
    return minus(f"{value:.{digits}g}")


def minus(text: str) -> str:
    """A number with a true minus sign, as wide as a digit."""
    return f"−{text[1:]}" if text.startswith("-") else text


def axis_text(value: float) -> str:
    """A number at an axis, as short as it can be."""
    if value and (abs(value) < 1e-3 or abs(value) >= 1e6):
        mantissa, exponent = f"{value:.0e}".split("e")
        return minus(f"{mantissa}e{int(exponent)}")
    if abs(value) >= 1000:
        return minus(f"{value:,.0f}")
    return minus(f"{value:g}")
