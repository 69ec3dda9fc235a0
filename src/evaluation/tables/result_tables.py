"""The figures as tables, laid out like the paper's tables 2, 4 and 5: models down, conditions across.

Everything is made from the content of metrics.json; imports neither torch nor transformers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from src.evaluation.metrics.cell_metrics import JOINT
from src.evaluation.metrics.comparison import (
    BASELINE,
    CONTRADICTION,
    MISALIGNMENT,
    OWN,
    SAMPLING,
)
from src.evaluation.plan.cells import condition_title
from src.evaluation.tables import captions
from src.evaluation.tables.sweep_tables import sweep_tables
from src.evaluation.tables.table import (
    NOTHING,
    Row,
    Table,
    number,
    percent_with_interval,
    with_interval,
)

MARKS = {BASELINE: "*", OWN: "†", SAMPLING: "‡"}
"""What stands behind a figure that differs from the cell that it is compared with, by role."""

TEXT_COLUMNS = ("model", "asked")
"""Headers of the columns that hold words: set to the left."""


def build_tables(metrics: Mapping[str, Any]) -> list[Table]:
    """All tables of an evaluation: per source of prompts misalignment by attribute, joint, what was neither,
    text, worst of k; then what a sweep tried.

    Args:
        metrics: content of metrics.json.
    """
    tables = []
    for source in dict.fromkeys(row["prompts"] for row in metrics["rows"]):
        rows = [row for row in metrics["rows"] if row["prompts"] == source]
        every = _of_source(metrics, source)
        for name in captions.measured(metrics["attributes"]):
            compared = [one for one in every if one["attribute"] == name]
            compared = [one for one in compared if one["measure"] == MISALIGNMENT]
            tables.append(_misalignment_table(name, rows, metrics["attributes"], compared))
            tables += _opinion_tables(name, rows, metrics["attributes"])
        tables += _alignment_tables(rows, every)
        tables += [_quality_table(rows, every), _worst_table(rows)]
    return tables + sweep_tables(metrics)


def _of_source(metrics: Mapping[str, Any], source: str) -> list[Mapping[str, Any]]:
    """The comparisons on a source of prompts."""
    return [one for one in metrics.get("comparisons", ()) if one["a"]["prompts"] == source]


def _misalignment_table(
    name: str,
    rows: Sequence[Row],
    attributes: Mapping[str, Any],
    compared: Sequence[Mapping[str, Any]],
) -> Table:
    own = [row for row in rows if captions.is_in_table(name, row)]
    titles = captions.condition_titles(own)
    lines: dict[str, dict[str, str]] = {}
    for row in own:
        line = lines.setdefault(captions.line_title(row, rows), {})
        marks = "".join(MARKS[role] for role in significant_roles(row, compared))
        line[condition_title(row["condition"])] = f"{percent_with_interval(row)} {marks}".rstrip()
    shown = [one for one in compared if any(_is_first_of(row, one) for row in own)]
    return Table(
        title=f"Misalignment, {name} ({_source(rows)})",
        caption=f"Misalignment, {name}: {captions.misalignment(name, attributes, own)}{_legend(shown)}",
        note=_reach(shown),
        header=("model", *titles),
        rows=tuple((title, *(line.get(t, "") for t in titles)) for title, line in lines.items()),
    )


def _opinion_tables(
    name: str, rows: Sequence[Row], attributes: Mapping[str, Any]
) -> Iterator[Table]:
    """The same sentences by the scorer that made the labels, by a judge that made none, and by people."""
    own = [row for row in rows if captions.is_in_table(name, row)]
    keys = [key for key in captions.OPINIONS if own and key in own[0]]
    if keys:
        yield Table(
            title=f"Misalignment in the eyes of others, {name} ({_source(rows)})",
            caption=f"Misalignment in the eyes of others, {name}: "
            f"{captions.opinions(name, own[0], attributes)}",
            header=("model", "asked", "scorer", *(captions.OPINIONS[key] for key in keys)),
            rows=tuple(
                (
                    captions.line_title(row, rows),
                    condition_title(row["condition"]),
                    percent_with_interval(row),
                    *(_percent_of(row, key) for key in keys),
                )
                for row in own
            ),
        )


def _alignment_tables(
    rows: Sequence[Row], compared: Sequence[Mapping[str, Any]]
) -> Iterator[Table]:
    """Aligned, neither, contradicting: one table, where a sentence may be neither."""
    compared = [one for one in compared if one["measure"] == CONTRADICTION]
    names = dict.fromkeys(one["attribute"] for one in compared)
    lines = []
    for name in names:
        for row in (row for row in rows if captions.is_in_table(name, row)):
            marks = "".join(MARKS[role] for role in significant_roles(row, compared))
            against = [one for one in compared if _is_first_of(row, one)]
            first = next((one for one in against if BASELINE in one["roles"]), {})
            lines.append(
                (
                    captions.line_title(row, rows),
                    f"{condition_title(row['condition'])} ({name})",
                    _percent(row["aligned"]),
                    _percent(row["neither"]),
                    f"{_percent_of(row, 'contradiction')} {marks}".rstrip(),
                    _figure(first, "ratio"),
                )
            )
    if lines:
        yield Table(
            title=f"Aligned, neither, contradicting ({_source(rows)})",
            caption=f"Aligned, neither, contradicting: {captions.ALIGNMENT} {captions.scope(rows)}"
            f"{_legend(compared)}",
            header=("model", "asked", "aligned", "neither", "contradicting", "× first"),
            rows=tuple(lines),
        )


def _percent_of(row: Row, figure: str) -> str:
    low, high = row[f"{figure}_ci_low"], row[f"{figure}_ci_high"]
    return percent_with_interval({"misalignment": row[figure], "ci_low": low, "ci_high": high})


def significant_roles(row: Row, compared: Sequence[Mapping[str, Any]]) -> list[str]:
    """The roles of the cells that a row's figure differs from, after Holm's correction.

    Args:
        row: of metrics.json.
        compared: `comparisons` of metrics.json, or some of them.
    """
    found = {
        role
        for one in compared
        if captions.is_significant(one) and _is_first_of(row, one)
        for role in one["roles"]
    }
    return [role for role in MARKS if role in found]


def _is_first_of(row: Row, compared: Mapping[str, Any]) -> bool:
    first = compared["a"]
    return row["attribute"] == compared["attribute"] and all(row[k] == first[k] for k in first)


def _legend(shown: Sequence[Mapping[str, Any]]) -> str:
    """What the marks mean."""
    parts = []
    for role, mark in MARKS.items():
        of_role = [one for one in shown if role in one["roles"]]
        if of_role:
            others = captions.COMPARED_WITH | {
                BASELINE: f"{of_role[0]['b']['model']} without a condition"
            }
            parts.append(f"{mark}: differs from {others[role]}")
    if not parts:
        return ""
    return (
        f" {'; '.join(parts)} ({captions.SAME_LABELS}, paired by prompt, "
        f"p < {captions.SIGNIFICANT} after Holm over the table)."
    )


def _reach(shown: Sequence[Mapping[str, Any]]) -> str:
    """How small a difference the table's prompts could have shown."""
    least = [one["minimum_detectable_difference"] for one in shown]
    reach = sorted({round(100 * one) for one in least if one is not None})
    if not reach:
        return ""
    if reach[-1] > 100:
        return "So few prompts and trainings show no difference with certainty in some comparisons."
    span = f"{reach[0]}" if len(reach) == 1 else f"{reach[0]} to {reach[-1]}"
    return f"Smallest detectable difference of one comparison (80 % power): {span} points."


def _worst_table(rows: Sequence[Row]) -> Table:
    """RealToxicityPrompts' figures: a line per cell, two columns per attribute."""
    names = list(dict.fromkeys(row["attribute"] for row in rows))
    cells: dict[tuple[str, str], dict[str, str]] = {}
    for row in rows:
        line = cells.setdefault(
            (captions.line_title(row, rows), condition_title(row["condition"])), {}
        )
        line[f"{row['attribute']}: worst"] = number(row["expected_max"], 3)
        line[f"{row['attribute']}: past edge"] = _percent(row["probability"])
    header = [f"{name}: worst" for name in names if name != JOINT]
    header += [f"{name}: past edge" for name in names if name != JOINT or len(names) > 2]
    return Table(
        title=f"Worst of {rows[0]['k']} ({_source(rows)})",
        caption=f"Worst of k: {captions.WORST} Intervals: metrics.json.",
        header=("model", "asked", *header),
        rows=tuple((*cell, *(line[name] for name in header)) for cell, line in cells.items()),
    )


def _percent(value: float | None) -> str:
    return NOTHING if value is None else f"{100 * value:.1f}"


RATIOS = ("ratio", "perplexity_ratio", "distinct_2_ratio")
"""Figures that a cell has from its comparison with the first model without a condition."""

QUALITY = (
    *("ratio", "perplexity", "perplexity_ratio", "distinct_2", "distinct_2_ratio"),
    *("mean_words", "self_bleu", "n_sentences"),
)
"""Figures of the table of texts; see `captions.HEADINGS`."""


def _quality_table(rows: Sequence[Row], compared: Sequence[Mapping[str, Any]]) -> Table:
    ratios = {
        _cell(one["a"]): one
        for one in compared
        if BASELINE in one["roles"] and one["measure"] == MISALIGNMENT
    }  # of the last attribute, which is `joint` where there are several
    keys = [key for key in QUALITY if key not in RATIOS or ratios]
    lines = []
    for row in rows:
        if row["attribute"] == JOINT:
            ratio = ratios.get(_cell(row), {})
            figures = [_figure(ratio if key in ratio else row, key) for key in keys]
            empty = f"{row['n_empty']} of {row['n_continuations']}"
            title = captions.line_title(row, rows)
            lines.append((title, condition_title(row["condition"]), *figures, empty))
    return Table(
        title=f"Text ({_source(rows)})",
        caption=f"Text: {captions.TEXT} {NOTHING}: nothing to measure.",
        header=("model", "asked", *(captions.HEADINGS[key][0] for key in keys), "empty"),
        rows=tuple(lines),
    )


def _figure(row: Row, key: str) -> str:
    """A figure with its interval where it has one; blank where there is none of the kind."""
    if key not in row:
        return ""
    digits = captions.HEADINGS[key][1]
    return with_interval(row[key], row.get(f"{key}_ci_low"), row.get(f"{key}_ci_high"), digits)


def _cell(facts: Row) -> tuple[Any, ...]:
    return facts["model"], tuple(facts["condition"].items()), facts["decoding"], facts["prompts"]


def _source(rows: Sequence[Row]) -> str:
    return captions.source_title(rows[0]["prompts"], rows[0]["n_prompts"])
