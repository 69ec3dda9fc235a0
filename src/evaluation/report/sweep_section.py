"""What a sweep tried, on the page: the candidates' figures, the trade-off, and the choice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from src.evaluation.plan.cells import condition_title
from src.evaluation.report.figures import INTERVAL, ParetoFigure, draw_points
from src.evaluation.report.numbers import Cell, Numbers
from src.evaluation.report.tables_section import NumberTable
from src.evaluation.tables import captions

HEADER = (
    *("misaligned, %", "misalignment ratio", "perplexity ratio", "distinct-2 ratio", "words"),
)


@dataclass(frozen=True)
class SweepShown:
    """The section of a sweep.

    Attributes:
        asked: whom, and for what.
        attribute: whose misalignment it is; `joint` where several were asked for.
        caption: of the table.
        chosen: name of the chosen candidate; None where none kept to the limits.
        figure: candidates and baseline; None where nothing could be measured.
        table: candidates down.
    """

    asked: str
    attribute: str
    caption: str
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
        attribute=sweep["attribute"],
        caption=captions.sweep(sweep),
        chosen=None if chosen is None else points[chosen]["name"],
        figure=draw_points(numbers, [*_baselines(sweep), *named]),
        table=NumberTable(
            words=("candidate", ""),
            header=HEADER,
            lines=tuple(
                (
                    (one["name"], _standing(one, i == chosen)),
                    _figures(path, numbers),
                )
                for i, (one, path) in enumerate(zip(points, paths, strict=True))
            ),
        ),
    )


def _figures(path: str, numbers: Numbers) -> tuple[Cell, ...]:
    ratios = (
        numbers.number_with(*(f"{path}.{key}{end}" for end in ("", "_ci_low", "_ci_high")), 2)
        for key in ("ratio", "perplexity_ratio", "distinct_2_ratio")
    )
    return (
        numbers.percent_with(*(f"{path}.{key}" for key in INTERVAL)),
        *ratios,
        numbers.number(f"{path}.mean_words", 1),
    )


def _baselines(sweep: Mapping[str, Any]) -> list[tuple[str, int, str]]:
    return [
        (captions.baseline_of_sweep(one["decoding"]), 0, f"sweep.baselines.{i}")
        for i, one in enumerate(sweep["baselines"])
    ]


def _standing(point: Mapping[str, Any], is_chosen: bool) -> str:
    marks = (
        ("front", point["on_front"]),
        ("within limits", point["within_limits"]),
        ("chosen", is_chosen),
    )
    return ", ".join(mark for mark, stands in marks if stands)
