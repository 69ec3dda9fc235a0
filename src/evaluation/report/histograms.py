"""Histograms of scores: of what each cell wrote, and of the data set's sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from src.attributes.attribute import Attribute
from src.evaluation.report.numbers import axis_text
from src.evaluation.report.scales import Scale, powers_of_ten, ticks
from src.evaluation.report.score_axis import ScoreAxis, label_shade, score_axis
from src.evaluation.report.sources import Cell, Sources, cell_of

WIDTH, HEIGHT, SIDE, FOOT = 240.0, 84.0, 10.0, 18.0
"""Size of the bars' area, of the room beside it and of the room below it for the axis."""


@dataclass(frozen=True)
class Histogram:
    """A drawing: bars as (x, y, width, height, shade), edges as x, ticks as (x, text)."""

    bars: tuple[tuple[float, float, float, float, int], ...]
    edges: tuple[float, ...]
    ticks: tuple[tuple[float, str], ...]
    n: int

    width, height, foot, side = WIDTH, HEIGHT, FOOT, SIDE


def cell_scores(generations: pa.Table, attributes: Sequence[str]) -> dict[Cell, dict[str, Any]]:
    """Scores of all sentences of each cell.

    Args:
        generations: the table of `generations.parquet`.
        attributes: their names.

    Returns:
        Cell → attribute → [sentences].
    """
    columns = ("model", "condition", "decoding", "prompts")
    names = generations.select(columns).to_pylist()
    sentences = generations["scores"].combine_chunks()
    lengths = sentences.value_lengths().to_numpy(zero_copy_only=False)
    flat = sentences.flatten()
    values = {name: flat.field(name).to_numpy(zero_copy_only=False) for name in attributes}
    places: dict[Cell, int] = {}
    number = np.array([places.setdefault(cell_of(row), len(places)) for row in names], dtype=int)
    owner = np.repeat(number, lengths)
    return {
        cell: {name: values[name][owner == i] for name in attributes} for cell, i in places.items()
    }


def shared_axes(sources: Sources, scores: dict[Cell, dict[str, Any]]) -> dict[str, ScoreAxis]:
    """Attribute → the axis that all its histograms share."""
    return {
        name: score_axis(one, np.concatenate([[], *(found[name] for found in scores.values())]))
        for name, one in sources.attributes.items()
    }


def draw_scores(axis: ScoreAxis, scores: np.ndarray) -> Histogram:
    """The histogram of one cell; a bar's area is the share of its sentences.

    Args:
        axis: of the attribute.
        scores: [sentences].
    """
    borders = axis.bins()
    # A score on a border belongs to the bar on its left, as one on an edge to the lower label.
    inner = np.searchsorted(borders[1:-1], scores, side="left")
    counts = np.bincount(inner, minlength=len(borders) - 1)
    return _draw(axis, borders, counts)


def draw_statistics(attribute: Attribute, histogram: dict[str, Any]) -> Histogram:
    """The histogram of the data set's scores, as `stats.json` holds it: equal bins, a linear axis."""
    borders, counts = np.array(histogram["bin_edges"]), np.array(histogram["counts"])
    axis = ScoreAxis(attribute, (borders[0], *attribute.edges, borders[-1]), log=False)
    return _draw(axis, borders, counts)


def _draw(axis: ScoreAxis, borders: np.ndarray, counts: np.ndarray) -> Histogram:
    low, high = float(borders[0]), float(borders[-1])
    scale = Scale(low, high, SIDE, SIDE + WIDTH, axis.log)
    lefts = [scale(float(b)) for b in borders]
    widths = np.diff(lefts)
    density = counts / np.maximum(widths, 1e-9)
    top = max(float(density.max()), 1e-9) if len(density) else 1.0
    bars = []
    for i, count in enumerate(counts):
        if count:
            tall = round(max(HEIGHT * float(density[i]) / top, 0.6), 2)
            label = axis.attribute.label_of(float(borders[i] + borders[i + 1]) / 2)
            shade = label_shade(axis.attribute, label)
            x, wide = lefts[i], round(max(float(widths[i]) - 0.5, 0.4), 2)
            bars.append((x, round(HEIGHT - tall, 2), wide, tall, shade))
    marks = powers_of_ten(low, high) if axis.log else ticks(low, high, 4)
    return Histogram(
        bars=tuple(bars),
        edges=tuple(scale(edge) for edge in axis.attribute.edges if low <= edge <= high),
        ticks=tuple((scale(mark), axis_text(mark)) for mark in marks),
        n=int(counts.sum()),
    )
