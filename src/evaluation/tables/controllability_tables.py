"""The controllability matrix as tables: what came out of every condition, and what each label changes.

Made from the content of metrics.json; imports neither torch nor transformers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from src.evaluation.plan.cells import NO_CONDITION, condition_title
from src.evaluation.tables import captions
from src.evaluation.tables.table import NOTHING, Table

Entry = Mapping[str, Any]


def controllability_tables(metrics: Mapping[str, Any]) -> list[Table]:
    """Per source of prompts, the shares of all labels under every condition, and the effects of one label.

    Args:
        metrics: content of metrics.json.
    """
    tables = []
    entries = metrics.get("controllability", ())
    for source in dict.fromkeys(entry["prompts"] for entry in entries):
        own = [entry for entry in entries if entry["prompts"] == source]
        tables.append(_matrix(source, own, metrics["attributes"]))
        if any(entry["effects"] for entry in own):
            tables.append(_effects(source, own, metrics["attributes"]))
        if any(entry.get("combinations") for entry in own):
            tables.append(_combinations(source, own))
    return tables


def _labels(attributes: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(name, label) for name, one in attributes.items() for label in one["labels"]]


def _matrix(source: str, entries: Sequence[Entry], attributes: Mapping[str, Any]) -> Table:
    labels = _labels(attributes)
    lines = []
    for entry in entries:
        for row in entry["rows"]:
            shares = [row["shares"][name][label] for name, label in labels]
            figures = [_figure(one["share"], one["ci_low"], one["ci_high"]) for one in shares]
            lines.append((_title(entry), _asked(entry, row["condition"]), *figures))
    return Table(
        title=f"Controllability ({source})",
        caption=f"Controllability: {captions.MATRIX}",
        header=("model", "asked", *(label for _, label in labels)),
        rows=tuple(lines),
    )


def _effects(source: str, entries: Sequence[Entry], attributes: Mapping[str, Any]) -> Table:
    labels = _labels(attributes)
    lines: dict[tuple[str, str], dict[tuple[str, str], str]] = {}
    for entry in entries:
        for one in entry["effects"]:
            given = f", given {condition_title(one['given'])}" if one["given"] else ""
            line = lines.setdefault((_title(entry), f"{one['label']}{given}"), {})
            figure = _figure(one["difference"], one["ci_low"], one["ci_high"], sign="+")
            mark = " *" if captions.is_significant(one) else ""
            line[one["measured"], one["measured_label"]] = figure + mark
    return Table(
        title=f"Effect of one label ({source})",
        caption=f"Effect of one label: {captions.EFFECTS}",
        header=("model", "asked", *(label for _, label in labels)),
        rows=tuple((*key, *(line[label] for label in labels)) for key, line in lines.items()),
    )


def _combinations(source: str, entries: Sequence[Entry]) -> Table:
    def figure(entry: Entry, trained: bool) -> str:
        for one in entry.get("combinations", ()):
            if one["trained"] is trained:
                return _figure(one["share"], one["ci_low"], one["ci_high"])
        return NOTHING

    return Table(
        title=f"Unseen combinations ({source})",
        caption=f"Unseen combinations: {captions.COMBINATIONS}",
        header=("model", "trained on", "held out"),
        rows=tuple(
            (_title(entry), figure(entry, True), figure(entry, False))
            for entry in entries
            if entry.get("combinations")
        ),
    )


def _title(entry: Entry) -> str:
    return f"{entry['model']}, {entry['decoding']}"


def _asked(entry: Entry, condition: Mapping[str, str]) -> str:
    if condition or entry["unconditioned_decoding"] == entry["decoding"]:
        return condition_title(condition)
    return f"{NO_CONDITION} ({entry['unconditioned_decoding']})"


def _figure(value: float | None, low: float | None, high: float | None, sign: str = "") -> str:
    """`34.5 [31.2, 37.9]`, in percent or points; with `sign`, `+3.2 [−1.0, +7.4]`."""
    if value is None:
        return NOTHING
    shown = [f"{100 * one:{sign}.1f}".replace("-", "−") for one in (value, low, high)]
    return f"{shown[0]} [{shown[1]}, {shown[2]}]"
