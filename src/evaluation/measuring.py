"""From cells to figures: every cell written, scored and judged, and what metrics.json says of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from src.attributes.attribute import to_manifest
from src.config.evaluation import Condition, EvaluationArgs
from src.evaluation.continuation import Continuation
from src.evaluation.metrics.cell_metrics import cell_rows
from src.evaluation.metrics.comparison import Finished, compare_all
from src.evaluation.metrics.controllability import controllability
from src.evaluation.plan.cells import Cell
from src.evaluation.plan.inputs import Inputs, TrainedModel, recipe_of
from src.evaluation.scoring.people import read_ratings


def finish_cells(
    args: EvaluationArgs, inputs: Inputs, work: Path
) -> tuple[list[tuple[Cell, list[Continuation]]], dict[str, Any]]:
    """Every cell with its continuations, written, scored and judged; and facts of the reference model.

    Args:
        args: of the run.
        inputs: of the run.
        work: of the unfinished run; pieces of work that are done are not done again.
    """
    from src.evaluation.batch_steps import Steps

    steps = Steps(args, inputs, work)
    reference = steps.run()
    return [(cell, steps.finished(cell)) for cell in inputs.cells], reference


def rows_of(args: EvaluationArgs, inputs: Inputs, finished: Finished) -> list[dict[str, Any]]:
    """The rows of all cells (see `cell_rows`)."""
    ratings = read_ratings(args.dataset, inputs.attributes)
    rows = []
    for cell, continuations in finished:
        rows += cell_rows(
            cell.facts, continuations, inputs.attributes, seed=args.seed, ratings=ratings
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
            "seed",
            "precision",
        },
    )
    return {
        "rows": rows_of(args, inputs, finished),
        "comparisons": compare_all(finished, inputs.attributes, args.decodings, args.seed),
        "controllability": controllability(
            finished, inputs.attributes, args.decodings, args.seed, _held_out(inputs)
        ),
        "attributes": to_manifest(inputs.attributes),
        "models": {name: _facts_of(trainings) for name, trainings in inputs.models.items()},
        "dataset": {
            "path": str(inputs.dataset.folder),
            "manifest_sha256": inputs.dataset.sha256,
        },
        **more,
        **how,
    }


def _held_out(inputs: Inputs) -> dict[str, list[Condition]]:
    """Model → labels that none of its trainings saw together; the same for all, being of one recipe."""
    return {name: own[0].manifest.get("hold_out", []) for name, own in inputs.models.items()}


def _facts_of(trainings: Sequence[TrainedModel]) -> dict[str, Any]:
    """What metrics.json says of a model; `tokens_trained` is the mean over its trainings."""
    first, tokens = trainings[0], [one.tokens_trained() for one in trainings]
    return {
        "condition_on": first.manifest["condition_on"],
        "hold_out": first.manifest.get("hold_out", []),
        "checkpoint": first.checkpoint,
        "recipe": recipe_of(first.manifest),
        "tokens_trained": None if None in tokens else round(sum(tokens) / len(tokens)),
        "trainings": [one.facts for one in trainings],
    }
