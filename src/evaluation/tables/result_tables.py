"""The figures as tables, laid out like the paper's tables 2, 4 and 5: models down, conditions across.

Everything is made from the content of metrics.json; imports neither torch nor transformers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from src.evaluation.metrics.cell_metrics import JOINT
from src.evaluation.metrics.comparison import BASELINE, OWN
from src.evaluation.plan.cells import condition_title
from src.evaluation.tables.sweep_tables import sweep_tables
from src.evaluation.tables.table import NOTHING, Row, Table, number, percent_with_interval

SIGNIFICANT = 0.05
"""Marks stand where a p-value, corrected over its table, is below this."""

MARKS = {BASELINE: "*", OWN: "†"}
"""What stands behind a figure that differs from the cell that it is compared with, by role."""

TEXT_COLUMNS = ("model", "asked")
"""Headers of the columns that hold words: set to the left."""


def build_tables(metrics: Mapping[str, Any]) -> list[Table]:
    """All tables of an evaluation: per source of prompts misalignment by attribute, joint, text, worst
    of k; then what a sweep tried.

    Args:
        metrics: content of metrics.json.
    """
    tables = []
    for source in dict.fromkeys(row["prompts"] for row in metrics["rows"]):
        rows = [row for row in metrics["rows"] if row["prompts"] == source]
        for name in measured(metrics["attributes"]):
            compared = [
                one
                for one in metrics.get("comparisons", ())
                if one["attribute"] == name and one["a"]["prompts"] == source
            ]
            tables.append(_misalignment_table(name, rows, metrics["attributes"], compared))
            if metrics["attributes"].get(name, {}).get("judge"):
                tables.append(_judge_table(name, rows, metrics["attributes"]))
        tables += [_quality_table(rows), _worst_table(rows)]
    return tables + sweep_tables(metrics)


def measured(attributes: Mapping[str, Any]) -> list[str]:
    """The attributes, and `joint` where it differs from them."""
    return [*attributes, JOINT] if len(attributes) > 1 else list(attributes)


def _misalignment_table(
    name: str,
    rows: Sequence[Row],
    attributes: Mapping[str, Any],
    compared: Sequence[Mapping[str, Any]],
) -> Table:
    own = [row for row in rows if row["attribute"] == name]
    if name != JOINT:
        # As in the paper: the columns of an attribute's table are the conditions that ask for it.
        own = [row for row in own if not row["condition"] or name in row["condition"]]
    titles = condition_titles(own)
    lines: dict[str, dict[str, str]] = {}
    for row in own:
        line = lines.setdefault(_row_title(row, rows), {})
        marks = "".join(MARKS[role] for role in significant_roles(row, compared))
        line[condition_title(row["condition"])] = f"{percent_with_interval(row)} {marks}".rstrip()
    shown = [one for one in compared if any(_is_first_of(row, one) for row in own)]
    return Table(
        title=f"Misalignment, {name} ({_source_title(rows)})",
        caption=_caption(name, attributes) + _legend(shown),
        note=_reach(shown),
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


def significant_roles(row: Row, compared: Sequence[Mapping[str, Any]]) -> list[str]:
    """The roles of the cells that a row's figure differs from, after Holm's correction.

    Args:
        row: of metrics.json.
        compared: `comparisons` of metrics.json, or some of them.
    """
    found = {
        role
        for one in compared
        if one["p_holm"] is not None and one["p_holm"] < SIGNIFICANT and _is_first_of(row, one)
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
            other = (
                f"{of_role[0]['b']['model']} with no condition"
                if role == BASELINE
                else "the same model with no condition"
            )
            parts.append(f"{mark}: differs from {other}")
    if not parts:
        return ""
    return f" {'; '.join(parts)} (paired by prompt, p < {SIGNIFICANT} after Holm over the table)."


def _reach(shown: Sequence[Mapping[str, Any]]) -> str:
    """How small a difference the table's prompts could have shown."""
    least = [one["minimum_detectable_difference"] for one in shown]
    reach = sorted({f"{100 * one:.0f}" for one in least if one is not None}, key=float)
    if not reach:
        return ""
    span = reach[0] if len(reach) == 1 else f"{reach[0]} to {reach[-1]}"
    return f"One comparison by itself finds a difference of {span} points in 80 % of cases."


def _worst_table(rows: Sequence[Row]) -> Table:
    """RealToxicityPrompts' figures: a line per cell, two columns per attribute."""
    names = list(dict.fromkeys(row["attribute"] for row in rows))
    cells: dict[tuple[str, str], dict[str, str]] = {}
    for row in rows:
        line = cells.setdefault((_row_title(row, rows), condition_title(row["condition"])), {})
        line[f"{row['attribute']}: worst"] = number(row["expected_max"], 3)
        line[f"{row['attribute']}: past edge"] = _percent(row["probability"])
    header = [f"{name}: worst" for name in names if name != JOINT]
    header += [f"{name}: past edge" for name in names if name != JOINT or len(names) > 2]
    return Table(
        title=f"Worst of {rows[0]['k']} ({_source_title(rows)})",
        caption="Worst of k: the mean over prompts of the worst sentence's score among k generations "
        "(RealToxicityPrompts' expected maximum; the lowest score where a high one is asked for), and the % "
        "of prompts where one of them is past the label asked for. Intervals: metrics.json.",
        header=("model", "asked", *header),
        rows=tuple((*cell, *(line[name] for name in header)) for cell, line in cells.items()),
    )


def _percent(value: float | None) -> str:
    return NOTHING if value is None else f"{100 * value:.1f}"


def _quality_table(rows: Sequence[Row]) -> Table:
    header = (
        "model",
        "asked",
        "perplexity",
        "words",
        "distinct-2",
        "self-BLEU",
        "sentences",
        "empty",
    )
    lines = []
    for row in rows:
        if row["attribute"] == JOINT:
            lines.append(
                (
                    _row_title(row, rows),
                    condition_title(row["condition"]),
                    number(row["perplexity"], 1),
                    number(row["mean_words"], 1),
                    number(row["distinct_2"], 2),
                    number(row["self_bleu"], 2),
                    str(row["n_sentences"]),
                    f"{row['n_empty']} of {row['n_continuations']}",
                )
            )
    return Table(
        title=f"Text ({_source_title(rows)})",
        caption="Text: perplexity of the continuations under the reference model; words of one that is not "
        "empty; share of word pairs that differ; BLEU of each text against the "
        "others; sentences measured; continuations without a sentence "
        f"(never counted as aligned). {NOTHING}: nothing to measure.",
        header=header,
        rows=tuple(lines),
    )


def condition_titles(rows: Sequence[Row]) -> list[str]:
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
