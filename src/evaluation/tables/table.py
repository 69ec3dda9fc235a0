"""A table of finished texts, and how figures are written in one. Imports neither torch nor transformers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

NOTHING = "–"
"""Stands where there was no sentence to measure; a cell that was not asked for stays blank."""

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Table:
    """A table of finished texts; the first column names the row, the note holds for this table alone."""

    title: str
    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


def percent_with_interval(row: Row) -> str:
    """`34.5 [31.2, 37.9]`, in percent."""
    if row["misalignment"] is None:
        return NOTHING
    value, low, high = (100 * row[key] for key in ("misalignment", "ci_low", "ci_high"))
    return f"{value:.1f} [{low:.1f}, {high:.1f}]"


def number(value: float | None, digits: int) -> str:
    """A figure with so many decimals, or `NOTHING`."""
    return NOTHING if value is None else f"{value:.{digits}f}"
