"""What an evaluation prints at its end: one screen of 80 × 24. All else is in the files.

Imports neither torch nor transformers.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from src.attributes.attribute import from_manifest
from src.attributes.offence import masked
from src.evaluation.metrics.comparison import BASELINE, MISALIGNMENT
from src.evaluation.plan.cells import condition_title
from src.evaluation.tables import captions
from src.evaluation.tables.result_tables import MARKS, significant_roles
from src.evaluation.tables.table import NOTHING, Row, percent_with_interval, with_interval

WIDTH = 79
MOST_LINES, MOST_TEXTS = 8, 3
"""Of the table, and texts below it: more do not fit the screen."""

TEXT_LINES = 2
Cells = Mapping[tuple[Any, ...], Mapping[str, Row]]
"""(model, condition, decoding) → source of prompts → row of the headline."""


def end_screen(metrics: Mapping[str, Any], generations: Path, files: Sequence[Path]) -> str:
    """The headline's table, a text of each way of asking, and what it means.

    Args:
        metrics: content of metrics.json.
        generations: path of generations.parquet.
        files: to open next.
    """
    cells = _cells(metrics)
    texts = _shown(cells, {name: one["desired"] for name, one in metrics["attributes"].items()})
    parts = [
        _table(metrics, cells),
        _texts(metrics, texts, generations),
        [*_meaning(metrics, texts), f"More: {', '.join(map(str, files))}"],
    ]
    return "\n".join(line for part in parts for line in (*part, "")).rstrip("\n")


def _cells(metrics: Mapping[str, Any]) -> Cells:
    headline = captions.measured(metrics["attributes"])[-1]
    cells: dict[tuple[Any, ...], dict[str, Row]] = {}
    for row in metrics["rows"]:
        if row["attribute"] == headline:
            key = row["model"], tuple(row["condition"].items()), row["decoding"]
            cells.setdefault(key, {})[row["prompts"]] = row
    return cells


def _name(row: Row, cells: Cells) -> str:
    """`M-TS, contrast, nontoxic + pos`."""
    rows = [one for by_source in cells.values() for one in by_source.values()]
    return f"{captions.line_title(row, rows)}, {condition_title(row['condition'])}"


# --------------------------------------------------------------------------------------------- table


def _table(metrics: Mapping[str, Any], cells: Cells) -> Iterator[str]:
    headline = captions.measured(metrics["attributes"])[-1]
    rows = [row for row in metrics["rows"] if row["attribute"] == headline]
    sources = {row["prompts"]: row["n_prompts"] for row in rows}
    shown = dict(list(sources.items())[:2])
    header = [f"{source} ({n})" for source, n in shown.items()]
    lines = [
        (_name(next(iter(of.values())), cells), [_share(metrics, of.get(s)) for s in shown])
        for of in _chosen(cells)
    ]
    widths = [max(map(len, column)) for column in zip(header, *(f for _, f in lines), strict=True)]
    room = WIDTH - 2 - sum(width + 2 for width in widths)
    for name, figures in ((f"% of sentences that miss, {headline}", header), *lines):
        text = name if len(name) <= room else f"{name[: room - 2]} …"
        columns = "  ".join(f"{one:<{w}}" for one, w in zip(figures, widths, strict=True))
        yield f"  {text:<{room}}  {columns}".rstrip()
    left_out = len(cells) - len(lines)
    if left_out or len(sources) > len(shown):
        yield f"  {left_out} more ways of asking, of {len(sources)} sources of prompts: tables.md"


def _chosen(cells: Cells) -> list[Mapping[str, Row]]:
    """The cells of the table: all in their order, or of many the first one and those asked the most."""
    listed = list(cells.items())
    if len(listed) > MOST_LINES:
        most = sorted(listed[1:], key=lambda one: -len(one[0][1]))[: MOST_LINES - 1]
        listed = [listed[0], *(one for one in listed[1:] if one in most)]
    return [of for _, of in listed]


def _share(metrics: Mapping[str, Any], row: Row | None) -> str:
    if row is None:
        return ""
    compared = [one for one in metrics["comparisons"] if one["measure"] == MISALIGNMENT]
    marks = "".join(MARKS[role] for role in significant_roles(row, compared))
    return f"{percent_with_interval(row)} {marks}".rstrip()


# --------------------------------------------------------------------------------------------- texts


def _shown(cells: Cells, desired: Mapping[str, str]) -> list[Row]:
    """Rows of the ways of asking that texts are shown of: of the model that is asked for the most.

    Without a condition first, then the condition of most attributes at their desired labels.
    """

    def wish(key: tuple[Any, ...]) -> tuple[int, int]:
        return len(key[1]), sum(desired[name] == label for name, label in key[1])

    model, condition, _ = max(cells, key=wish)
    found = [
        next(iter(of.values()))
        for wanted in dict.fromkeys([(model, ()), (model, condition)])
        for key, of in cells.items()
        if key[:2] == wanted
    ]
    return found[:MOST_TEXTS]


def _texts(metrics: Mapping[str, Any], rows: Sequence[Row], generations: Path) -> Iterator[str]:
    attributes = from_manifest(metrics["attributes"])
    yield f"The first text of each, not chosen ({rows[0]['prompts']}; offensive words masked)"
    titles = [_way(row, rows) for row in rows]
    column = max(map(len, titles))
    for title, row in zip(titles, rows, strict=True):
        text = _first_text(row, generations, attributes)
        lines = textwrap.wrap(text, WIDTH - 4 - column, max_lines=TEXT_LINES, placeholder=" …") or [
            NOTHING
        ]
        for i, line in enumerate(lines):
            yield f"  {title if i == 0 else '':<{column}}  {line}"


def _way(row: Row, rows: Sequence[Row]) -> str:
    several = len({other["decoding"] for other in rows}) > 1
    title = condition_title(row["condition"])
    return f"{title}, {row['decoding']}" if several and row["condition"] else title


def _first_text(row: Row, generations: Path, attributes: Mapping[str, Any]) -> str:
    """The sentences of a cell's first continuation, offensive words masked."""
    found = pq.read_table(
        generations,
        columns=["condition", "sentences", "scores"],
        filters=[(key, "==", row[key]) for key in ("model", "decoding", "prompts")],
    )
    for one in found.to_pylist():
        asked = {name: label for name, label in one["condition"].items() if label is not None}
        if asked == row["condition"]:
            pairs = zip(one["sentences"], one["scores"], strict=True)
            return " ".join(masked(text, scores, attributes) for text, scores in pairs)
    return ""


# ------------------------------------------------------------------------------------------- meaning


def _meaning(metrics: Mapping[str, Any], rows: Sequence[Row]) -> list[str]:
    """How often each way of asking misses, over the first model without a condition; whom it holds for."""
    parts, base = [], ""
    for row in rows:
        first = _against_first(metrics, row)
        if row["condition"] and first is not None:
            ends = first["ratio_ci_low"], first["ratio_ci_high"]
            parts.append(f"{with_interval(first['ratio'], *ends, 2)} ({row['decoding']})")
            base = f"{first['b']['model']} without a condition ({row['prompts']})"
    asked = f"{rows[-1]['model']} asked for {condition_title(rows[-1]['condition'])}"
    text = f"Misses of {asked}, over {base}: {', '.join(parts)}. " if parts else ""
    marks = f"{' '.join(MARKS.values())}: see tables.md. "
    return textwrap.wrap(f"{text}{marks}{captions.scope(metrics['rows'])}", WIDTH)


def _against_first(metrics: Mapping[str, Any], row: Row) -> Mapping[str, Any] | None:
    """The comparison of a row's misalignment with the first model without a condition."""
    return next(
        (
            one
            for one in metrics["comparisons"]
            if BASELINE in one["roles"]
            and (one["measure"], one["attribute"]) == (MISALIGNMENT, row["attribute"])
            and all(row[key] == value for key, value in one["a"].items())
        ),
        None,
    )
