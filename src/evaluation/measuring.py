"""From cells to figures: every cell written, scored and judged, and what metrics.json says of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from src.attributes.attribute import to_manifest
from src.config.evaluation import EvaluationArgs
from src.evaluation.continuation import Continuation
from src.evaluation.metrics.cell_metrics import cell_rows
from src.evaluation.metrics.comparison import Finished, compare_all
from src.evaluation.metrics.controllability import controllability
from src.evaluation.plan.cells import Cell
from src.evaluation.plan.inputs import Inputs


def finish_cells(
    args: EvaluationArgs, inputs: Inputs, work: Path
) -> tuple[list[tuple[Cell, list[Continuation]]], dict[str, Any]]:
    """Every cell with its continuations, written, scored and judged; and facts of the reference model.

    Args:
        args: of the run.
        inputs: of the run.
        work: of the unfinished run; pieces of work that are done are not done again.
    """
    from src.evaluation.steps import Steps

    steps = Steps(args, inputs, work)
    reference = steps.run()
    return [(cell, steps.finished(cell)) for cell in inputs.cells], reference


def rows_of(args: EvaluationArgs, inputs: Inputs, finished: Finished) -> list[dict[str, Any]]:
    """The rows of all cells (see `cell_rows`)."""
    rows = []
    for cell, continuations in finished:
        rows += cell_rows(
            cell.facts,
            continuations,
            inputs.attributes,
            seed=args.seed,
            resamples=args.bootstrap_resamples,
        )
    return rows


def metrics_of(
    args: EvaluationArgs,
    inputs: Inputs,
    finished: Finished,
    more: Mapping[str, Any],
) -> dict[str, Any]:
    """The content of metrics.json: the rows, and how they were made.

    Args:
        args: of the run, with what was chosen.
        inputs: of the run.
        finished: the reported cells.
        more: what else belongs there: scorers, judges, reference model, choices.
    """
    how = args.model_dump(
        mode="json",
        include={
            "decodings",
            "prompts",
            "placement",
            "samples_per_prompt",
            "bootstrap_resamples",
            "seed",
        },
    )
    return {
        "rows": rows_of(args, inputs, finished),
        "comparisons": compare_all(finished, inputs.attributes, args.decodings, args.seed),
        "controllability": controllability(finished, inputs.attributes, args.decodings),
        "attributes": to_manifest(inputs.attributes),
        "models": {
            name: {**model.facts, "condition_on": model.manifest["condition_on"]}
            for name, model in inputs.models.items()
        },
        "dataset": {
            "path": str(inputs.dataset.folder),
            "manifest_sha256": inputs.dataset.sha256,
        },
        **more,
        **how,
    }
