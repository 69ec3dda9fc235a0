"""On the page: which checkpoints were chosen, out of which, and what more training does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from src.evaluation.metrics.more_data import Line, lines_of
from src.evaluation.plan.cells import condition_title
from src.evaluation.report.audit_figures import Captioned
from src.evaluation.report.figures import BOTTOM, INTERVAL, LEFT, RIGHT, TOP, Axes
from src.evaluation.report.numbers import Cell, Numbers, axis_text
from src.evaluation.report.scales import Scale, ticks
from src.evaluation.report.tables_section import NumberTable
from src.evaluation.tables import captions
from src.evaluation.tables.sweep_tables import standing


def build_selected(metrics: Mapping[str, Any]) -> list[Captioned]:
    """Per model whose checkpoint was chosen: all candidates, and which of them it is."""
    numbers = Numbers("metrics", metrics)
    return [
        Captioned(
            title=captions.selection_title(name, one),
            caption=f"{_sentence(captions.SELECTED[one['by']])}{_asked(one)}.",
            table=NumberTable(
                words=("checkpoint", ""),
                header=("value",),
                lines=tuple(
                    (
                        (checkpoint, standing(checkpoint, one)),
                        (_value(numbers, name, checkpoint, one),),
                    )
                    for checkpoint in one["candidates"]
                ),
            ),
        )
        for name, one in metrics.get("selected", {}).items()
    ]


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _asked(selected: Mapping[str, Any]) -> str:
    if "condition" not in selected:
        return ""
    return f" ({selected['attribute']}, asked {condition_title(selected['condition'])})"


def _value(numbers: Numbers, name: str, checkpoint: str, selected: Mapping[str, Any]) -> Cell:
    at = f"selected.{name}"
    if checkpoint not in selected.get("intervals", {}):
        return numbers.number(f"{at}.candidates.{checkpoint}", 3)
    ends = (f"{at}.intervals.{checkpoint}.{end}" for end in ("ci_low", "ci_high"))
    return numbers.number_with(f"{at}.candidates.{checkpoint}", *ends, 3)


@dataclass(frozen=True)
class DrawnLine:
    """A line of the figure.

    Attributes:
        number: decides the colour.
        title: what its points have in common.
        path: through its points, for an SVG polyline.
        points: (x, y, low, high) places of each point and of its interval's ends.
    """

    number: int
    title: str
    path: str
    points: tuple[tuple[float, float, float, float], ...]


@dataclass(frozen=True)
class MoreData:
    """The figure, and the same numbers as a table."""

    attribute: str
    axes: Axes
    lines: tuple[DrawnLine, ...]
    table: NumberTable


def build_more_data(metrics: Mapping[str, Any]) -> MoreData | None:
    """Misalignment over the tokens trained on; None where nothing was trained for different amounts."""
    lines = lines_of(metrics)
    if not lines:
        return None
    x = Scale(0.0, 1.04 * max(n for line in lines for n in line.tokens), LEFT, RIGHT)
    highest = max(point["ci_high"] for line in lines for point in line.points)
    y = Scale(0.0, min(1.0, highest + 0.05), BOTTOM, TOP)
    return MoreData(
        attribute=lines[0].attribute,
        axes=Axes(
            tuple((x(t), axis_text(t)) for t in ticks(x.low, x.high, 4)),
            tuple((y(t), f"{100 * t:g}") for t in ticks(y.low, y.high)),
        ),
        lines=tuple(_drawn(i, line, x, y) for i, line in enumerate(lines)),
        table=_table(lines, Numbers("metrics", metrics)),
    )


def _drawn(number: int, line: Line, x: Scale, y: Scale) -> DrawnLine:
    places = [
        (x(tokens), *(y(point[key]) for key in INTERVAL))
        for tokens, point in zip(line.tokens, line.points, strict=True)
    ]
    path = " ".join(f"{place[0]},{place[1]}" for place in places)
    return DrawnLine(number, line.title, path, tuple(places))


def _table(lines: Sequence[Line], numbers: Numbers) -> NumberTable:
    return NumberTable(
        words=("line", "model"),
        header=("tokens trained on", "%"),
        lines=tuple(
            (
                (line.title, point["model"]),
                (
                    numbers.number(f"models.{point['model']}.tokens_trained", 0),
                    numbers.percent_with(*(f"rows.{place}.{key}" for key in INTERVAL)),
                ),
            )
            for line in lines
            for place, point in zip(line.places, line.points, strict=True)
        ),
    )
