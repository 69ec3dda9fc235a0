"""Stage 3, wired: trained models → continuations → scores → figures and tables, in one folder."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from src.artifacts import (
    MANIFEST,
    Run,
    git_commit,
    package_versions,
    partial_folder,
    read_manifest,
    write_json_atomically,
    write_text_atomically,
)
from src.attributes.attribute import to_manifest
from src.config.evaluation import EvaluationArgs
from src.errors import ArtifactError, ProjectError
from src.evaluation.cells import Cell, samples_of
from src.evaluation.comparison import compare_all
from src.evaluation.continuation import Continuation
from src.evaluation.controllability import controllability
from src.evaluation.generations_file import GENERATIONS, write_generations
from src.evaluation.inputs import Inputs, checkpoints_to_try, find_inputs
from src.evaluation.metrics import cell_rows
from src.evaluation.more_data import PICTURE, draw_more_data, lines_of
from src.evaluation.report.page import write_report
from src.evaluation.report.sources import REPORT
from src.evaluation.selection import (
    misalignment_sweeps,
    select_measured,
    selected_by,
    with_checkpoints,
)
from src.evaluation.sweep import candidates, sweep_result, trial_args, with_chosen
from src.evaluation.sweep_args import CHOSEN_ARGS, args_file
from src.evaluation.table_formats import to_csv, to_latex, to_markdown, to_text
from src.evaluation.tables import build_tables

logger = logging.getLogger(__name__)

STAGE = "evaluation"
METRICS, TABLES, WORK = "metrics.json", "tables.md", "work"
TABLES_CSV, TABLES_TEX = "tables.csv", "tables.tex"


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
    if dry_run:
        return _plan(args, find_inputs(args, hash_files=False))
    done = (args.output / MANIFEST).is_file() and not partial_folder(args.output).exists()
    inputs = None if done and not overwrite else find_inputs(args, hash_files=True)
    with Run(args.output, STAGE, args.model_dump(mode="json"), overwrite=overwrite) as run:
        if run.status == "done":
            _check_unchanged(args)
            return f"already done: {args.output}\n\n{_result(args.output)}"
        _evaluate(args, inputs or find_inputs(args, hash_files=True), run)
    return _result(args.output)


def _plan(args: EvaluationArgs, inputs: Inputs) -> str:
    cells = "\n".join(f"  {cell}" for cell in inputs.cells)
    plan = (
        f"nothing is missing; would write {args.output}: {_n_continuations(args, inputs):,} "
        f"continuations in {len(inputs.cells)} cells (model, asked, decoding, prompts)\n{cells}"
    )
    if args.sweep is None:
        return plan
    tried = candidates(args, checkpoints_to_try(args))
    inside = trial_args(args, tried)
    n = _n_continuations(inside, find_inputs(inside, hash_files=False))
    names = "\n".join(f"  {one.name}" for one in tried)
    return (
        f"{plan}\nbefore them {n:,} continuations to choose among {len(tried)} candidates of "
        f"{args.sweep.model}, and after them the chosen one's\n{names}"
    )


def _n_continuations(args: EvaluationArgs, inputs: Inputs) -> int:
    return sum(
        len(inputs.prompts[cell.prompts]) * samples_of(cell.prompts, args) for cell in inputs.cells
    )


def _check_unchanged(args: EvaluationArgs) -> None:
    """Raises ArtifactError where results stand there that were made from other models or data."""
    recorded = read_manifest(args.output, STAGE, verify=False)
    folders = {
        "dataset": (args.dataset, "dataset", recorded["dataset"]["manifest_sha256"]),
        **{
            f"models.{name}": (entry.path, "training", recorded["models"][name]["manifest_sha256"])
            for name, entry in args.models.items()
        },
    }
    changed = []
    for name, (folder, stage, sha256) in folders.items():
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
    from src.evaluation.scoring import check_judges, check_scorers

    scorers = check_scorers(inputs.attributes, inputs.dataset["scorers"])
    judges = check_judges(inputs.attributes, inputs.dataset.get("judges", {}))
    args, choices = _choose(args, run)
    if choices:
        inputs = find_inputs(args, hash_files=True)
    finished, reference = _finished(args, inputs, run.partial / WORK)
    metrics = _metrics(
        args,
        inputs,
        finished,
        {"scorers": scorers, "judges": judges, "reference": reference, **choices},
    )
    write_generations(run.partial / GENERATIONS, finished, inputs.attributes)
    if args.model_cards:
        from src.evaluation.model_card import write_model_cards

        manifests = {name: model.manifest for name, model in inputs.models.items()}
        write_model_cards(run.partial, metrics, manifests, inputs.dataset)
    write_json_atomically(run.partial / METRICS, metrics)
    write_text_atomically(run.partial / TABLES, to_markdown(build_tables(metrics)))
    write_text_atomically(run.partial / TABLES_CSV, to_csv(metrics))
    write_text_atomically(run.partial / TABLES_TEX, to_latex(build_tables(metrics)))
    if lines := lines_of(metrics):
        draw_more_data(lines, run.partial / PICTURE)
    _report(args, run.partial)
    shutil.rmtree(run.partial / WORK)
    run.publish(
        attributes=metrics["attributes"],
        seed=args.seed,
        models=metrics["models"],
        dataset=metrics["dataset"],
        scorers=scorers,
        judges=judges,
        reference=reference,
        counts={
            "cells": len(finished),
            "continuations": sum(len(continuations) for _, continuations in finished),
        },
    )


def _report(args: EvaluationArgs, folder: Path) -> None:
    facts = {
        "args": args.model_dump(mode="json", exclude={"output"}),
        "git_commit": git_commit(),
        "packages": package_versions(),
    }
    models = {name: entry.path for name, entry in args.models.items()}
    write_report(folder, dataset=args.dataset, models=models, facts=facts)


def _choose(args: EvaluationArgs, run: Run) -> tuple[EvaluationArgs, dict[str, Any]]:
    """The args with what had to be chosen first, and how it was chosen, for metrics.json."""
    choices: dict[str, Any] = {}
    args, selected = select_measured(args)
    for name, one in misalignment_sweeps(args).items():
        selected[name] = selected_by(try_candidates(one, run.partial / WORK), name)
    if selected:
        choices["selected"] = selected
        args = with_checkpoints(args, selected)
    if args.sweep is not None:
        choices["sweep"] = try_candidates(args, run.partial / WORK)
        args = with_chosen(args, choices["sweep"])
        write_text_atomically(run.partial / CHOSEN_ARGS, args_file(args, choices["sweep"]))
    return args, choices


def _finished(
    args: EvaluationArgs, inputs: Inputs, work: Path
) -> tuple[list[tuple[Cell, list[Continuation]]], dict[str, Any]]:
    """Every cell with its continuations, written, scored and judged; and facts of the reference model."""
    from src.evaluation.steps import Steps

    steps = Steps(args, inputs, work)
    reference = steps.run()
    return [(cell, steps.finished(cell)) for cell in inputs.cells], reference


def try_candidates(args: EvaluationArgs, work: Path) -> dict[str, Any]:
    """The sweep: every candidate written, scored, measured and compared (see `sweep.py`).

    Args:
        args: with a sweep.
        work: of the unfinished run; pieces of work that are done are not done again.

    Returns:
        What `sweep_result` does.
    """
    tried = candidates(args, checkpoints_to_try(args))
    inside = trial_args(args, tried)
    inputs = find_inputs(inside, hash_files=True)
    logger.info("sweep: %d candidates", len(tried))
    finished, _ = _finished(inside, inputs, work)
    result = sweep_result(args, tried, _rows(inside, inputs, finished))
    if result["chosen"] is None:
        logger.warning("sweep: no candidate keeps to the limits; none is chosen")
    else:
        logger.info("sweep: chosen: %s", result["candidates"][result["chosen"]]["name"])
    return result


def _rows(
    args: EvaluationArgs, inputs: Inputs, finished: Sequence[tuple[Cell, Sequence[Continuation]]]
) -> list[dict[str, Any]]:
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


def _metrics(
    args: EvaluationArgs,
    inputs: Inputs,
    finished: Sequence[tuple[Cell, Sequence[Continuation]]],
    judges: Mapping[str, Any],
) -> dict[str, Any]:
    """The content of metrics.json: the rows, and how they were made."""
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
        "rows": _rows(args, inputs, finished),
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
        **judges,
        **how,
    }


def _result(folder: Path) -> str:
    """What is printed at the end: the tables, and where everything is."""
    from src.evaluation.model_card import copy_commands

    metrics = json.loads((folder / METRICS).read_text(encoding="utf-8"))
    files = (
        REPORT,
        TABLES,
        TABLES_CSV,
        TABLES_TEX,
        PICTURE,
        CHOSEN_ARGS,
        METRICS,
        GENERATIONS,
        MANIFEST,
    )
    paths = "\n".join(f"  {folder / name}" for name in files if (folder / name).is_file())
    cards = "\n".join(f"  {command}" for command in copy_commands(folder, metrics))
    beside = f"\n\nto put the model cards beside the models:\n{cards}" if cards else ""
    return f"{to_text(build_tables(metrics))}\n\nresults:\n{paths}{beside}"
