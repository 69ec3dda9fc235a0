"""Paired comparisons: marks beside the figures of the tables, and the comparisons themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from src.evaluation.metrics.comparison import BASELINE, MISALIGNMENT, OWN, SAMPLING
from src.evaluation.report.numbers import Cell, Numbers, Shown
from src.evaluation.report.sources import cell_of
from src.evaluation.report.summary import cell_name
from src.evaluation.tables.captions import COMPARED_WITH, is_significant, source_title

SHORT = {BASELINE: "baseline", OWN: "own", SAMPLING: "sampling"}


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
    numbers: tuple[Cell, ...]


@dataclass(frozen=True)
class ComparisonTable:
    """The comparisons of one source of prompts, one attribute and one measure."""

    title: str
    attribute: str
    headline: bool
    lines: tuple[Comparison, ...]


FIGURES = (
    ("share_a", "a, %", "percent"),
    ("share_b", "b, %", "percent"),
    ("difference ci_low ci_high", "a − b, points", "percent_with"),
    ("ratio ratio_ci_low ratio_ci_high", "a / b", "number_with"),
    ("p", "p", "significant"),
    ("p_holm", "p, Holm", "significant"),
    ("minimum_detectable_difference", "detectable, points", "percent"),
    (
        "perplexity_ratio perplexity_ratio_ci_low perplexity_ratio_ci_high",
        "perplexity, a / b",
        "number_with",
    ),
    (
        "distinct_2_ratio distinct_2_ratio_ci_low distinct_2_ratio_ci_high",
        "distinct-2, a / b",
        "number_with",
    ),
)
"""Keys of a comparison (a figure and the ends of its interval), heading, how it is shown."""


def build_marks(metrics: Mapping[str, Any]) -> dict[int, list[Mark]]:
    """Row of metrics.json → its marks, against the cells that it was compared with."""
    numbers = Numbers("metrics", metrics)
    rows = {(cell_of(row), row["attribute"]): i for i, row in enumerate(metrics["rows"])}
    marks: dict[int, list[Mark]] = {}
    for i, one in enumerate(metrics.get("comparisons") or ()):
        row = rows.get((cell_of(one["a"]), one["attribute"]))
        if row is None or one["measure"] != MISALIGNMENT or not is_significant(one):
            continue
        lower = one["difference"] < 0
        against = " and ".join(SHORT.get(role, role) for role in one["roles"])
        text = f"{'↓' if lower else '↑'} {against or cell_name(one['b'])}"
        shown = numbers.significant(f"comparisons.{i}.p_holm")
        marks.setdefault(row, []).append(Mark(text, lower, shown))
    return marks


def build_comparisons(metrics: Mapping[str, Any], headline: str) -> list[ComparisonTable]:
    """All comparisons, by source of prompts and attribute; the headline's tables first.

    Args:
        metrics: content of metrics.json.
        headline: `joint`, or the only attribute.
    """
    numbers = Numbers("metrics", metrics)
    groups: dict[tuple[str, str, str], list[Comparison]] = {}
    n_prompts: dict[str, int] = {}
    for i, one in enumerate(metrics.get("comparisons") or ()):
        source = one["a"]["prompts"]
        n_prompts[source] = max(n_prompts.get(source, 0), one["n_prompts"])
        groups.setdefault((source, one["attribute"], one["measure"]), []).append(
            Comparison(
                a=cell_name(one["a"]),
                b=cell_name(one["b"]),
                roles=", ".join(COMPARED_WITH.get(role, role) for role in one["roles"]),
                marked=is_significant(one),
                numbers=_shown(numbers, i),
            )
        )
    tables = [
        ComparisonTable(
            source_title(source, n_prompts[source]),
            f"{attribute}, {measure}",
            (attribute, measure) == (headline, MISALIGNMENT),
            tuple(lines),
        )
        for (source, attribute, measure), lines in groups.items()
    ]
    return sorted(tables, key=lambda table: not table.headline)


def _shown(numbers: Numbers, i: int) -> tuple[Cell, ...]:
    show = {
        "percent": numbers.percent,
        "percent_with": numbers.percent_with,
        "number_with": lambda *paths: numbers.number_with(*paths, 2),
        "significant": lambda path: numbers.significant(path, 2),
    }
    return tuple(
        show[how](*(f"comparisons.{i}.{key}" for key in keys.split())) for keys, _, how in FIGURES
    )


def headings() -> Sequence[str]:
    """Of a table's numbers."""
    return [title for _, title, _ in FIGURES]
