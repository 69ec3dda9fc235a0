"""A sweep as a picture, for papers and notes: misalignment against perplexity, coloured by variety.

The numbers beside the points are the places of the candidates in metrics.json and in the tables, from 1.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SWEEP_PICTURE = "sweep.png"


def draw_sweep(sweep: Mapping[str, Any], path: Path) -> None:
    """Draw the candidates with their 95 % intervals as a PNG; the same sweep gives the same bytes.

    Args:
        sweep: `sweep` of metrics.json.
        path: where to write.
    """
    from src.evaluation.tables.captions import baseline_of_sweep
    from src.presentation.picture import new_figure, save_png

    points = [
        (number, one)
        for number, one in enumerate(sweep["candidates"], start=1)
        if one["misalignment"] is not None and one["perplexity"] is not None
    ]
    figure = new_figure(7.5, 4.4)
    panel = figure.subplots()
    for baseline, shade in zip(sweep["baselines"], itertools.cycle(("black", "0.4", "0.65"))):
        label = baseline_of_sweep(baseline["decoding"])
        _mark(panel, baseline, label=label, fmt="D", color=shade)
    for number, one in points:
        chosen = number - 1 == sweep["chosen"]
        _mark(panel, one, fmt="none", color="grey", label=None)
        panel.annotate(
            f"{number}{' chosen' if chosen else ''}",
            (one["perplexity"], 100 * one["misalignment"]),
            textcoords="offset points",
            xytext=(6, -11),
            fontsize=8,
        )
    variety = panel.scatter(
        [one["perplexity"] for _, one in points],
        [100 * one["misalignment"] for _, one in points],
        c=[one["distinct_2"] for _, one in points],
        cmap="viridis",
        s=60,
        zorder=3,
    )
    figure.colorbar(variety, ax=panel, label="distinct-2")
    limit = sweep["limits"]["perplexity_ratio_at_most"]
    perplexities = [one["perplexity"] for one in sweep["baselines"]]
    if limit is not None and len(perplexities) == 1 and perplexities[0] is not None:
        place = limit * perplexities[0]
        panel.axvline(place, ls=":", color="grey", label=f"{limit:g} × the baseline's perplexity")
    panel.set(xlabel="perplexity", ylabel=f"misalignment, {sweep['attribute']} (%)")
    panel.set_ylim(bottom=0)
    panel.legend(frameon=False, fontsize=8)
    save_png(figure, path)


def _mark(panel: Any, point: Mapping[str, Any], **style: Any) -> None:
    """A point with its interval; nothing where a figure is missing."""
    if point["misalignment"] is None or point["perplexity"] is None:
        return
    share = point["misalignment"]
    ends = ([100 * max(0.0, share - point["ci_low"])], [100 * max(0.0, point["ci_high"] - share)])
    panel.errorbar(point["perplexity"], 100 * share, yerr=ends, capsize=3, **style)
