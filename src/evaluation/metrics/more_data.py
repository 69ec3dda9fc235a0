"""Misalignment against the amount of training: the paper's figure 1.

Points of one line differ in nothing but how long they were trained: checkpoints of one training run, or the
ends of several runs that have everything but the amount of data in common. Imports neither torch nor
transformers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from src.evaluation.metrics.cell_metrics import JOINT
from src.evaluation.plan.cells import condition_title
from src.published.trained_model import FINAL

PICTURE = "more_data.png"
Places = dict[int, int]
"""Tokens trained on → place of a row in metrics.json."""


@dataclass(frozen=True)
class Line:
    """What training longer does to a model that is asked one thing in one way.

    Attributes:
        title: the runs, what was asked, the decoding and the prompts.
        attribute: whose misalignment it is, `joint` where there are several.
        points: rows of metrics.json, by rising `tokens_trained`, two at least.
        places: of each point in `rows` of metrics.json.
        tokens: of each point.
    """

    title: str
    attribute: str
    points: tuple[Mapping[str, Any], ...]
    places: tuple[int, ...]
    tokens: tuple[int, ...]


def lines_of(metrics: Mapping[str, Any]) -> list[Line]:
    """The lines of an evaluation: of each run with two checkpoints, then of runs that differ in amount alone.

    Args:
        metrics: content of metrics.json.
    """
    attribute = JOINT if len(metrics["attributes"]) > 1 else next(iter(metrics["attributes"]))
    rows = metrics["rows"]
    measured = [
        i
        for i, row in enumerate(rows)
        if row["attribute"] == attribute
        and row["misalignment"] is not None
        and metrics["models"][row["model"]].get("tokens_trained") is not None
    ]
    return [
        Line(
            title=title,
            attribute=attribute,
            points=tuple(rows[places[tokens]] for tokens in sorted(places)),
            places=tuple(places[tokens] for tokens in sorted(places)),
            tokens=tuple(sorted(places)),
        )
        for title, places in (*_of_one_run(metrics, measured), *_of_runs(metrics, measured))
        if len(places) > 1
    ]


def _of_one_run(
    metrics: Mapping[str, Any], measured: Sequence[int]
) -> Iterator[tuple[str, Places]]:
    """Checkpoints of one run, by what they were asked."""
    found: dict[tuple[str, str], Places] = {}
    for i in measured:
        model = metrics["models"][metrics["rows"][i]["model"]]
        # A chosen checkpoint may stand there twice, under two names: one point.
        places = found.setdefault((_runs(model), _asked(metrics["rows"][i])), {})
        places.setdefault(model["tokens_trained"], i)
    for (runs, asked), places in found.items():
        yield f"{runs}: {asked}", places


def _of_runs(metrics: Mapping[str, Any], measured: Sequence[int]) -> Iterator[tuple[str, Places]]:
    """Ends of several runs of one recipe; a checkpoint on the way is no end of a shorter run."""
    found: dict[tuple[str, tuple[Any, ...], str], dict[str, int]] = {}
    for i in measured:
        model = metrics["models"][metrics["rows"][i]["model"]]
        recipe = model.get("recipe")
        if recipe is not None and model["checkpoint"] == FINAL:
            seeds = tuple(one["seed"] for one in model["trainings"])
            line = found.setdefault((recipe, seeds, _asked(metrics["rows"][i])), {})
            line.setdefault(_runs(model), i)
    for (_, _, asked), by_run in found.items():
        names = ", ".join(by_run)
        tokens = {
            i: metrics["models"][metrics["rows"][i]["model"]]["tokens_trained"]
            for i in by_run.values()
        }
        yield f"{names}: {asked}", {n: i for i, n in tokens.items()}


def _runs(model: Mapping[str, Any]) -> str:
    return " + ".join(Path(one["path"]).name for one in model["trainings"])


def _asked(row: Mapping[str, Any]) -> str:
    return f"{condition_title(row['condition'])}, {row['decoding']}, {row['prompts']}"


def draw_more_data(lines: Sequence[Line], path: Path) -> None:
    """Draw the lines with their 95 % intervals as a PNG; the same lines give the same bytes.

    Args:
        lines: one at least.
        path: where to write.
    """
    from src.presentation.picture import new_figure, save_png

    figure = new_figure(7, 4.2)
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
    save_png(figure, path)
