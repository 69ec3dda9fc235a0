"""The label audit of the data set: ties, correlation, judges, people; all numbers are its `audit.json`'s."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from src.evaluation.report.numbers import Cell, Numbers
from src.evaluation.report.tables_section import NumberTable

SHOWN_SOURCES = 20
"""Largest sources that have a line of their own; `audit.json` has all."""


@dataclass(frozen=True)
class Captioned:
    """A table with its title and caption."""

    title: str
    caption: str
    table: NumberTable


@dataclass(frozen=True)
class Opinion:
    """Labels beside those of somebody else: a second scorer, or people.

    Attributes:
        title: whose opinion of which attribute.
        about: how it came about, in words.
        warning: why it is worth less than it seems; empty where nothing is known against it.
        tables: agreement, what differs, sources.
    """

    title: str
    about: str
    warning: str
    tables: tuple[Captioned, ...]


@dataclass(frozen=True)
class LabelAudit:
    """The whole audit."""

    ties: tuple[Captioned, ...]
    pairs: Captioned | None
    opinions: tuple[Opinion, ...]


def build_label_audit(audit: Mapping[str, Any]) -> LabelAudit:
    """The audit of a data set.

    Args:
        audit: content of `audit.json`.
    """
    numbers = Numbers("audit", audit)
    judges = [_judge(name, one, numbers) for name, one in audit["judges"].items()]
    people = [_people(name, one, numbers) for name, one in audit["human"].items()]
    return LabelAudit(
        ties=tuple(_ties(name, one, numbers) for name, one in audit["attributes"].items()),
        pairs=_pairs(audit, numbers),
        opinions=(*judges, *people),
    )


def _ties(name: str, one: Mapping[str, Any], numbers: Numbers) -> Captioned:
    at = f"attributes.{name}"
    lines = [(("all",), _ties_line(at, one, numbers))]
    lines += [
        ((source,), _ties_line(f"{at}.by_source.{source}", own, numbers))
        for source, own in _largest(one["by_source"])
        if len(one["by_source"]) > 1
    ]
    labels = tuple(f"{label}, %" for label in one["labels"])
    header = (
        "sentences",
        "mean score",
        "on an edge, %",
        "neutral score, %",
        "in a margin, %",
        *labels,
    )
    return Captioned(
        title=f"Ties and margins, {name}",
        caption="On an edge: the score is exactly an edge, a tie. Neutral score: what the scorer gives a "
        "text in which it finds nothing. In a margin: nearer to an edge than "
        f"{one['exclude_within']:g}, left out of the data set. Labels: of what no margin leaves out.",
        table=NumberTable(("source",), header, tuple(lines)),
    )


def _ties_line(at: str, one: Mapping[str, Any], numbers: Numbers) -> tuple[Cell, ...]:
    kinds = ("on_an_edge", "at_the_neutral_score", "within_margin")
    return (
        numbers.number(f"{at}.sentences", 0),
        numbers.significant(f"{at}.mean_score", 3),
        *(None if one[kind] is None else numbers.percent(f"{at}.{kind}.share") for kind in kinds),
        *(numbers.percent(f"{at}.labels.{label}.share") for label in one["labels"]),
    )


def _largest(by_source: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, Mapping[str, Any]]]:
    return sorted(by_source.items(), key=lambda one: (-one[1]["sentences"], one[0]))[:SHOWN_SOURCES]


def _pairs(audit: Mapping[str, Any], numbers: Numbers) -> Captioned | None:
    if not audit["pairs"]:
        return None
    lines = []
    for i, pair in enumerate(audit["pairs"]):
        at = f"pairs.{i}"
        lines.append(
            (
                tuple(pair["attributes"]),
                (
                    numbers.number(f"{at}.pearson", 3),
                    _estimate(numbers, f"{at}.spearman"),
                    numbers.number(f"{at}.cramers_v_of_labels", 3),
                    numbers.number(f"{at}.phi_of_labels", 3),
                ),
            )
        )
    header = ("scores, linear", "scores, ranks", "labels, Cramér's V", "labels, phi")
    return Captioned(
        title="Correlation of the attributes",
        caption="Of the scores: Pearson's over all sentences, Spearman's over a random sample of "
        f"{audit['sentences']['sampled']:,} of {audit['sentences']['scored']:,}, with its 95 % interval over "
        "documents. Of the labels: Cramér's V from 0 to 1; phi, with its sign, for two labels each.",
        table=NumberTable(("attribute", "and"), header, tuple(lines)),
    )


def _judge(name: str, one: Mapping[str, Any], numbers: Numbers) -> Opinion:
    at = f"judges.{name}"
    options = [f"{key} {value}" for key, value in one["scorer"].items() if key != "name"]
    line = (
        ("judge",),
        (*_agreement(numbers, at), _estimate(numbers, f"{at}.spearman")),
    )
    header = ("sentences", "same label", "Cohen's kappa", "rank correlation of the scores")
    table = NumberTable(("compared with",), header, (line,))
    return Opinion(
        title=f"Judge of {name}",
        about=f"A second scorer, {', '.join([one['scorer']['name'], *options])}, with edges of its own "
        f"({_listed(one['edges'])}), judges a random sample of the data set's sentences. "
        "It labelled nothing.",
        warning="Not an independent judge: it is the same kind of scorer as the one that made the "
        "labels, and may share its errors."
        if one["same_kind_of_scorer"]
        else "",
        tables=(
            Captioned(f"Agreement with the judge, {name}", AGREEMENT, table),
            _confusion(f"Labels by the judge, {name}", one, at, "judge", numbers),
        ),
    )


AGREEMENT = (
    "Same label: share of the sentences. Cohen's kappa: 0 is what chance alone would give, 1 is all. "
    "95 % intervals over documents."
)


def _people(name: str, one: Mapping[str, Any], numbers: Numbers) -> Opinion:
    at = f"human.{name}"
    return Opinion(
        title=f"People's ratings of {name}",
        about=f"Sentences of the source that people rated ({one['key']}); a rating counts only where its row "
        f"is a single sentence. Rated above {_listed(one['edges'])}: the next higher label. Nothing was "
        "labelled by it.",
        warning="",
        tables=tuple(_people_tables(name, one, at, numbers)) if one["compared_sentences"] else (),
    )


def _people_tables(
    name: str, one: Mapping[str, Any], at: str, numbers: Numbers
) -> Iterator[Captioned]:
    populations = (
        ("all rated sentences", "labels_of_all"),
        ("those in the data set", "labels_of_the_data_set"),
    )
    lines = tuple(((what,), _agreement(numbers, f"{at}.{key}")) for what, key in populations)
    header = ("sentences", "same label", "Cohen's kappa")
    yield Captioned(
        f"Agreement with people, {name}", AGREEMENT, NumberTable(("compared",), header, lines)
    )
    yield _confusion(
        f"Labels by people, {name}",
        one["labels_of_the_data_set"],
        f"{at}.labels_of_the_data_set",
        "people",
        numbers,
    )
    edges = tuple(f"AUC, above {edge['rating_above']:g}" for edge in one["auc"])
    sources = [("all", at, "compared_sentences", one)]
    sources += [
        (source, f"{at}.by_source.{source}", "sentences", own)
        for source, own in _largest(one["by_source"])
    ]
    yield Captioned(
        f"Scores against people's ratings, {name}",
        "Rank correlation: Spearman's. AUC: how often a sentence rated above the edge scores higher than one "
        "that is not. Same label: of the sentences in the data set. 95 % intervals over documents.",
        NumberTable(
            ("source",),
            ("sentences", "rank correlation", *edges, "same label"),
            tuple(
                ((source,), _source_line(numbers, path, count, own))
                for source, path, count, own in sources
            ),
        ),
    )


def _source_line(numbers: Numbers, at: str, count: str, one: Mapping[str, Any]) -> tuple[Cell, ...]:
    return (
        numbers.number(f"{at}.{count}", 0),
        _estimate(numbers, f"{at}.spearman"),
        *(_estimate(numbers, f"{at}.auc.{i}") for i in range(len(one["auc"]))),
        _estimate(numbers, f"{at}.labels_of_the_data_set.agreement"),
    )


def _agreement(numbers: Numbers, at: str) -> tuple[Cell, ...]:
    return (
        numbers.number(f"{at}.sentences", 0),
        _estimate(numbers, f"{at}.agreement"),
        _estimate(numbers, f"{at}.kappa"),
    )


def _confusion(
    title: str, one: Mapping[str, Any], at: str, who: str, numbers: Numbers
) -> Captioned:
    labels = list(one["confusion"])
    return Captioned(
        title=title,
        caption="Sentences of the data set by their own label and by the other.",
        table=NumberTable(
            ("data set",),
            tuple(f"{who}: {label}" for label in labels),
            tuple(
                (
                    (label,),
                    tuple(numbers.number(f"{at}.confusion.{label}.{other}", 0) for other in labels),
                )
                for label in labels
            ),
        ),
    )


def _estimate(numbers: Numbers, at: str) -> Cell:
    return numbers.number_with(f"{at}.value", f"{at}.low", f"{at}.high", 3)


def _listed(edges: Sequence[float]) -> str:
    return ", ".join(f"{edge:g}" for edge in edges)
