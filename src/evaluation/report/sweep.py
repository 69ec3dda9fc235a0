"""What a sweep tried, on the page: the candidates' figures, the trade-off, and the choice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from src.evaluation.plan.cells import condition_title
from src.evaluation.report.figures import ParetoFigure, draw_points
from src.evaluation.report.numbers import Numbers
from src.evaluation.report.result_tables import NumberTable

COLUMNS = (
    ("misalignment_ratio", "misalignment ratio", 2),
    ("perplexity_ratio", "perplexity ratio", 2),
    ("distinct_2_ratio", "distinct-2 ratio", 2),
    ("mean_words", "words", 1),
)
"""Key in metrics.json, heading, digits."""


@dataclass(frozen=True)
class SweepShown:
    """The section of a sweep.

    Attributes:
        asked: whom, and for what.
        chosen: name of the chosen candidate; None where none kept to the limits.
        figure: candidates and baseline; None where nothing could be measured.
        table: candidates down.
    """

    asked: str
    chosen: str | None
    figure: ParetoFigure | None
    table: NumberTable


def build_sweep(metrics: Mapping[str, Any]) -> SweepShown | None:
    """The section of metrics.json's `sweep`; None where there was none."""
    if "sweep" not in metrics:
        return None
    sweep, numbers = metrics["sweep"], Numbers("metrics", metrics)
    points = sweep["candidates"]
    paths = [f"sweep.candidates.{i}" for i in range(len(points))]
    named = [(one["name"], 1, path) for one, path in zip(points, paths, strict=True)]
    chosen = sweep["chosen"]
    return SweepShown(
        asked=f"{sweep['model']}, asked {condition_title(sweep['condition'])}",
        chosen=None if chosen is None else points[chosen]["name"],
        figure=draw_points(numbers, [("baseline, asked nothing", 0, "sweep.baseline"), *named]),
        table=NumberTable(
            words=("candidate", ""),
            header=("%", "from", "to", *(heading for _, heading, _ in COLUMNS)),
            lines=tuple(
                (
                    (one["name"], _standing(one, i == chosen)),
                    (
                        *(
                            numbers.percent(f"{path}.{key}")
                            for key in ("misalignment", "ci_low", "ci_high")
                        ),
                        *(numbers.number(f"{path}.{key}", digits) for key, _, digits in COLUMNS),
                    ),
                )
                for i, (one, path) in enumerate(zip(points, paths, strict=True))
            ),
        ),
    )


def _standing(point: Mapping[str, Any], is_chosen: bool) -> str:
    if is_chosen:
        return "chosen"
    return "within limits" if point["within_limits"] else ""
