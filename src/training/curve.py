"""The picture of a training run: loss and control AUC over the tokens seen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from src.presentation.picture import new_figure, save_png
from src.training.metrics_log import Row


def draw_curve(rows: Sequence[Row], path: Path, title: str) -> None:
    """Draw a PNG; the same rows give the same bytes.

    Args:
        rows: of `metrics.jsonl`.
        path: where to write.
        title: above the picture.
    """
    train = [row for row in rows if row["split"] == "train"]
    validation = [row for row in rows if row["split"] == "validation"]
    attributes = sorted({name for row in validation for name in row["control_auc"]})
    figure = new_figure(5 * (1 + bool(attributes)), 3.6)
    losses, *others = figure.subplots(1, 1 + bool(attributes), squeeze=False)[0]
    losses.plot(*_points(train, "loss"), color="tab:blue", linewidth=1, label="training")
    losses.plot(
        *_points(validation, "loss"), "o-", color="tab:orange", markersize=4, label="validation"
    )
    losses.set(xlabel="tokens seen", ylabel="nats per token", title="loss")
    losses.legend(frameon=False)
    for panel in others:
        tokens, lowest = [row["tokens_seen"] for row in validation], 0.45
        for name in attributes:
            values = [row["control_auc"][name] for row in validation]
            panel.plot(tokens, values, "o-", markersize=4, label=name)
            lowest = min(lowest, *values)
        panel.axhline(0.5, color="grey", linewidth=0.8, linestyle="--")  # a token that is ignored
        panel.set(xlabel="tokens seen", ylabel="control AUC", title="control tokens")
        panel.set_ylim(lowest - 0.02, 1.02)
        panel.legend(frameon=False)
    figure.suptitle(title, fontsize=10)
    save_png(figure, path)


def _points(rows: Sequence[Row], key: str) -> tuple[list[int], list[float]]:
    return [row["tokens_seen"] for row in rows], [row[key] for row in rows]
