"""Markdown of the data set card: tables whose cells hold strangers' text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any


def table(heading: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table; every cell is made harmless."""
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n".join("| " + " | ".join(map(cell, line)) + " |" for line in lines)


def cell(value: Any) -> str:
    """Text that cannot break out of its table cell: names of sources are strangers' input."""
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    text = " ".join(str(value).split())
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|")


def percent(share: float) -> str:
    """A share in percent, with one digit."""
    return f"{100 * share:.1f} %"


def number(value: float | None) -> str:
    """A figure with three digits; a dash where there is none."""
    return "–" if value is None else f"{value:.3f}"
