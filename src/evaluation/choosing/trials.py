"""What has to be chosen before anything is reported: checkpoints, and the setting of a sweep."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from src.config.evaluation import EvaluationArgs
from src.errors import UserError
from src.evaluation.choosing.checkpoint_choice import (
    misalignment_sweeps,
    select_measured,
    selected_by,
    with_checkpoints,
)
from src.evaluation.choosing.sweep import (
    candidates,
    sweep_result,
    trial_args,
    with_chosen,
)
from src.evaluation.measuring import finish_cells, rows_of
from src.evaluation.plan.inputs import Inputs, checkpoints_to_try, find_inputs
from src.evaluation.plan.prompts import Prompt

logger = logging.getLogger(__name__)


def trials_of(args: EvaluationArgs) -> list[EvaluationArgs]:
    """The evaluations inside the evaluation, of all choices among checkpoints and of the sweep."""
    swept = [*misalignment_sweeps(args).values(), *([args] if args.sweep is not None else [])]
    return [trial_args(one, candidates(one, checkpoints_to_try(one))) for one in swept]


def check_trials(args: EvaluationArgs, reported: Mapping[str, Sequence[Prompt]]) -> list[Inputs]:
    """Check all that a choice will read, before any work; the inputs of each choice.

    Args:
        args: as given.
        reported: prompts of the results, by their source.

    Raises:
        UserError: a text that is chosen on is also reported.
        ProjectError: an input is missing or does not fit.
    """
    texts = {prompt.text for prompts in reported.values() for prompt in prompts if prompt.text}
    found, leave_out = [], reported_sentences(args, reported)
    for trial in trials_of(args):
        inputs = find_inputs(trial, hash_files=False, leave_out=leave_out)
        for source, prompts in inputs.prompts.items():
            both = sum(prompt.text in texts for prompt in prompts)
            if both:
                raise UserError(
                    f"prompts to choose on are reported as well: {source}",
                    got=f"{both} of {len(prompts)}",
                    fix="choose on other prompts: what is reported on them would flatter the choice",
                )
        found.append(inputs)
    return found


def reported_sentences(
    args: EvaluationArgs, reported: Mapping[str, Sequence[Prompt]]
) -> frozenset[str]:
    """Ids of the validation sentences that the results are reported on: a choice is made on others.

    Args:
        args: as given.
        reported: prompts of the results, by their source.
    """
    names = [source.name for source in args.prompts if source.kind == "validation"]
    return frozenset(prompt.id for name in names for prompt in reported[name])


def choose(
    args: EvaluationArgs, reported: Mapping[str, Sequence[Prompt]], work: Path
) -> tuple[EvaluationArgs, dict[str, Any]]:
    """The args with what had to be chosen first, and how it was chosen.

    Args:
        args: as given.
        reported: prompts of the results, by their source.
        work: of the unfinished run; pieces of work that are done are not done again.

    Returns:
        (args to report, `selected` and `sweep` for metrics.json where there are such choices).

    Raises:
        ProjectError: a choice is asked for that cannot be made.
    """
    choices: dict[str, Any] = {}
    check_trials(args, reported)
    leave_out = reported_sentences(args, reported)
    args, selected = select_measured(args)
    for name, one in misalignment_sweeps(args).items():
        selected[name] = selected_by(try_candidates(one, leave_out, work), name)
    if selected:
        choices["selected"] = selected
        args = with_checkpoints(args, selected)
    if args.sweep is not None:
        choices["sweep"] = try_candidates(args, leave_out, work)
        args = with_chosen(args, choices["sweep"])
    return args, choices


def try_candidates(args: EvaluationArgs, leave_out: Collection[str], work: Path) -> dict[str, Any]:
    """The sweep: every candidate written, scored, measured and compared (see `sweep.py`).

    Args:
        args: with a sweep.
        leave_out: ids of validation sentences that the results are reported on.
        work: of the unfinished run; pieces of work that are done are not done again.

    Returns:
        What `sweep_result` does, and facts of the `reference` model that judged fluency: the base of its
        baseline, which may be another one than that of the reported results.
    """
    tried = candidates(args, checkpoints_to_try(args))
    inside = trial_args(args, tried)
    inputs = find_inputs(inside, hash_files=True, leave_out=leave_out)
    logger.info("sweep: %d candidates", len(tried))
    finished, reference = finish_cells(inside, inputs, work)
    rows = rows_of(inside, inputs, finished)
    result = sweep_result(args, tried, rows, finished, inputs.attributes)
    result["reference"] = reference
    if result["chosen"] is None:
        logger.warning("sweep: no candidate keeps to the limits; none is chosen")
    else:
        logger.info("sweep: chosen: %s", result["candidates"][result["chosen"]]["name"])
    return result
