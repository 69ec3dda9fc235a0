"""Stage 3, wired: trained models → continuations → scores → figures and tables, in one folder."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from src.artifacts.manifest import is_finished, read_manifest
from src.artifacts.output_folder import check_output
from src.artifacts.run_folder import Run
from src.artifacts.shared_run import entered_run
from src.config.evaluation import EvaluationArgs
from src.errors import ArtifactError, ProjectError
from src.evaluation.choosing.checkpoint_choice import select_measured
from src.evaluation.choosing.trials import check_trials, choose, trials_of
from src.evaluation.measuring import finish_cells, metrics_of
from src.evaluation.plan.baselines import with_baselines
from src.evaluation.plan.cells import samples_of
from src.evaluation.plan.inputs import Inputs, find_inputs
from src.evaluation.results_folder import describe_results, write_results
from src.problems import Problems
from src.runtime.process_group import agreed, process_group
from src.runtime.processes import is_first_of_its_machine, is_main_process

logger = logging.getLogger(__name__)

STAGE = "evaluation"
WORK = "work"


def evaluate(args: EvaluationArgs, *, dry_run: bool = False, overwrite: bool = False) -> str:
    """Evaluate models, go on with an evaluation that was interrupted, or find it done.

    Args:
        args: the resolved args.
        dry_run: check all that can be checked without work; write nothing.
        overwrite: replace what is at `args.output`.

    Returns:
        The tables, and the path of every result; for a dry run, what would be done.

    Raises:
        ProjectError: an input is missing, changed or does not fit; all problems in one.
    """
    resolved = args.model_dump(mode="json")
    args = with_baselines(args)
    if dry_run and not is_first_of_its_machine():
        return ""
    if dry_run:
        if is_finished(args.output) and not overwrite:
            check_output(args.output, STAGE, resolved)
            _check_unchanged(args)
            return f"nothing is missing; {args.output} is there already, nothing to do"
        return _plan(args, _dry_inputs(args, resolved, overwrite))
    with process_group(args.device):
        done = agreed(is_finished(args.output))
        inputs = None if done and not overwrite else _hashed_inputs(args)
        run = Run(args.output, STAGE, resolved, overwrite=overwrite, fits=_fits)
        with entered_run(run):
            if run.status == "done":
                _check_unchanged(args)
                return f"already done: {args.output}\n\n{describe_results(args.output)}"
            _evaluate(args, inputs or _hashed_inputs(args), run)
    return describe_results(args.output) if is_main_process() else ""


def _fits(before: Mapping[str, Any], _: Path) -> tuple[str]:
    """What was written, scored and judged is named by all that decides on it: the rest is light."""
    return (WORK,)


def _dry_inputs(args: EvaluationArgs, resolved: Mapping[str, Any], overwrite: bool) -> Inputs:
    """The inputs; what is wrong with them and with the output folder, in one error."""
    problems = Problems()
    problems.attempt(check_output, args.output, STAGE, resolved, overwrite=overwrite, fits=_fits)
    return find_inputs(args, hash_files=False, problems=problems)


def _hashed_inputs(args: EvaluationArgs) -> Inputs:
    return find_inputs(args, hash_files=is_first_of_its_machine())  # one reads all files, for all


def _plan(args: EvaluationArgs, inputs: Inputs) -> str:
    cells = "\n".join(f"  {cell}" for cell in inputs.cells)
    plan = (
        f"nothing is missing; would write {args.output}: {_n_continuations(args, inputs):,} "
        f"continuations in {len(inputs.cells)} cells (model, asked, decoding, prompts)\n{cells}"
    )
    for name, one in select_measured(args)[1].items():
        plan += f"\ncheckpoint of {name} by {one['by']}: {one['checkpoint']}"
    for trial, found in zip(trials_of(args), check_trials(args, inputs.prompts), strict=True):
        tried = "\n".join(f"  {cell}" for cell in found.cells)
        plan += (
            f"\nbefore them, to choose: {_n_continuations(trial, found):,} continuations\n{tried}"
        )
    return plan


def _n_continuations(args: EvaluationArgs, inputs: Inputs) -> int:
    return sum(
        len(inputs.prompts[cell.prompts]) * samples_of(cell.prompts, args) * len(cell.work_keys)
        for cell in inputs.cells
    )


def _check_unchanged(args: EvaluationArgs) -> None:
    """Raises ArtifactError where results stand there that were made from other models or data."""
    recorded = read_manifest(args.output, STAGE, verify=False)
    folders = [
        ("dataset", args.dataset, "dataset", recorded["dataset"]["manifest_sha256"]),
        *(
            (f"models.{name}", folder, "training", known["manifest_sha256"])
            for name, entry in args.models.items()
            for folder, known in zip(
                entry.trainings, recorded["models"][name]["trainings"], strict=True
            )
        ),
    ]
    changed = []
    for name, folder, stage, sha256 in folders:
        try:
            now = read_manifest(folder, stage, verify=False)
        except ProjectError as problem:
            logger.info(
                "%s: %s", name, problem
            )  # the results stand, whatever became of their inputs
            continue
        if now.sha256 != sha256:
            changed.append(f"{name}: {folder}")
    if changed:
        raise ArtifactError(
            f"{args.output} was made before these were made again: {', '.join(changed)}",
            fix="set another output folder, or replace it with --overwrite",
        )


def _evaluate(args: EvaluationArgs, inputs: Inputs, run: Run) -> None:
    from src.evaluation.scoring.scored_sentences import check_judges, check_scorers

    scorers = check_scorers(inputs.attributes, inputs.dataset["scorers"])
    judges = check_judges(inputs.attributes, inputs.dataset.get("judges", {}))
    args, choices = choose(args, inputs.prompts, run.partial / WORK)
    if choices:
        args = with_baselines(args)
        inputs = _hashed_inputs(args)
    finished, reference = finish_cells(args, inputs, run.partial / WORK)
    judged_by = {"scorers": scorers, "judges": judges, "reference": reference}
    metrics = metrics_of(args, inputs, finished, judged_by | choices)
    if not is_main_process():
        return
    write_results(run.partial, args, inputs, finished, metrics)
    shutil.rmtree(run.partial / WORK)
    run.publish(
        attributes=metrics["attributes"],
        seed=args.seed,
        models=metrics["models"],
        dataset=metrics["dataset"],
        **judged_by,
        counts={
            "cells": len(finished),
            "continuations": sum(len(continuations) for _, continuations in finished),
        },
    )
