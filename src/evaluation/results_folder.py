"""The files of a finished evaluation: figures, texts, tables, pictures, report, cards."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from src.artifacts.atomic_files import write_json_atomically, write_text_atomically
from src.artifacts.provenance import git_commit, package_versions
from src.config.evaluation import EvaluationArgs
from src.evaluation.choosing.chosen_args import CHOSEN_ARGS, args_file
from src.evaluation.choosing.sweep_picture import SWEEP_PICTURE, draw_sweep
from src.evaluation.generation.generations_file import GENERATIONS, write_generations
from src.evaluation.metrics.comparison import Finished
from src.evaluation.metrics.more_data import PICTURE, draw_more_data, lines_of
from src.evaluation.plan.inputs import Inputs
from src.evaluation.report.page import write_report
from src.evaluation.report.sources import METRICS, REPORT
from src.evaluation.tables.controllability_tables import controllability_tables
from src.evaluation.tables.end_screen import end_screen
from src.evaluation.tables.formats import to_csv, to_latex, to_markdown
from src.evaluation.tables.result_tables import build_tables

TABLES, TABLES_CSV, TABLES_TEX = "tables.md", "tables.csv", "tables.tex"
TO_OPEN = (REPORT, TABLES, CHOSEN_ARGS)
"""Named on the screen at the end."""


def write_results(
    folder: Path,
    args: EvaluationArgs,
    inputs: Inputs,
    finished: Finished,
    metrics: Mapping[str, Any],
) -> None:
    """Write all files but the manifest.

    Args:
        folder: of the unfinished run.
        args: of the run, with what was chosen.
        inputs: of the run.
        finished: the reported cells.
        metrics: content of metrics.json.
    """
    write_generations(folder / GENERATIONS, finished, inputs.attributes)
    write_json_atomically(folder / METRICS, metrics)
    tables = [*build_tables(metrics), *controllability_tables(metrics)]
    write_text_atomically(folder / TABLES, to_markdown(tables))
    write_text_atomically(folder / TABLES_CSV, to_csv(metrics))
    write_text_atomically(folder / TABLES_TEX, to_latex(tables))
    if "sweep" in metrics:
        write_text_atomically(folder / CHOSEN_ARGS, args_file(args, metrics["sweep"]))
        draw_sweep(metrics["sweep"], folder / SWEEP_PICTURE)
    if lines := lines_of(metrics):
        draw_more_data(lines, folder / PICTURE)
    if args.model_cards:
        from src.evaluation.model_card.model_card import write_model_cards

        manifests = {name: [one.manifest for one in own] for name, own in inputs.models.items()}
        write_model_cards(folder, metrics, manifests, inputs.dataset)
    _report(args, folder)


def _report(args: EvaluationArgs, folder: Path) -> None:
    facts = {
        "args": args.model_dump(mode="json", exclude={"output"}),
        "git_commit": git_commit(),
        "packages": package_versions(),
    }
    models = {name: entry.trainings for name, entry in args.models.items()}
    write_report(folder, dataset=args.dataset, models=models, facts=facts)


def describe_results(folder: Path) -> str:
    """What is printed at the end: one screen, and how to put model cards beside the models."""
    from src.evaluation.model_card.model_card import copy_commands

    metrics = json.loads((folder / METRICS).read_text(encoding="utf-8"))
    files = [folder / name for name in TO_OPEN if (folder / name).is_file()]
    cards = "\n".join(f"  {command}" for command in copy_commands(folder, metrics))
    beside = f"\n\nto put the model cards beside the models:\n{cards}" if cards else ""
    return f"{end_screen(metrics, folder / GENERATIONS, files)}{beside}"
