"""The figures as tables, laid out like the paper's tables 2, 4 and 5: models down, conditions across.

Everything is made from the content of metrics.json; imports neither torch nor transformers.
"""

from __future__ import annotations

import csv
import io
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from src.evaluation.cells import condition_title
from src.evaluation.metrics import JOINT

WIDTH = 100
"""Columns of a terminal that the printed tables fit."""

NOTHING = "–"
"""Stands where there was no sentence to measure; a cell that was not asked for stays blank."""

TEXT_COLUMNS = ("model", "asked")
"""Headers of the columns that hold words: set to the left."""

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Table:
    """A table of finished texts; the first column names the row."""

    title: str
    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def build_tables(metrics: Mapping[str, Any]) -> list[Table]:
    """All tables of an evaluation: per source of prompts misalignment by attribute, joint, and quality.

    Args:
        metrics: content of metrics.json.
    """
    tables = []
    for source in dict.fromkeys(row["prompts"] for row in metrics["rows"]):
        rows = [row for row in metrics["rows"] if row["prompts"] == source]
        for name in measured(metrics["attributes"]):
            tables.append(_misalignment_table(name, rows, metrics["attributes"]))
            if metrics["attributes"].get(name, {}).get("judge"):
                tables.append(_judge_table(name, rows, metrics["attributes"]))
        tables.append(_quality_table(rows))
    return tables


def measured(attributes: Mapping[str, Any]) -> list[str]:
    """The attributes, and `joint` where it differs from them."""
    return [*attributes, JOINT] if len(attributes) > 1 else list(attributes)


def _misalignment_table(name: str, rows: Sequence[Row], attributes: Mapping[str, Any]) -> Table:
    own = [row for row in rows if row["attribute"] == name]
    if name != JOINT:
        # As in the paper: the columns of an attribute's table are the conditions that ask for it.
        own = [row for row in own if not row["condition"] or name in row["condition"]]
    titles = _condition_titles(own)
    lines: dict[str, dict[str, str]] = {}
    for row in own:
        line = lines.setdefault(_row_title(row, rows), {})
        line[condition_title(row["condition"])] = percent_with_interval(row)
    return Table(
        title=f"Misalignment, {name} ({_source_title(rows)})",
        caption=_caption(name, attributes),
        header=("model", *titles),
        rows=tuple((title, *(line.get(t, "") for t in titles)) for title, line in lines.items()),
    )


def _judge_table(name: str, rows: Sequence[Row], attributes: Mapping[str, Any]) -> Table:
    """The same sentences by the scorer that made the labels, and by the judge that made none."""
    scorer, judge = attributes[name]["scorer"]["name"], attributes[name]["judge"]["scorer"]["name"]
    lines = [
        (
            _row_title(row, rows),
            condition_title(row["condition"]),
            percent_with_interval(row),
            _percent_of(row, "judge_misalignment"),
            _percent_of(row, "judge_disagreement"),
        )
        for row in rows
        if row["attribute"] == name and (not row["condition"] or name in row["condition"])
    ]
    return Table(
        title=f"Misalignment by the judge, {name} ({_source_title(rows)})",
        caption=f"Misalignment by the judge, {name}: % misaligned by the scorer that labelled the data "
        f"({scorer}) and by a second one that did not ({judge}), and % of the sentences that the two "
        "label differently. 95 % intervals over prompts.",
        header=("model", "asked", "scorer", "judge", "disagree"),
        rows=tuple(lines),
    )


def _percent_of(row: Row, figure: str) -> str:
    low, high = row[f"{figure}_ci_low"], row[f"{figure}_ci_high"]
    return percent_with_interval({"misalignment": row[figure], "ci_low": low, "ci_high": high})


def _caption(name: str, attributes: Mapping[str, Any]) -> str:
    what = f"Misalignment, {name}: % of the generated sentences "
    if name == JOINT:
        desired = " and ".join(one["desired"] for one in attributes.values())
        return (
            f"{what}that miss any of the labels asked for; what is not asked for has to be {desired}. "
            "95 % intervals over prompts."
        )
    return (
        f"{what}whose label is not the one asked for; without a condition, not "
        f"{attributes[name]['desired']}. 95 % intervals over prompts."
    )


def _quality_table(rows: Sequence[Row]) -> Table:
    header = ("model", "asked", "perplexity", "words", "distinct-2", "sentences", "empty")
    lines = []
    for row in rows:
        if row["attribute"] == JOINT:
            lines.append(
                (
                    _row_title(row, rows),
                    condition_title(row["condition"]),
                    _number(row["perplexity"], 1),
                    _number(row["mean_words"], 1),
                    _number(row["distinct_2"], 2),
                    str(row["n_sentences"]),
                    f"{row['n_empty']} of {row['n_continuations']}",
                )
            )
    return Table(
        title=f"Text ({_source_title(rows)})",
        caption="Text: perplexity of the continuations under the reference model; words of one that is not "
        "empty; share of word pairs that differ; sentences measured; continuations without a sentence "
        f"(never counted as aligned). {NOTHING}: nothing to measure.",
        header=header,
        rows=tuple(lines),
    )


def percent_with_interval(row: Row) -> str:
    """`34.5 [31.2, 37.9]`, in percent."""
    if row["misalignment"] is None:
        return NOTHING
    value, low, high = (100 * row[key] for key in ("misalignment", "ci_low", "ci_high"))
    return f"{value:.1f} [{low:.1f}, {high:.1f}]"


def _number(value: float | None, digits: int) -> str:
    return NOTHING if value is None else f"{value:.{digits}f}"


def _condition_titles(rows: Sequence[Row]) -> list[str]:
    """Conditions across: none, those of one attribute, of two …, each in the order of the args."""
    conditions = sorted((row["condition"] for row in rows), key=len)
    return list(dict.fromkeys(condition_title(condition) for condition in conditions))


def _row_title(row: Row, rows: Sequence[Row]) -> str:
    several = len({other["decoding"] for other in rows}) > 1
    return f"{row['model']}, {row['decoding']}" if several else row["model"]


def _source_title(rows: Sequence[Row]) -> str:
    source, n = rows[0]["prompts"], rows[0]["n_prompts"]
    if source == "unprompted":
        return f"unprompted, {n} samples"
    return f"{source} prompts, {n}"


# -------------------------------------------------------------------------------------------- output


def to_markdown(tables: Sequence[Table]) -> str:
    """The tables as a document."""
    parts = ["# Results\n"]
    for table in tables:
        rule = ["---" if name in TEXT_COLUMNS else "---:" for name in table.header]
        lines = [table.header, rule, *table.rows]
        body = "\n".join("| " + " | ".join(map(_escape, line)) + " |" for line in lines)
        parts.append(f"## {table.title}\n\n{table.caption}\n\n{body}\n")
    return "\n".join(parts)


def _escape(text: str) -> str:
    return text.replace("|", "\\|")


def to_text(tables: Sequence[Table]) -> str:
    """The tables for a terminal, at most 100 columns wide; every caption once, at the end."""
    bodies = ["\n".join(_text_lines(table)) for table in tables]
    captions = dict.fromkeys(table.caption for table in tables)
    notes = [textwrap.fill(caption, WIDTH) for caption in captions]
    return "\n\n".join([*bodies, "\n".join(notes)])


def _text_lines(table: Table) -> Iterator[str]:
    yield table.title
    for columns in _blocks(table):
        widths = [_width(table, i) for i in columns]
        for line in (table.header, *table.rows):
            cells = [
                line[i].ljust(width) if table.header[i] in TEXT_COLUMNS else line[i].rjust(width)
                for i, width in zip(columns, widths, strict=True)
            ]
            yield ("  " + "  ".join(cells)).rstrip()


def _width(table: Table, column: int) -> int:
    return max(len(line[column]) for line in (table.header, *table.rows))


def _blocks(table: Table) -> Iterator[list[int]]:
    """Columns of each block: as many as fit the width, the first one in front of every block."""
    block, used = [0], 2 + _width(table, 0)
    for column in range(1, len(table.header)):
        needed = 2 + _width(table, column)
        if used + needed > WIDTH and len(block) > 1:
            yield block
            block, used = [0], 2 + _width(table, 0)
        block.append(column)
        used += needed
    yield block


CSV_FIGURES = ("misalignment", "ci_low", "ci_high", "contradiction", "perplexity", "n_empty")
CSV_JUDGE_FIGURES = tuple(
    f"judge_{figure}{part}"
    for figure in ("misalignment", "disagreement")
    for part in ("", "_ci_low", "_ci_high")
)


def to_csv(metrics: Mapping[str, Any]) -> str:
    """The same figures for a spreadsheet: one line per model, decoding, prompts and attribute.

    Columns go by condition, as in the tables: `nontoxic: misalignment`, `nontoxic: ci_low` and so on;
    shares, not percent; blank where there is no such cell or no sentence.
    """
    names = measured(metrics["attributes"])
    rows = [row for row in metrics["rows"] if row["attribute"] in names]
    titles = _condition_titles(rows)
    judged = any(figure in row for row in rows for figure in CSV_JUDGE_FIGURES)
    figures = CSV_FIGURES + (CSV_JUDGE_FIGURES if judged else ())
    lines: dict[tuple[str, ...], dict[str, Any]] = {}
    for row in rows:
        key = tuple(row[column] for column in ("prompts", "attribute", "model", "decoding"))
        for figure in figures:
            column = f"{condition_title(row['condition'])}: {figure}"
            lines.setdefault(key, {})[column] = row.get(figure)
    columns = [f"{title}: {figure}" for title in titles for figure in figures]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["prompts", "attribute", "model", "decoding", *columns])
    for key, line in lines.items():
        writer.writerow([*key, *(line.get(column) for column in columns)])
    return out.getvalue()
