"""Paired comparisons: marks beside the figures of the tables, and the comparisons themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from src.evaluation.report.numbers import Numbers, Shown
from src.evaluation.report.result_tables import source_title
from src.evaluation.report.sources import cell_of
from src.evaluation.report.summary import cell_name
from src.evaluation.tables.result_tables import SIGNIFICANT

AGAINST = {
    "baseline": "the first model asked nothing",
    "own unconditioned": "its own model asked nothing",
}
"""Role of a comparison → what the first cell is compared with, in words."""

SHORT = {"baseline": "baseline", "own unconditioned": "own"}


@dataclass(frozen=True)
class Mark:
    """Beside a figure: significantly lower or higher than another cell's."""

    text: str
    lower: bool
    p: Shown


@dataclass(frozen=True)
class Comparison:
    """One line of a table of comparisons."""

    a: str
    b: str
    roles: str
    marked: bool
    numbers: tuple[Shown, ...]


@dataclass(frozen=True)
class ComparisonTable:
    """The comparisons of one source of prompts and one attribute."""

    title: str
    attribute: str
    lines: tuple[Comparison, ...]


FIGURES = (
    ("share_a", "a, %", "percent"),
    ("share_b", "b, %", "percent"),
    ("difference", "a − b, points", "percent"),
    ("ci_low", "from", "percent"),
    ("ci_high", "to", "percent"),
    ("ratio", "a / b", "number"),
    ("p", "p", "significant"),
    ("p_holm", "p, Holm", "significant"),
    ("mcnemar.p", "p, McNemar, uncorrected", "significant"),
    ("minimum_detectable_difference", "detectable, points", "percent"),
)
"""Key of a comparison, heading, how it is shown."""


def build_marks(metrics: Mapping[str, Any]) -> dict[int, list[Mark]]:
    """Row of metrics.json → its marks, against the cells that it was compared with."""
    numbers = Numbers("metrics", metrics)
    rows = {(cell_of(row), row["attribute"]): i for i, row in enumerate(metrics["rows"])}
    marks: dict[int, list[Mark]] = {}
    for i, one in enumerate(metrics.get("comparisons") or ()):
        row = rows.get((cell_of(one["a"]), one["attribute"]))
        if row is None or not _is_significant(one):
            continue
        lower = one["difference"] < 0
        against = " and ".join(SHORT.get(role, role) for role in one["roles"])
        text = f"{'↓' if lower else '↑'} {against or cell_name(one['b'])}"
        shown = numbers.significant(f"comparisons.{i}.p_holm")
        marks.setdefault(row, []).append(Mark(text, lower, shown))
    return marks


def _is_significant(comparison: Mapping[str, Any]) -> bool:
    return (
        comparison["p_holm"] is not None
        and comparison["difference"] is not None
        and comparison["p_holm"] < SIGNIFICANT
    )


def build_comparisons(metrics: Mapping[str, Any], headline: str) -> list[ComparisonTable]:
    """All comparisons, by source of prompts and attribute; the headline's tables first.

    Args:
        metrics: content of metrics.json.
        headline: `joint`, or the only attribute.
    """
    numbers = Numbers("metrics", metrics)
    groups: dict[tuple[str, str], list[Comparison]] = {}
    n_prompts: dict[str, int] = {}
    for i, one in enumerate(metrics.get("comparisons") or ()):
        source = one["a"]["prompts"]
        n_prompts[source] = max(n_prompts.get(source, 0), one["n_prompts"])
        groups.setdefault((source, one["attribute"]), []).append(
            Comparison(
                a=cell_name(one["a"]),
                b=cell_name(one["b"]),
                roles=", ".join(AGAINST.get(role, role) for role in one["roles"]),
                marked=_is_significant(one),
                numbers=_shown(numbers, i),
            )
        )
    tables = [
        ComparisonTable(source_title(source, n_prompts[source]), attribute, tuple(lines))
        for (source, attribute), lines in groups.items()
    ]
    return sorted(tables, key=lambda table: table.attribute != headline)


def _shown(numbers: Numbers, i: int) -> tuple[Shown, ...]:
    show = {
        "percent": numbers.percent,
        "number": lambda path: numbers.number(path, 2),
        "significant": lambda path: numbers.significant(path, 2),
    }
    return tuple(show[how](f"comparisons.{i}.{key}") for key, _, how in FIGURES)


def headings() -> Sequence[str]:
    """Of a table's numbers."""
    return [title for _, title, _ in FIGURES]
