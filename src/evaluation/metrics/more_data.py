"""Misalignment against the amount of training: the paper's figure 1.

Checkpoints of one training run, which differ in nothing but how long they were trained, are points of one
line. Imports neither torch nor transformers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from src.evaluation.metrics.cell_metrics import JOINT
from src.evaluation.plan.cells import condition_title

PICTURE = "more_data.png"


@dataclass(frozen=True)
class Line:
    """What a run's checkpoints do, asked one thing in one way, as it is trained longer.

    Attributes:
        title: the run, what was asked, the decoding and the prompts.
        attribute: whose misalignment it is, `joint` where there are several.
        points: rows of metrics.json, by rising `tokens_trained`, two at least.
        tokens: of each point.
    """

    title: str
    attribute: str
    points: tuple[Mapping[str, Any], ...]
    tokens: tuple[int, ...]


def lines_of(metrics: Mapping[str, Any]) -> list[Line]:
    """The lines of an evaluation; none without two checkpoints of a run.

    Args:
        metrics: content of metrics.json.
    """
    models, found = metrics["models"], {}
    attribute = JOINT if len(metrics["attributes"]) > 1 else next(iter(metrics["attributes"]))
    for row in metrics["rows"]:
        tokens = models[row["model"]].get("tokens_trained")
        if row["attribute"] != attribute or tokens is None or row["misalignment"] is None:
            continue
        asked = condition_title(row["condition"])
        kind = (models[row["model"]]["path"], asked, row["decoding"], row["prompts"])
        # A chosen checkpoint may stand there twice, under two names: one point.
        found.setdefault(kind, {}).setdefault(tokens, row)
    return [
        Line(
            f"{Path(run).name}: {asked}, {decoding}, {prompts}",
            attribute,
            tuple(points[tokens] for tokens in sorted(points)),
            tuple(sorted(points)),
        )
        for (run, asked, decoding, prompts), points in found.items()
        if len(points) > 1
    ]


def draw_more_data(lines: Sequence[Line], path: Path) -> None:
    """Draw the lines with their 95 % intervals as a PNG; the same lines give the same bytes.

    Args:
        lines: one at least.
        path: where to write.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.2), layout="constrained", dpi=120)
    FigureCanvasAgg(figure)
    panel = figure.subplots()
    for line in lines:
        shares = [100 * point["misalignment"] for point in line.points]
        # An interval need not hold the share itself; a length below 0 cannot be drawn.
        below = [100 * max(0.0, p["misalignment"] - p["ci_low"]) for p in line.points]
        above = [100 * max(0.0, p["ci_high"] - p["misalignment"]) for p in line.points]
        panel.errorbar(
            line.tokens, shares, yerr=(below, above), fmt="o-", capsize=3, label=line.title
        )
    panel.set(xlabel="tokens trained on", ylabel=f"misalignment, {lines[0].attribute} (%)")
    panel.set_ylim(bottom=0)
    panel.legend(frameon=False, fontsize=8)
    temporary = path.with_name(f".{path.name}.tmp")
    figure.savefig(temporary, format="png", metadata={"Software": None})
    temporary.replace(path)
