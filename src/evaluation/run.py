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
from src.evaluation.controllability_tables import controllability_tables
from src.evaluation.generations_file import GENERATIONS, write_generations
from src.evaluation.inputs import Inputs, find_inputs
from src.evaluation.metrics import cell_rows
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
    n = sum(
        len(inputs.prompts[cell.prompts]) * samples_of(cell.prompts, args) for cell in inputs.cells
    )
    cells = "\n".join(f"  {cell}" for cell in inputs.cells)
    return (
        f"nothing is missing; would write {args.output}: {n:,} continuations in {len(inputs.cells)} "
        f"cells (model, asked, decoding, prompts)\n{cells}"
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
    from src.evaluation.scoring import check_scorers
    from src.evaluation.steps import Steps

    scorers = check_scorers(inputs.attributes, inputs.dataset["scorers"])
    steps = Steps(args, inputs, run.partial / WORK)
    reference = steps.run()
    finished = [(cell, steps.finished(cell)) for cell in inputs.cells]
    metrics = _metrics(args, inputs, finished, {"scorers": scorers, "reference": reference})
    write_generations(run.partial / GENERATIONS, finished, inputs.attributes)
    write_json_atomically(run.partial / METRICS, metrics)
    tables = [*build_tables(metrics), *controllability_tables(metrics)]
    write_text_atomically(run.partial / TABLES, to_markdown(tables))
    write_text_atomically(run.partial / TABLES_CSV, to_csv(metrics))
    write_text_atomically(run.partial / TABLES_TEX, to_latex(tables))
    shutil.rmtree(run.partial / WORK)
    run.publish(
        attributes=metrics["attributes"],
        seed=args.seed,
        models=metrics["models"],
        dataset=metrics["dataset"],
        scorers=scorers,
        reference=reference,
        counts={
            "cells": len(finished),
            "continuations": sum(len(continuations) for _, continuations in finished),
        },
    )


def _metrics(
    args: EvaluationArgs,
    inputs: Inputs,
    finished: Sequence[tuple[Cell, Sequence[Continuation]]],
    judges: Mapping[str, Any],
) -> dict[str, Any]:
    """The content of metrics.json: the rows, and how they were made."""
    rows = []
    for cell, continuations in finished:
        rows += cell_rows(
            cell.facts,
            continuations,
            inputs.attributes,
            seed=args.seed,
            resamples=args.bootstrap_resamples,
        )
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
        "rows": rows,
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
    metrics = json.loads((folder / METRICS).read_text(encoding="utf-8"))
    files = (TABLES, TABLES_CSV, TABLES_TEX, METRICS, GENERATIONS, MANIFEST)
    paths = "\n".join(f"  {folder / name}" for name in files)
    return f"{to_text(build_tables(metrics))}\n\nresults:\n{paths}"
