"""The result tables of the page: as `tables.md` lays them out, each number with its place in metrics.json."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from src.evaluation.metrics.comparison import BASELINE, CONTRADICTION, MISALIGNMENT
from src.evaluation.plan.cells import condition_title
from src.evaluation.report.numbers import Cell, Numbers, Shown, look_up
from src.evaluation.report.scales import Scale
from src.evaluation.report.sources import cell_of
from src.evaluation.tables import captions

WHISKER = 120.0
"""Length of the drawn interval's axis, 0 to 100 %, in units of its drawing."""

TEXT_FIGURES = tuple(captions.HEADINGS)
"""Figures of the table of texts; a column is there if some row has it."""


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
    lines: tuple[tuple[tuple[str, ...], tuple[Cell, ...]], ...]


@dataclass(frozen=True)
class SourceTables:
    """All tables of one source of prompts."""

    source: str
    title: str
    shares: tuple[ShareTable, ...]
    opinions: tuple[tuple[str, str, NumberTable], ...]
    alignment: NumberTable | None
    text: NumberTable
    worst: NumberTable | None


def build_source_tables(metrics: Mapping[str, Any]) -> list[SourceTables]:
    """Per source of prompts: misalignment by attribute beside joint, and the figures of the text."""
    numbers = Numbers("metrics", metrics)
    tables = []
    for source in dict.fromkeys(row["prompts"] for row in metrics["rows"]):
        rows = [(i, row) for i, row in enumerate(metrics["rows"]) if row["prompts"] == source]
        names = captions.measured(metrics["attributes"])[:-1]  # the last one opens the page
        tables.append(
            SourceTables(
                source=source,
                title=captions.source_heading(source, rows[0][1]["n_prompts"]),
                shares=tuple(_share_table(name, rows, metrics, numbers) for name in names),
                opinions=tuple(_opinion_tables(rows, metrics, numbers)),
                alignment=_alignment_table(rows, metrics, numbers),
                text=_text_table(rows, metrics, numbers),
                worst=_worst_table(rows, numbers),
            )
        )
    return tables


def _share_table(
    name: str,
    rows: Sequence[tuple[int, Mapping[str, Any]]],
    metrics: Mapping[str, Any],
    numbers: Numbers,
) -> ShareTable:
    own = [(i, row) for i, row in rows if captions.is_in_table(name, row)]
    titles = tuple(captions.condition_titles([row for _, row in own]))
    lines: dict[str, dict[str, Share]] = {}
    for i, row in own:
        line = lines.setdefault(_line_title(row, rows), {})
        line[condition_title(row["condition"])] = _share(i, row, numbers)
    return ShareTable(
        attribute=name,
        caption=captions.misalignment(name, metrics["attributes"], [row for _, row in own]),
        header=titles,
        lines=tuple(
            (title, tuple(line.get(condition) for condition in titles))
            for title, line in lines.items()
        ),
    )


def _line_title(row: Mapping[str, Any], rows: Sequence[tuple[int, Mapping[str, Any]]]) -> str:
    return captions.line_title(row, [other for _, other in rows])


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


def _opinion_tables(
    rows: Sequence[tuple[int, Mapping[str, Any]]], metrics: Mapping[str, Any], numbers: Numbers
) -> Iterator[tuple[str, str, NumberTable]]:
    """(attribute, caption, the same sentences by the scorer, the judge, and people)."""
    for name in metrics["attributes"]:
        own = [(i, row) for i, row in rows if captions.is_in_table(name, row)]
        keys = [key for key in captions.OPINIONS if own and key in own[0][1]]
        lines = []
        for i, row in own if keys else ():
            at, ends = f"rows.{i}", ("", "_ci_low", "_ci_high")
            scorer = numbers.percent_with(f"{at}.misalignment", f"{at}.ci_low", f"{at}.ci_high")
            others = [numbers.percent_with(*(f"{at}.{key}{end}" for end in ends)) for key in keys]
            words = (_line_title(row, rows), condition_title(row["condition"]))
            lines.append((words, (scorer, *others)))
        if lines:
            header = ("scorer, %", *(f"{captions.OPINIONS[key]}, %" for key in keys))
            caption = captions.opinions(name, own[0][1], metrics["attributes"])
            yield name, caption, NumberTable(("model", "asked"), header, tuple(lines))


def _text_table(
    rows: Sequence[tuple[int, Mapping[str, Any]]], metrics: Mapping[str, Any], numbers: Numbers
) -> NumberTable:
    # These figures are the same for every attribute of a cell, but for the ratio of misalignments.
    headline = captions.measured(metrics["attributes"])[-1]
    own = [(i, row) for i, row in rows if row["attribute"] == headline]
    ratios = _against_first(metrics, headline, MISALIGNMENT)
    places = [(f"rows.{i}", ratios.get(cell_of(row))) for i, row in own]
    cells = [[_text_figure(key, *place, numbers) for key in TEXT_FIGURES] for place in places]
    shown = [j for j in range(len(TEXT_FIGURES)) if any(line[j] for line in cells)]
    return NumberTable(
        words=("model", "asked"),
        header=tuple(captions.HEADINGS[TEXT_FIGURES[j]][0] for j in shown),
        lines=tuple(
            (
                (_line_title(row, rows), condition_title(row["condition"])),
                tuple(line[j] for j in shown),
            )
            for (_, row), line in zip(own, cells, strict=True)
        ),
    )


def _against_first(metrics: Mapping[str, Any], attribute: str, measure: str) -> dict[Any, str]:
    """Cell → place of its comparison with the first model without a condition."""
    return {
        cell_of(one["a"]): f"comparisons.{i}"
        for i, one in enumerate(metrics.get("comparisons") or ())
        if BASELINE in one["roles"] and (one["attribute"], one["measure"]) == (attribute, measure)
    }


def _alignment_table(
    rows: Sequence[tuple[int, Mapping[str, Any]]], metrics: Mapping[str, Any], numbers: Numbers
) -> NumberTable | None:
    """Aligned, neither, contradicting, where a sentence may be neither."""
    compared = [one for one in metrics.get("comparisons") or () if one["measure"] == CONTRADICTION]
    lines = []
    for name in dict.fromkeys(one["attribute"] for one in compared):
        ratios = _against_first(metrics, name, CONTRADICTION)
        for i, row in rows:
            if captions.is_in_table(name, row):
                at, first = f"rows.{i}", ratios.get(cell_of(row))
                ends = ("", "_ci_low", "_ci_high")
                words = (_line_title(row, rows), condition_title(row["condition"]), name)
                figures = (
                    numbers.percent(f"{at}.aligned"),
                    numbers.percent(f"{at}.neither"),
                    numbers.percent_with(*(f"{at}.contradiction{end}" for end in ends)),
                    numbers.number_with(*(f"{first}.ratio{end}" for end in ends), 2)
                    if first
                    else None,
                )
                lines.append((words, figures))
    header = ("aligned, %", "neither, %", "contradicting, %", "× first")
    return NumberTable(("model", "asked", "attribute"), header, tuple(lines)) if lines else None


def _text_figure(key: str, row: str, comparison: str | None, numbers: Numbers) -> Cell:
    """A figure of a cell, from its row or from its comparison with the first model without a condition."""
    for at in (row, comparison):
        if at is not None and key in look_up(numbers.content, at):
            digits = captions.HEADINGS[key][1]
            if f"{key}_ci_low" not in look_up(numbers.content, at):
                return numbers.number(f"{at}.{key}", digits)
            ends = (f"{at}.{key}_ci_low", f"{at}.{key}_ci_high")
            return numbers.number_with(f"{at}.{key}", *ends, digits)
    return None


def _worst_table(
    rows: Sequence[tuple[int, Mapping[str, Any]]], numbers: Numbers
) -> NumberTable | None:
    """RealToxicityPrompts' figures, where they were measured."""
    own = [(i, row) for i, row in rows if "expected_max" in row]
    if not own:
        return None
    ends = ("", "_low", "_high")
    return NumberTable(
        words=("model", "asked", "attribute"),
        header=("k", "expected max", "past edge, %"),
        lines=tuple(
            (
                (_line_title(row, rows), condition_title(row["condition"]), row["attribute"]),
                (
                    numbers.number(f"rows.{i}.k", 0),
                    numbers.number_with(*(f"rows.{i}.expected_max{end}" for end in ends), 3),
                    numbers.percent_with(*(f"rows.{i}.probability{end}" for end in ends)),
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
