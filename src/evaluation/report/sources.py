"""What the report is made from: files of the evaluation, of its data set and of its models."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from src.artifacts.atomic_files import file_sha256
from src.artifacts.manifest import MANIFEST
from src.artifacts.run_folder import ARGS
from src.attributes.attribute import Attribute, from_manifest
from src.evaluation.generation.generations_file import GENERATIONS
from src.published import trained_model

METRICS = "metrics.json"
REPORT = "report.html"
STATISTICS = "stats.json"
AUDIT = "audit.json"

NOT_SHOWN = (REPORT, MANIFEST, ARGS)
"""Files without a hash in the page: itself, what holds its hash, and what only an unfinished run has."""

Cell = tuple[str, tuple[tuple[str, str], ...], str, str]
"""Model, condition's items, decoding, prompts: what names a cell in rows of any file."""


@dataclass(frozen=True)
class Sources:
    """Everything that the page shows, as it was read.

    Attributes:
        metrics: content of `metrics.json`.
        attributes: of the data set, in their order.
        generations: the table of `generations.parquet`.
        files: name → sha256 of the evaluation's files that stand there already.
        facts: of this evaluation, for the provenance: args, commit of the code, package versions.
        dataset: manifest of the data set; empty where the folder has none.
        statistics: content of the data set's `stats.json`; None where there is none.
        audit: content of the data set's `audit.json`; None where there is none.
        models: model → manifest of each of its training runs; empty where a folder has none.
        logs: model → rows of the `metrics.jsonl` of its first training, for the models that have one.
    """

    metrics: dict[str, Any]
    attributes: dict[str, Attribute]
    generations: pa.Table
    files: dict[str, str]
    facts: dict[str, Any]
    dataset: dict[str, Any]
    statistics: dict[str, Any] | None
    audit: dict[str, Any] | None
    models: dict[str, list[dict[str, Any]]]
    logs: dict[str, list[dict[str, Any]]]


def read_sources(
    folder: Path, dataset: Path, models: Mapping[str, Sequence[Path]], facts: Mapping[str, Any]
) -> Sources:
    """Read all that the report needs.

    Args:
        folder: of the evaluation, finished or not: `metrics.json` and `generations.parquet`.
        dataset: folder of the data set.
        models: model → folders of its training runs.
        facts: of this evaluation, for the provenance.
    """
    metrics = json.loads((folder / METRICS).read_text(encoding="utf-8"))
    own = sorted(p for p in folder.iterdir() if p.is_file() and not p.name.startswith("."))
    return Sources(
        metrics=metrics,
        attributes=from_manifest(metrics["attributes"]),
        generations=pq.read_table(folder / GENERATIONS),
        files={p.name: file_sha256(p) for p in own if p.name not in NOT_SHOWN},
        facts=dict(facts),
        dataset=_json_where_there(dataset / MANIFEST) or {},
        statistics=_json_where_there(dataset / STATISTICS),
        audit=_json_where_there(dataset / AUDIT),
        models={
            name: [_json_where_there(path / MANIFEST) or {} for path in paths]
            for name, paths in models.items()
        },
        logs={
            name: _read_log(paths[0] / trained_model.METRICS)
            for name, paths in models.items()
            if (paths[0] / trained_model.METRICS).is_file()
        },
    )


def _json_where_there(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def _read_log(path: Path) -> list[dict[str, Any]]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines if line.strip()]


def cell_of(row: Mapping[str, Any]) -> Cell:
    """The cell that a row belongs to; attributes that nothing is asked of may be there as null."""
    asked = tuple((a, label) for a, label in row["condition"].items() if label is not None)
    return row["model"], asked, row["decoding"], row["prompts"]
