"""What was tried before the results: the candidates of a sweep, and of a choice among checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from src.evaluation.plan.cells import condition_title
from src.evaluation.tables import captions
from src.evaluation.tables.table import Table, number, percent_with_interval, with_interval

CHOSEN_MARK, FRONT_MARK = "chosen", "front"


def sweep_tables(metrics: Mapping[str, Any]) -> list[Table]:
    """Tables of what metrics.json says was tried; none where nothing was.

    Args:
        metrics: content of metrics.json.
    """
    tables = [_selection_table(*one) for one in metrics.get("selected", {}).items()]
    return tables + ([_sweep_table(metrics["sweep"])] if "sweep" in metrics else [])


def _sweep_table(sweep: Mapping[str, Any]) -> Table:
    lines = [
        (
            point["name"],
            percent_with_interval(point),
            _with_ends(point, "ratio", 2),
            _with_ends(point, "perplexity_ratio", 2),
            _with_ends(point, "distinct_2_ratio", 2),
            number(point["mean_words"], 1),
            "yes" if point["within_limits"] else "no",
            _marks(point, i == sweep["chosen"]),
        )
        for i, point in enumerate(sweep["candidates"])
    ]
    return Table(
        title=f"Sweep: {sweep['model']}, asked {condition_title(sweep['condition'])} "
        f"({sweep['baselines'][0]['n_prompts']} prompts that are not reported)",
        caption=f"Sweep: {captions.sweep(sweep)} {' '.join(map(_baseline, sweep['baselines']))}",
        header=(
            "candidate",
            "misaligned",
            "ratio",
            "perplexity",
            "distinct-2",
            "words",
            "within limits",
            "",
        ),
        rows=tuple(lines),
        note="" if sweep["chosen"] is not None else "No candidate keeps to the limits.",
    )


def _marks(point: Mapping[str, Any], is_chosen: bool) -> str:
    marks = ((FRONT_MARK, point["on_front"]), (CHOSEN_MARK, is_chosen))
    return ", ".join(mark for mark, stands in marks if stands)


def _baseline(one: Mapping[str, Any]) -> str:
    return (
        f"The {captions.baseline_of_sweep(one['decoding'])} has misalignment "
        f"{percent_with_interval(one)}, perplexity {_with_ends(one, 'perplexity', 1)}, distinct-2 "
        f"{_with_ends(one, 'distinct_2', 2)}, {number(one['mean_words'], 1)} words."
    )


def _with_ends(row: Mapping[str, Any], key: str, digits: int) -> str:
    return with_interval(row[key], row[f"{key}_ci_low"], row[f"{key}_ci_high"], digits)


def _selection_table(name: str, selected: Mapping[str, Any]) -> Table:
    intervals = selected.get("intervals", {})
    return Table(
        title=captions.selection_title(name, selected),
        caption=f"Checkpoints of {name}: {captions.SELECTED[selected['by']]}.",
        header=("checkpoint", "value", ""),
        rows=tuple(
            (
                checkpoint,
                with_interval(value, *_ends(intervals.get(checkpoint, {})), 3),
                standing(checkpoint, selected),
            )
            for checkpoint, value in selected["candidates"].items()
        ),
    )


def standing(checkpoint: str, selected: Mapping[str, Any]) -> str:
    """Whether a checkpoint was chosen, or may be as good as the one that was."""
    if checkpoint == selected["checkpoint"]:
        return CHOSEN_MARK
    return "within error" if checkpoint in selected["within_error"] else ""


def _ends(interval: Mapping[str, float | None]) -> tuple[float | None, float | None]:
    return interval.get("ci_low"), interval.get("ci_high")
