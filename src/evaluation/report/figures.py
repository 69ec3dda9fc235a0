"""Geometry of the figures: the Pareto front and the training curves. The templates draw them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from src.evaluation.plan.cells import condition_title
from src.evaluation.report.numbers import Numbers, Shown, axis_text, look_up
from src.evaluation.report.scales import Scale, padded, ticks

LEFT, RIGHT, TOP, BOTTOM = 46.0, 450.0, 12.0, 270.0
"""Corners of the area inside the axes, in units of the drawing (460 × 310)."""

LINE_POINTS = 300
"""Points of a training curve; where there are more steps, each point is a mean of neighbours."""


@dataclass(frozen=True)
class Axes:
    """Ticks of a drawing as (place, text)."""

    x: tuple[tuple[float, str], ...]
    y: tuple[tuple[float, str], ...]

    left, right, top, bottom = LEFT, RIGHT, TOP, BOTTOM


@dataclass(frozen=True)
class Point:
    """A cell in the plane of perplexity and misalignment.

    Attributes:
        number: in the drawing and in the list beside it.
        title: of the cell.
        model: number of its model, for the colour.
        x, y, low, high: places of perplexity, misalignment and its interval's ends.
        best: whether no other cell has both lower perplexity and lower misalignment.
        shown: the numbers: perplexity, misalignment, ci_low, ci_high.
    """

    number: int
    title: str
    model: int
    x: float
    y: float
    low: float
    high: float
    best: bool
    shown: dict[str, Shown]


@dataclass(frozen=True)
class ParetoFigure:
    """One source of prompts: its cells and the line through the best of them."""

    axes: Axes
    points: tuple[Point, ...]
    front: str
    missing: tuple[str, ...]


def draw_pareto(
    metrics: Mapping[str, Any], source: str, attribute: str, several_decodings: bool
) -> ParetoFigure | None:
    """Misalignment against perplexity.

    Args:
        metrics: content of metrics.json.
        source: of the prompts.
        attribute: `joint`, or the only attribute.
        several_decodings: whether titles name the decoding.

    Returns:
        None where no cell has both figures. Cells that lack one are listed in `missing`.
    """
    models = list(metrics["models"])
    return draw_points(
        Numbers("metrics", metrics),
        [
            (
                cell_title(row, several_decodings),
                models.index(row["model"]) if row["model"] in models else 0,
                f"rows.{i}",
            )
            for i, row in enumerate(metrics["rows"])
            if row["prompts"] == source and row["attribute"] == attribute
        ],
    )


def draw_points(numbers: Numbers, named: Sequence[tuple[str, int, str]]) -> ParetoFigure | None:
    """Points that have a misalignment with its interval, and a perplexity.

    Args:
        numbers: of metrics.json.
        named: title, number that decides the colour, and path of each point.

    Returns:
        None where no point has both figures. Points that lack one are listed in `missing`.
    """
    found = [(*one, look_up(numbers.content, one[2])) for one in named]
    whole = [one for one in found if None not in (one[3]["perplexity"], one[3]["misalignment"])]
    if not whole:
        return None
    x = Scale(*padded(r["perplexity"] for *_, r in whole), LEFT, RIGHT)
    highest = max(r["ci_high"] for *_, r in whole)
    y = Scale(0.0, min(1.0, highest + 0.05), BOTTOM, TOP)
    front = pareto_front([(r["perplexity"], r["misalignment"]) for *_, r in whole])
    points = [
        Point(
            number=k + 1,
            title=title,
            model=model,
            x=x(row["perplexity"]),
            y=y(row["misalignment"]),
            low=y(row["ci_low"]),
            high=y(row["ci_high"]),
            best=k in front,
            shown=_numbers_of(numbers, path),
        )
        for k, (title, model, path, row) in enumerate(whole)
    ]
    drawn = sorted((p for p in points if p.best), key=lambda p: p.x)
    return ParetoFigure(
        axes=Axes(
            tuple((x(t), axis_text(t)) for t in ticks(x.low, x.high)),
            tuple((y(t), f"{100 * t:g}") for t in ticks(y.low, y.high)),
        ),
        points=tuple(points),
        front=_staircase(drawn),
        missing=tuple(one[0] for one in found if one not in whole),
    )


def _numbers_of(numbers: Numbers, path: str) -> dict[str, Shown]:
    shares = {key: numbers.percent(f"{path}.{key}") for key in INTERVAL}
    return {**shares, "perplexity": numbers.number(f"{path}.perplexity", 1)}


INTERVAL = ("misalignment", "ci_low", "ci_high")


def cell_title(row: Mapping[str, Any], with_decoding: bool) -> str:
    """A cell within its source of prompts: `M-TS, nontoxic + pos, contrast`."""
    parts = [row["model"], condition_title(row["condition"])]
    return ", ".join([*parts, row["decoding"]] if with_decoding else parts)


def pareto_front(points: Sequence[tuple[float, float]]) -> set[int]:
    """Indices of the points that no other point beats: lower in one figure, not higher in the other."""
    return {
        i
        for i, (x, y) in enumerate(points)
        if not any(a <= x and b <= y and (a < x or b < y) for a, b in points)
    }


def _staircase(points: Sequence[Point]) -> str:
    """An SVG path: the border of what is beaten by some cell."""
    if not points:
        return ""
    path = f"M{points[0].x} {TOP}V{points[0].y}"
    for point in points[1:]:
        path += f"H{point.x}V{point.y}"
    return path + f"H{RIGHT}"


# ----------------------------------------------------------------------------------- training curves


@dataclass(frozen=True)
class CurveFigure:
    """Losses of one training run: the training steps as a line, validation as points on a line."""

    model: str
    axes: Axes
    train: str
    validation: str
    points: tuple[tuple[float, float], ...]
    thinned: int


def draw_curves(logs: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[CurveFigure]:
    """One figure per model, all with the same vertical axis.

    Args:
        logs: model → rows of its `metrics.jsonl`.
    """
    thin = {
        name: _thinned([r for r in rows if r["split"] == "train"]) for name, rows in logs.items()
    }
    checked = {
        name: [(r["tokens_seen"], r["loss"]) for r in rows if r["split"] == "validation"]
        for name, rows in logs.items()
    }
    losses = [loss for found in (*thin.values(), *checked.values()) for _, loss in found]
    if not losses:
        return []
    y = Scale(*padded(losses), BOTTOM, TOP)
    figures = []
    for name in logs:
        if not thin[name] and not checked[name]:
            continue
        x = Scale(0.0, float(max(t for t, _ in (*thin[name], *checked[name]))), LEFT, RIGHT)
        steps = sum(row["split"] == "train" for row in logs[name])
        figures.append(
            CurveFigure(
                model=name,
                axes=Axes(
                    tuple((x(t), axis_text(t)) for t in ticks(x.low, x.high, 4)),
                    tuple((y(t), axis_text(t)) for t in ticks(y.low, y.high)),
                ),
                train=_line(thin[name], x, y),
                validation=_line(checked[name], x, y),
                points=tuple((x(t), y(loss)) for t, loss in checked[name]),
                thinned=-(-steps // LINE_POINTS) if steps > LINE_POINTS else 1,
            )
        )
    return figures


def _thinned(rows: Sequence[Mapping[str, Any]]) -> list[tuple[float, float]]:
    size = -(-len(rows) // LINE_POINTS) or 1
    groups = [rows[i : i + size] for i in range(0, len(rows), size)]
    return [
        (group[-1]["tokens_seen"], sum(row["loss"] for row in group) / len(group))
        for group in groups
    ]


def _line(points: Sequence[tuple[float, float]], x: Scale, y: Scale) -> str:
    return " ".join(f"{x(a)},{y(b)}" for a, b in points)
