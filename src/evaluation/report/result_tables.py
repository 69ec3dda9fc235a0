"""The result tables of the page: as `tables.md` lays them out, each number with its place in metrics.json."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from src.evaluation.metrics.cell_metrics import JOINT
from src.evaluation.plan.cells import condition_title
from src.evaluation.report.numbers import Numbers, Shown
from src.evaluation.report.scales import Scale
from src.evaluation.tables.result_tables import measured

CELL_KEYS = ("model", "condition", "decoding", "prompts")
WHISKER = 120.0
"""Length of the drawn interval's axis, 0 to 100 %, in units of its drawing."""

TEXT_COLUMNS = (
    ("perplexity", "perplexity", 1),
    ("mean_words", "words", 1),
    ("distinct_1", "distinct-1", 2),
    ("distinct_2", "distinct-2", 2),
    ("distinct_3", "distinct-3", 2),
    ("self_bleu", "self-BLEU", 2),
    ("tokens", "tokens", 0),
    ("n_sentences", "sentences", 0),
    ("n_continuations", "continuations", 0),
    ("n_empty", "empty", 0),
)
"""Key in metrics.json, heading, digits; a column is there if some row has its key."""


@dataclass(frozen=True)
class Share:
    """A misalignment with its interval, and the interval's drawing: places on a line."""

    row: int
    value: Shown
    low: Shown
    high: Shown
    drawn: tuple[float, float, float] | None

    width = WHISKER


@dataclass(frozen=True)
class ShareTable:
    """Models down, conditions across."""

    attribute: str
    caption: str
    header: tuple[str, ...]
    lines: tuple[tuple[str, tuple[Share | None, ...]], ...]


@dataclass(frozen=True)
class NumberTable:
    """Cells down, figures across; a line's words come first."""

    words: tuple[str, ...]
    header: tuple[str, ...]
    lines: tuple[tuple[tuple[str, ...], tuple[Shown | None, ...]], ...]


@dataclass(frozen=True)
class SourceTables:
    """All tables of one source of prompts."""

    source: str
    title: str
    shares: tuple[ShareTable, ...]
    text: NumberTable
    worst: NumberTable | None


def build_source_tables(metrics: Mapping[str, Any]) -> list[SourceTables]:
    """Per source of prompts: misalignment by attribute and joint, and the figures of the text."""
    numbers = Numbers("metrics", metrics)
    tables = []
    for source in dict.fromkeys(row["prompts"] for row in metrics["rows"]):
        rows = [(i, row) for i, row in enumerate(metrics["rows"]) if row["prompts"] == source]
        names = measured(metrics["attributes"])
        tables.append(
            SourceTables(
                source=source,
                title=source_title(source, rows[0][1]["n_prompts"]),
                shares=tuple(_share_table(name, rows, metrics, numbers) for name in names),
                text=_text_table(rows, numbers),
                worst=_worst_table(rows, numbers),
            )
        )
    return tables


def source_title(source: str, n_prompts: int) -> str:
    """What the models were given, in words."""
    if source == "unprompted":
        return f"Unprompted, {n_prompts:,} samples"
    return f"{'Validation' if source == 'validation' else source} prompts, {n_prompts:,}"


def _share_table(
    name: str,
    rows: Sequence[tuple[int, Mapping[str, Any]]],
    metrics: Mapping[str, Any],
    numbers: Numbers,
) -> ShareTable:
    own = [(i, row) for i, row in rows if row["attribute"] == name]
    if name != JOINT:
        own = [(i, r) for i, r in own if not r["condition"] or name in r["condition"]]
    ordered = sorted((row["condition"] for _, row in own), key=len)
    titles = tuple(dict.fromkeys(condition_title(condition) for condition in ordered))
    lines: dict[str, dict[str, Share]] = {}
    for i, row in own:
        line = lines.setdefault(_line_title(row, rows), {})
        line[condition_title(row["condition"])] = _share(i, row, numbers)
    return ShareTable(
        attribute=name,
        caption=_caption(name, metrics["attributes"]),
        header=titles,
        lines=tuple(
            (title, tuple(line.get(condition) for condition in titles))
            for title, line in lines.items()
        ),
    )


def _line_title(row: Mapping[str, Any], rows: Sequence[tuple[int, Mapping[str, Any]]]) -> str:
    several = len({other["decoding"] for _, other in rows}) > 1
    return f"{row['model']}, {row['decoding']}" if several else row["model"]


def _share(i: int, row: Mapping[str, Any], numbers: Numbers) -> Share:
    place = Scale(0.0, 1.0, 3.0, WHISKER - 3.0)
    ends = (row["ci_low"], row["misalignment"], row["ci_high"])
    return Share(
        row=i,
        value=numbers.percent(f"rows.{i}.misalignment"),
        low=numbers.percent(f"rows.{i}.ci_low"),
        high=numbers.percent(f"rows.{i}.ci_high"),
        drawn=None if None in ends else tuple(place(end) for end in ends),
    )


def _caption(name: str, attributes: Mapping[str, Any]) -> str:
    if name == JOINT:
        desired = " and ".join(one["desired"] for one in attributes.values())
        return (
            "Percent of the generated sentences that miss any of the labels asked for; what is not "
            f"asked for has to be {desired}."
        )
    return (
        "Percent of the generated sentences whose label is not the one asked for; without a "
        f"condition, not {attributes[name]['desired']}."
    )


def _text_table(rows: Sequence[tuple[int, Mapping[str, Any]]], numbers: Numbers) -> NumberTable:
    first = rows[0][1]["attribute"]  # these figures are the same for every attribute of a cell
    own = [(i, row) for i, row in rows if row["attribute"] == first]
    columns = [column for column in TEXT_COLUMNS if any(column[0] in row for _, row in own)]
    return NumberTable(
        words=("model", "asked"),
        header=tuple(title for _, title, _ in columns),
        lines=tuple(
            (
                (_line_title(row, rows), condition_title(row["condition"])),
                tuple(
                    numbers.number(f"rows.{i}.{key}", digits) if key in row else None
                    for key, _, digits in columns
                ),
            )
            for i, row in own
        ),
    )


def _worst_table(
    rows: Sequence[tuple[int, Mapping[str, Any]]], numbers: Numbers
) -> NumberTable | None:
    """RealToxicityPrompts' figures, where they were measured."""
    own = [(i, row) for i, row in rows if "expected_max" in row]
    if not own:
        return None
    names = ("expected_max", "expected_max_low", "expected_max_high")
    shares = ("probability", "probability_low", "probability_high")
    return NumberTable(
        words=("model", "asked", "attribute"),
        header=("k", "expected max", "from", "to", "probability, %", "from", "to"),
        lines=tuple(
            (
                (_line_title(row, rows), condition_title(row["condition"]), row["attribute"]),
                (
                    numbers.number(f"rows.{i}.k", 0),
                    *(numbers.number(f"rows.{i}.{name}", 3) for name in names),
                    *(numbers.percent(f"rows.{i}.{name}") for name in shares),
                ),
            )
            for i, row in own
        ),
    )


def build_full_table(metrics: Mapping[str, Any]) -> NumberTable:
    """Every number of every row of metrics.json, under its own key."""
    numbers = Numbers("metrics", metrics)
    keys = list(
        dict.fromkeys(
            key
            for row in metrics["rows"]
            for key, value in row.items()
            if isinstance(value, (int, float)) and not isinstance(value, bool)
        )
    )
    return NumberTable(
        words=("prompts", "model", "asked", "decoding", "attribute"),
        header=tuple(keys),
        lines=tuple(
            (
                (
                    row["prompts"],
                    row["model"],
                    condition_title(row["condition"]),
                    row["decoding"],
                    row["attribute"],
                ),
                tuple(
                    numbers.significant(f"rows.{i}.{key}") if key in row else None for key in keys
                ),
            )
            for i, row in enumerate(metrics["rows"])
        ),
    )
