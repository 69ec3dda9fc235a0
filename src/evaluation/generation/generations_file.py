"""Continuations on disk: `generations.parquet`, and the file of each finished piece of work."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from src.attributes.attribute import Attributes
from src.evaluation.continuation import Continuation
from src.evaluation.plan.cells import Cell
from src.evaluation.scoring.judge import judges_of

GENERATIONS = "generations.parquet"
LISTS = ("sentences", "scores", "labels", "judge_scores", "judge_labels")


def _continuation_fields(attributes: Attributes) -> list[tuple[str, pa.DataType]]:
    scores = pa.struct([(name, pa.float64()) for name in attributes])
    labels = pa.struct([(name, pa.string()) for name in attributes])
    judges = judges_of(attributes)
    judged = [
        ("judge_scores", pa.list_(pa.struct([(name, pa.float64()) for name in judges]))),
        ("judge_labels", pa.list_(pa.struct([(name, pa.string()) for name in judges]))),
    ]
    return [
        ("prompt_id", pa.string()),
        ("sample", pa.int32()),
        ("prompt", pa.string()),
        ("continuation", pa.string()),
        ("n_tokens", pa.int32()),
        ("sentences", pa.list_(pa.string())),
        ("scores", pa.list_(scores)),
        ("labels", pa.list_(labels)),
        *(judged if judges else ()),
        ("reference_nll", pa.float64()),
        ("reference_tokens", pa.int32()),
    ]


def work_schema(attributes: Attributes) -> pa.Schema:
    """Columns of the file of one finished piece of work: the continuations alone."""
    return pa.schema(_continuation_fields(attributes))


def generations_schema(attributes: Attributes) -> pa.Schema:
    """Columns of `generations.parquet`.

    condition: attribute → label asked for, null where nothing is asked of the attribute. training: which of
    the model's, from 0, in the order of `models.<name>.trainings` of metrics.json. scores and
    labels: one entry per sentence; judge_scores and judge_labels too, where an attribute has a judge.
    reference_nll: nats of the continuation under the reference model.
    """
    condition = pa.struct([(name, pa.string()) for name in attributes])
    cell = [
        ("model", pa.string()),
        ("condition", condition),
        ("decoding", pa.string()),
        ("prompts", pa.string()),
        ("training", pa.int32()),
    ]
    return pa.schema(cell + _continuation_fields(attributes))


def _to_row(one: Continuation) -> dict[str, Any]:
    row = asdict(one)
    row["continuation"] = row.pop("text")
    return row


def _from_row(row: dict[str, Any]) -> Continuation:
    text = row.pop("continuation")
    lists = {name: tuple(row.pop(name)) for name in LISTS if name in row}
    return Continuation(**row, **lists, text=text)


def write_work(path: Path, continuations: Sequence[Continuation], attributes: Attributes) -> None:
    """Write one finished piece of work: there whole, or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    table = pa.Table.from_pylist([_to_row(c) for c in continuations], work_schema(attributes))
    pq.write_table(table, temporary)
    with temporary.open("rb") as handle:
        os.fsync(handle.fileno())
    temporary.replace(path)


def read_work(path: Path) -> list[Continuation]:
    """Read what `write_work` wrote."""
    return [_from_row(row) for row in pq.read_table(path).to_pylist()]


def write_generations(
    path: Path,
    cells: Iterable[tuple[Cell, Sequence[Continuation]]],
    attributes: Attributes,
) -> None:
    """Write `generations.parquet`: the cells in their order, each a row group of its own."""
    schema = generations_schema(attributes)
    with pq.ParquetWriter(path, schema) as writer:
        for cell, continuations in cells:
            rows = [{**cell.facts, **_to_row(one)} for one in continuations]
            writer.write_table(pa.Table.from_pylist(rows, schema))


def read_generations(path: Path) -> list[dict[str, Any]]:
    """The rows of `generations.parquet`, conditions without the attributes that nothing is asked of."""
    rows = pq.read_table(path).to_pylist()
    for row in rows:
        row["condition"] = {a: label for a, label in row["condition"].items() if label is not None}
    return rows
