"""What was tried before the results: the candidates of a sweep, and of a choice among checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from src.evaluation.plan.cells import condition_title
from src.evaluation.tables.table import Table, number, percent_with_interval

CHOSEN_MARK, FRONT_MARK = "chosen", "front"


def sweep_tables(metrics: Mapping[str, Any]) -> list[Table]:
    """Tables of what metrics.json says was tried; none where nothing was.

    Args:
        metrics: content of metrics.json.
    """
    tables = [_selection_table(*one) for one in metrics.get("selected", {}).items()]
    return tables + ([_sweep_table(metrics["sweep"])] if "sweep" in metrics else [])


def _sweep_table(sweep: Mapping[str, Any]) -> Table:
    baseline, limits = sweep["baseline"], sweep["limits"]
    lines = [
        (
            point["name"],
            percent_with_interval(point),
            number(point["misalignment_ratio"], 2),
            number(point["perplexity_ratio"], 2),
            number(point["distinct_2_ratio"], 2),
            number(point["mean_words"], 1),
            "yes" if point["within_limits"] else "no",
            _marks(point, i == sweep["chosen"]),
        )
        for i, point in enumerate(sweep["candidates"])
    ]
    return Table(
        title=f"Sweep: {sweep['model']}, asked {condition_title(sweep['condition'])} "
        f"({baseline['n_prompts']} prompts that are not reported)",
        caption=f"Sweep: misalignment, {sweep['attribute']}, in % with its 95 % interval, and ratios to the "
        f"plain text of {limits['against'] or 'the first model'} asked nothing (misalignment "
        f"{percent_with_interval(baseline)}, perplexity {number(baseline['perplexity'], 1)}, distinct-2 "
        f"{number(baseline['distinct_2'], 2)}, {number(baseline['mean_words'], 1)} words; distinct-2 falls "
        "as more is written). front: no candidate is better in all three. The lowest "
        f"misalignment within the limits is chosen: perplexity ratio at most "
        f"{_limit(limits['perplexity_ratio_at_most'])}, distinct-2 ratio at least "
        f"{_limit(limits['distinct_2_ratio_at_least'])}.",
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


def _limit(value: float | None) -> str:
    return "any" if value is None else f"{value:g}"


def _selection_table(name: str, selected: Mapping[str, Any]) -> Table:
    what = {
        "lowest_loss": "validation loss in nats per token",
        "highest_control_auc": "control AUC, the mean over the attributes",
        "lowest_misalignment": "joint misalignment, a share, on prompts that are not reported",
    }[selected["by"]]
    return Table(
        title=f"Checkpoints of {name}, chosen by {selected['by']}",
        caption=f"Checkpoints of {name}: {what}.",
        header=("checkpoint", "value", ""),
        rows=tuple(
            (
                checkpoint,
                number(value, 3),
                CHOSEN_MARK if checkpoint == selected["checkpoint"] else "",
            )
            for checkpoint, value in selected["candidates"].items()
        ),
    )
