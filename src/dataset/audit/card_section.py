"""The label audit as a section of the data set card."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from src.dataset.layout import AUDIT, AUDIT_PICTURE, HAND_CHECK
from src.presentation.markdown import cell, code, number, percent, table

SHOWN_SOURCES = 20


def audit_section(audit: Mapping[str, Any]) -> str:
    """The section as Markdown.

    Args:
        audit: the content of `audit.json`.
    """
    parts = [
        "## Label audit\n\n"
        f"Are the labels what they say? All figures are in `{AUDIT}`. `{HAND_CHECK}` is for reading: the "
        "sentences nearest to each edge and some at random, with empty columns for a person's own label "
        "(a text that a spreadsheet would run as a formula has an apostrophe in front). "
        "Intervals in brackets are 95 %, over documents.",
        f"![scores with the edges and margins]({AUDIT_PICTURE})",
        _ties(audit),
        *_pairs(audit),
        *(_judge(name, one) for name, one in audit["judges"].items()),
        *(_human(name, one) for name, one in audit["human"].items()),
    ]
    return "\n\n".join(parts)


def _ties(audit: Mapping[str, Any]) -> str:
    """Ties, margins and labels, altogether and for the largest sources."""
    rows = []
    for name, one in audit["attributes"].items():
        rows.append(_ties_row(name, "all", one))
        sources = sorted(one["by_source"].items(), key=lambda s: (-s[1]["sentences"], s[0]))
        if len(sources) > 1:
            rows += [_ties_row(name, source, of) for source, of in sources[:SHOWN_SOURCES]]
    heading = (
        "attribute",
        "source",
        "sentences",
        "on an edge",
        "neutral score",
        "margin",
        "labels",
    )
    return (
        "On an edge: the score is exactly an edge (a tie). Neutral score: what the scorer gives a text in "
        "which it finds nothing. Margin: nearer to an edge than `exclude_within`, left out of the data set. "
        "Labels: of what no margin leaves out.\n\n" + table(heading, rows)
    )


def _ties_row(name: str, source: str, one: Mapping[str, Any]) -> tuple[Any, ...]:
    neutral = one["at_the_neutral_score"]
    labels = ", ".join(f"{label} {percent(n['share'])}" for label, n in one["labels"].items())
    return (
        name,
        source,
        one["sentences"],
        percent(one["on_an_edge"]["share"]),
        "–" if neutral is None else percent(neutral["share"]),
        percent(one["within_margin"]["share"]),
        labels,
    )


def _pairs(audit: Mapping[str, Any]) -> Iterator[str]:
    if not audit["pairs"]:
        return
    rows = [
        (
            *pair["attributes"],
            number(pair["pearson"]),
            _estimate(pair["spearman"]),
            number(pair["cramers_v_of_labels"]),
            number(pair["phi_of_labels"]),
        )
        for pair in audit["pairs"]
    ]
    heading = (
        "attribute",
        "and",
        "scores, linear",
        "scores, ranks",
        "labels, Cramér's V",
        "labels, phi",
    )
    yield (
        "### Correlation of the attributes\n\nRanks (Spearman): of "
        f"{_sampled(audit['sentences'])}.\n\n{table(heading, rows)}"
    )


def _sampled(sentences: Mapping[str, int]) -> str:
    all_of_them = sentences["sampled"] == sentences["scored"]
    return (
        f"all {sentences['scored']:,} sentences"
        if all_of_them
        else (f"{sentences['sampled']:,} of {sentences['scored']:,} sentences, chosen at random")
    )


def _judge(name: str, one: Mapping[str, Any]) -> str:
    scorer = ", ".join(f"{key} {value}" for key, value in one["scorer"].items() if key != "name")
    text = (
        f"### Judge of {cell(name)}\n\nA second scorer, {code(one['scorer']['name'])}"
        f"{f' ({cell(scorer)})' if scorer else ''}, with its own edges {one['edges']}, judges "
        f"{one['sentences']:,} sentences of the data set, chosen at random. It labelled nothing. "
        f"Rank correlation of the two scores {_estimate(one['spearman'])}."
    )
    if one["same_kind_of_scorer"]:
        text += (
            " **Not an independent judge:** it is the same kind of scorer as the one that made the labels, "
            "and may share its errors."
        )
    return f"{text}\n\n{_agreement([('judge', one)])}\n\n{_confusion(one, 'judge')}"


def _human(name: str, one: Mapping[str, Any]) -> str:
    text = (
        f"### People's ratings of {cell(name)}\n\n{one['rated_sentences']:,} scored sentences have a rating "
        f"by people ({code(one['key'])}); a rating counts only where its row is a single sentence. "
        f"Rated above {', '.join(f'{edge:g}' for edge in one['edges'])}: the next higher label; nothing "
        "was labelled by it."
    )
    if not one["compared_sentences"]:
        return text
    populations = [
        ("all rated sentences", one["labels_of_all"]),
        ("those in the data set", one["labels_of_the_data_set"]),
    ]
    rows = [_against_people("all", one["compared_sentences"], one)]
    rows += [
        _against_people(source, of["sentences"], of)
        for source, of in list(one["by_source"].items())[:SHOWN_SOURCES]
    ]
    heading = ("source", "sentences", "rank correlation", "AUC", "same label in the data set")
    return (
        f"{text}\n\n{_agreement(populations)}\n\n{_confusion(one['labels_of_the_data_set'], 'people')}\n\n"
        "Scores against ratings. AUC: how often a sentence rated above the edge scores higher than one that "
        f"is not.\n\n{table(heading, rows)}"
    )


def _against_people(source: str, n: int, one: Mapping[str, Any]) -> tuple[Any, ...]:
    return (
        source,
        n,
        _estimate(one["spearman"]),
        ", ".join(map(_estimate, one["auc"])),
        _estimate(one["labels_of_the_data_set"]["agreement"]),
    )


def _agreement(compared: list[tuple[str, Mapping[str, Any]]]) -> str:
    rows = [
        (what, one["sentences"], _estimate(one["agreement"]), _estimate(one["kappa"]))
        for what, one in compared
    ]
    return table(("compared with", "sentences", "same label, share", "Cohen's kappa"), rows)


def _confusion(one: Mapping[str, Any], who: str) -> str:
    labels = list(one["confusion"])
    rows = [(f"`{label}`", *one["confusion"][label].values()) for label in labels]
    return table(("data set", *(f"{who}: {label}" for label in labels)), rows)


def _estimate(one: Mapping[str, float | None]) -> str:
    if one["value"] is None or one["low"] is None:
        return number(one["value"])
    return f"{one['value']:.3f} [{one['low']:.3f}, {one['high']:.3f}]"
