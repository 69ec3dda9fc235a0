"""The picture of a label audit: where the scores lie, and where the edges cut them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from src.presentation.picture import new_figure, save_png

SHARES = np.arange(1, 10) / 10


def draw_audit(audit: Mapping[str, Any], path: Path) -> None:
    """Draw a PNG: per attribute the histogram of its scores, and its cumulative shares.

    The same audit gives the same bytes.

    Args:
        audit: the content of `audit.json`.
        path: where to write.
    """
    attributes = audit["attributes"]
    figure = new_figure(10, 3.2 * len(attributes))
    panels = figure.subplots(len(attributes), 2, squeeze=False)
    for (name, one), (left, right) in zip(attributes.items(), panels, strict=True):
        _histogram(left, name, one)
        _cumulative(right, name, one)
    save_png(figure, path)


def _histogram(panel: Axes, name: str, one: Mapping[str, Any]) -> None:
    bounds = np.array(one["bin_edges"])
    # On a logarithmic axis: most sentences lie in a few bins, and the edges often elsewhere.
    panel.bar(bounds[:-1], one["histogram"], np.diff(bounds), align="edge", color="tab:blue")
    panel.set(xlabel=f"score of {name}", ylabel="sentences", yscale="log", title=name)
    _mark_edges(panel, one)
    panel.legend(loc="upper right", frameon=False, fontsize=8)


def _cumulative(panel: Axes, name: str, one: Mapping[str, Any]) -> None:
    deciles = np.array(one["deciles"])
    ends = one["bin_edges"][0], one["bin_edges"][-1]
    if ends[0] > 0 and deciles[4] < 0.1 * ends[1]:  # most scores beside zero: tell them apart
        panel.set_xscale("log")
    panel.plot([ends[0], *deciles, ends[1]], [0, *SHARES, 1], "o-", color="tab:blue", markersize=3)
    panel.set(
        xlabel=f"score of {name}", ylabel="share of sentences at or below", ylim=(-0.02, 1.02)
    )
    panel.set_title("deciles")
    _mark_edges(panel, one)


def _mark_edges(panel: Axes, one: Mapping[str, Any]) -> None:
    for i, edge in enumerate(one["edges"]):
        margin = one["exclude_within"]
        if margin:
            label = None if i else f"left out: nearer than {margin:g}"
            panel.axvspan(
                edge - margin,
                edge + margin,
                color="tab:orange",
                alpha=0.25,
                linewidth=0,
                label=label,
            )
        panel.axvline(
            edge, color="tab:red", linewidth=1, label=None if i else "edge between two labels"
        )
