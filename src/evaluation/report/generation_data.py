"""The generations as the page embeds them: columns of short values, for filters over arrays."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from src.attributes.attribute import Attribute, Attributes, target_labels
from src.evaluation.plan.cells import condition_title
from src.evaluation.report.score_axis import ScoreAxis, is_hidden
from src.evaluation.report.sources import Cell, cell_of
from src.runtime.randomness import keyed_hash

MOST_EMBEDDED = 20_000
"""Generations in one page; of a larger run, a sample drawn by keyed hash."""

DIGITS = 4
"""Leading digits of scores and perplexities in the embedded data; the parquet file has all."""


def chosen_rows(generations: pa.Table, seed: int, most: int = MOST_EMBEDDED) -> list[int]:
    """Indices of the generations that are embedded, in the file's order.

    The draw goes by prompt and sample, not by cell: the cells keep the same prompts, and can be compared.

    Args:
        generations: the table of `generations.parquet`.
        seed: of the run.
        most: how many.
    """
    if generations.num_rows <= most:
        return list(range(generations.num_rows))
    keys = generations.select(["prompts", "prompt_id", "sample"]).to_pylist()
    drawn = [
        keyed_hash(seed, "report", f"{key['prompts']}\x1f{key['prompt_id']}\x1f{key['sample']}")
        for key in keys
    ]
    return sorted(sorted(range(len(keys)), key=lambda i: (drawn[i], i))[:most])


def embedded_generations(
    generations: pa.Table,
    attributes: Attributes,
    axes: Mapping[str, ScoreAxis],
    *,
    seed: int,
    most: int = MOST_EMBEDDED,
) -> dict[str, Any]:
    """The data of the browser of generations, as JSON values.

    Args:
        generations: the table of `generations.parquet`.
        attributes: of the data set.
        axes: attribute → the range of its scores, for the colours.
        seed: of the run.
        most: generations embedded; of a larger run a sample.

    Returns:
        `attributes`, `cells` and `prompts`, and one list per column with an entry per generation. Scores
        and labels of a generation are flat: sentence by sentence, every attribute.
    """
    rows = generations.take(chosen_rows(generations, seed, most)).to_pylist()
    cells: dict[Cell, int] = {}
    prompts: dict[str, int] = {}
    index = {
        name: {label: i for i, label in enumerate(one.labels)} for name, one in attributes.items()
    }
    columns: dict[str, list[Any]] = {key: [] for key in COLUMNS}
    for row in rows:
        columns["cell"].append(cells.setdefault(cell_of(row), len(cells)))
        columns["prompt"].append(prompts.setdefault(row["prompt"], len(prompts)))
        columns["promptId"].append(row["prompt_id"])
        columns["sample"].append(row["sample"])
        columns["sentences"].append(row["sentences"])
        columns["raw"].append(_raw(row))
        columns["scores"].append([_short(s[name]) for s in row["scores"] for name in attributes])
        columns["labels"].append(
            [index[name][s[name]] for s in row["labels"] for name in attributes]
        )
        columns["perplexity"].append(_perplexity(row))
    return {
        "total": generations.num_rows,
        "attributes": [_describe(one, axes[name]) for name, one in attributes.items()],
        "cells": [_describe_cell(cell, attributes, index) for cell in cells],
        "prompts": list(prompts),
        **columns,
    }


COLUMNS = (
    "cell",
    "prompt",
    "promptId",
    "sample",
    "sentences",
    "raw",
    "scores",
    "labels",
    "perplexity",
)


def _raw(row: Mapping[str, Any]) -> str | None:
    """The text as it was written, where the sentences that were scored do not say it all."""
    joined = " ".join(row["sentences"])
    return None if row["continuation"].strip() == joined else row["continuation"]


def _short(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")


def _perplexity(row: Mapping[str, Any]) -> float | None:
    if not row["reference_tokens"]:
        return None
    nats = row["reference_nll"] / row["reference_tokens"]
    return _short(math.exp(nats)) if nats < 700 else None


def _describe(one: Attribute, axis: ScoreAxis) -> dict[str, Any]:
    return {
        "name": one.name,
        "labels": list(one.labels),
        "desired": one.labels.index(one.desired),
        "hidden": [is_hidden(one, label) for label in one.labels],
        "bounds": list(axis.bounds),
        "log": axis.log,
    }


def _describe_cell(
    cell: Cell, attributes: Attributes, index: Mapping[str, Mapping[str, int]]
) -> dict[str, Any]:
    model, condition, decoding, prompts = cell
    targets = target_labels(dict(condition), attributes)
    return {
        "model": model,
        "condition": condition_title(dict(condition)),
        "decoding": decoding,
        "prompts": prompts,
        "targets": [index[name][targets[name]] for name in attributes],
    }


def options(data: Mapping[str, Any], key: str) -> Sequence[str]:
    """The different values of one of a cell's names, in the order of the cells."""
    return list(dict.fromkeys(cell[key] for cell in data["cells"]))
