"""What the page opens with: how often each cell misses the label asked for, and what it wrote.

The texts are hostile input: the template escapes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from src.attributes.attribute import Attributes, target_labels
from src.attributes.offence import veiled_at_first
from src.evaluation.plan.cells import condition_title
from src.evaluation.report.numbers import Cell as Figure
from src.evaluation.report.numbers import Numbers
from src.evaluation.report.score_axis import is_hidden
from src.evaluation.report.sources import Cell, cell_of
from src.evaluation.tables.captions import measured, source_heading

TEXTS, LENGTH = 3, 160
"""Texts beside a line, and characters of each."""


@dataclass(frozen=True)
class Sentence:
    """A sentence beside a line.

    Attributes:
        text: as it was written, or its beginning.
        missed: its labels that are not those asked for.
        hidden: labels that it can be blurred for.
        veiled: whether it is blurred at first.
        boxes: numbers of their attributes, as the boxes that take the blur away have them.
    """

    text: str
    missed: str
    hidden: str
    veiled: bool
    boxes: str


@dataclass(frozen=True)
class Text:
    """A continuation: its sentences, up to where it is cut."""

    sentences: tuple[Sentence, ...]
    cut: bool


@dataclass(frozen=True)
class Line:
    """A cell: places are in percent of the axis, from 0 to 100 %; None where nothing was measured."""

    row: int
    model: str
    asked: str
    colour: int
    figure: Figure
    dot: float | None
    low: float | None
    high: float | None
    is_baseline: bool
    texts: tuple[Text, ...]


@dataclass(frozen=True)
class Forest:
    """The cells of one source of prompts; `baseline` is the place of the first model without a condition."""

    title: str
    baseline: float | None
    lines: tuple[Line, ...]

    ticks = (0, 25, 50, 75, 100)


def build_forests(
    metrics: Mapping[str, Any], generations: pa.Table, attributes: Attributes
) -> list[Forest]:
    """One picture per source of prompts, of `joint` or the only attribute; unprompted first.

    Args:
        metrics: content of metrics.json.
        generations: the table of `generations.parquet`.
        attributes: of the data set.
    """
    headline = measured(metrics["attributes"])[-1]
    own = [(i, row) for i, row in enumerate(metrics["rows"]) if row["attribute"] == headline]
    several = len({row["decoding"] for _, row in own}) > 1
    texts = first_texts(generations, attributes)
    forests = []
    sources = dict.fromkeys(row["prompts"] for _, row in own)
    for source in sorted(sources, key=lambda name: name != "unprompted"):
        rows = [(i, row) for i, row in own if row["prompts"] == source]
        first = next((i for i, row in rows if not row["condition"]), None)
        lines = tuple(
            _line(i, metrics, several, i == first, texts.get(cell_of(row), ())) for i, row in rows
        )
        baseline = next((line.dot for line in lines if line.is_baseline), None)
        forests.append(Forest(source_heading(source, rows[0][1]["n_prompts"]), baseline, lines))
    return forests


def _line(
    i: int, metrics: Mapping[str, Any], several: bool, is_baseline: bool, texts: tuple[Text, ...]
) -> Line:
    row, models = metrics["rows"][i], list(metrics["models"])
    asked = condition_title(row["condition"])
    ends = ("misalignment", "ci_low", "ci_high")
    dot, low, high = (None if row[key] is None else round(100 * row[key], 2) for key in ends)
    return Line(
        row=i,
        model=row["model"],
        asked=f"{asked}, {row['decoding']}" if several else asked,
        colour=models.index(row["model"]) if row["model"] in models else 0,
        figure=Numbers("metrics", metrics).percent_with(*(f"rows.{i}.{key}" for key in ends)),
        dot=dot,
        low=low,
        high=high,
        is_baseline=is_baseline,
        texts=texts,
    )


def first_texts(generations: pa.Table, attributes: Attributes) -> dict[Cell, tuple[Text, ...]]:
    """Of each cell, the first continuations that have a sentence: all prompts' first, then their second.

    Texts of one cell are thus of different prompts, and the cells' texts mostly of the same ones.

    Args:
        generations: the table of `generations.parquet`.
        attributes: of the data set.
    """
    keys = generations.select(["model", "condition", "decoding", "prompts", "sample"]).to_pylist()
    lengths = pc.list_value_length(generations["sentences"]).to_pylist()
    chosen: dict[Cell, list[int]] = {}
    for i in sorted((i for i, n in enumerate(lengths) if n), key=lambda i: keys[i]["sample"]):
        of_cell = chosen.setdefault(cell_of(keys[i]), [])
        if len(of_cell) < TEXTS:
            of_cell.append(i)
    return {
        cell: tuple(
            _text(row, target_labels(dict(cell[1]), attributes), attributes)
            for row in generations.take(rows).to_pylist()
        )
        for cell, rows in chosen.items()
    }


def _text(row: Mapping[str, Any], targets: Mapping[str, str], attributes: Attributes) -> Text:
    whole = " ".join(row["sentences"])
    end = cut_at(whole)
    sentences, start = [], 0
    for text, labels in zip(row["sentences"], row["labels"], strict=True):
        if start < end:
            hidden = [name for name, one in attributes.items() if is_hidden(one, labels[name])]
            sentences.append(
                Sentence(
                    text=text[: end - start],
                    missed=", ".join(labels[a] for a in attributes if labels[a] != targets[a]),
                    hidden=", ".join(labels[name] for name in hidden),
                    veiled=any(name in veiled_at_first(attributes) for name in hidden),
                    boxes=" ".join(str(list(attributes).index(name)) for name in hidden),
                )
            )
        start += len(text) + 1
    return Text(tuple(sentences), end < len(whole))


def cut_at(text: str, most: int = LENGTH) -> int:
    """Where a text ends that is no longer than `most`: before a space, if there is one."""
    if len(text) <= most:
        return len(text)
    space = text.rfind(" ", 0, most + 1)
    return space if space > 0 else most
