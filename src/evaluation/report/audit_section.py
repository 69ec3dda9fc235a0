"""The label audit: what the data set's `stats.json` says of scores, labels and how they go together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from src.attributes.attribute import Attribute, Attributes
from src.evaluation.report.histograms import Histogram, draw_statistics
from src.evaluation.report.numbers import Numbers, Shown
from src.evaluation.report.score_axis import label_shade
from src.evaluation.report.tables_section import NumberTable


@dataclass(frozen=True)
class LabelShare:
    """One label: how many sentences have it."""

    label: str
    shade: int
    sentences: Shown
    share: Shown


@dataclass(frozen=True)
class AttributeAudit:
    """One attribute of the data set."""

    name: str
    histogram: Histogram
    labels: tuple[LabelShare, ...]
    facts: tuple[tuple[str, Shown], ...]
    deciles: tuple[Shown, ...]


@dataclass(frozen=True)
class Audit:
    """The whole audit."""

    attributes: tuple[AttributeAudit, ...]
    pairs: NumberTable | None
    combinations: NumberTable
    counts: NumberTable
    sources: NumberTable


def build_audit(statistics: Mapping[str, Any], attributes: Attributes) -> Audit:
    """The audit of a data set.

    Args:
        statistics: content of `stats.json`.
        attributes: of the data set.
    """
    numbers = Numbers("statistics", statistics)
    return Audit(
        attributes=tuple(
            _attribute(name, one, statistics["attributes"][name], numbers)
            for name, one in attributes.items()
        ),
        pairs=_pairs(statistics["pairs"], numbers),
        combinations=_combinations(statistics, numbers),
        counts=_counts(statistics, numbers),
        sources=_sources(statistics["sources"], numbers),
    )


def _attribute(
    name: str, one: Attribute, found: Mapping[str, Any], numbers: Numbers
) -> AttributeAudit:
    at = f"attributes.{name}"
    return AttributeAudit(
        name=name,
        histogram=draw_statistics(one, found["histogram"]),
        labels=tuple(
            LabelShare(
                label,
                label_shade(one, label),
                numbers.number(f"{at}.labels.{label}.sentences", 0),
                numbers.percent(f"{at}.labels.{label}.share"),
            )
            for label in one.labels
        ),
        facts=(
            ("sentences scored", numbers.number(f"{at}.scores.n", 0)),
            ("lowest score", numbers.significant(f"{at}.scores.lowest")),
            ("highest score", numbers.significant(f"{at}.scores.highest")),
            ("mean", numbers.significant(f"{at}.scores.mean")),
            ("standard deviation", numbers.significant(f"{at}.scores.standard_deviation")),
            (
                "exactly on an edge, % of all",
                numbers.percent(f"{at}.scores.exactly_on_an_edge.share"),
            ),
        ),
        deciles=tuple(
            numbers.significant(f"{at}.scores.deciles.{i}", 3)
            for i in range(len(found["scores"]["deciles"]))
        ),
    )


def _pairs(pairs: Sequence[Mapping[str, Any]], numbers: Numbers) -> NumberTable | None:
    if not pairs:
        return None
    return NumberTable(
        words=("attribute", "and"),
        header=("correlation of scores", "Cramér's V of labels"),
        lines=tuple(
            (
                tuple(pair["attributes"]),
                (
                    numbers.number(f"pairs.{i}.correlation_of_scores", 3),
                    numbers.number(f"pairs.{i}.cramers_v_of_labels", 3),
                ),
            )
            for i, pair in enumerate(pairs)
        ),
    )


def _combinations(statistics: Mapping[str, Any], numbers: Numbers) -> NumberTable:
    splits = statistics["splits"]
    return NumberTable(
        words=("labels",),
        header=("sentences", "%", *splits),
        lines=tuple(
            (
                (name,),
                (
                    numbers.number(f"label_combinations.{name}.sentences", 0),
                    numbers.percent(f"label_combinations.{name}.share"),
                    *(
                        numbers.number(f"splits.{split}.label_combinations.{name}", 0)
                        if name in splits[split]["label_combinations"]
                        else None
                        for split in splits
                    ),
                ),
            )
            for name in statistics["label_combinations"]
        ),
    )


def _counts(statistics: Mapping[str, Any], numbers: Numbers) -> NumberTable:
    paths = []
    for kind in ("documents", "sentences"):
        paths += [(kind, what, f"{kind}.{what}") for what in ("read", "used")]
        excluded = statistics[kind]["excluded"]
        paths += [(kind, f"left out: {w}", f"{kind}.excluded.{w}") for w in excluded]
    for split, found in statistics["splits"].items():
        counted = [key for key, value in found.items() if isinstance(value, int)]
        paths += [(f"split {split}", key, f"splits.{split}.{key}") for key in counted]
    return NumberTable(
        words=("", "what"),
        header=("number",),
        lines=tuple(
            ((kind, what.replace("_", " ")), (numbers.number(path, 0),))
            for kind, what, path in paths
        ),
    )


def _sources(sources: Sequence[Mapping[str, Any]], numbers: Numbers) -> NumberTable:
    keys = ("documents_read", "documents_used", "sentences_used")
    return NumberTable(
        words=("source",),
        header=tuple(key.replace("_", " ") for key in keys),
        lines=tuple(
            ((one["source"],), tuple(numbers.number(f"sources.{i}.{key}", 0) for key in keys))
            for i, one in enumerate(sources)
        ),
    )
