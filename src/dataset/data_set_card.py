"""The data set card, `README.md`: what the Hugging Face hub shows, and what `datasets.load_dataset` reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from src.attributes.attribute import Attributes
from src.attributes.combinations import rare_combinations
from src.dataset.records import REASONS
from src.dataset.statistics import HISTOGRAM_BINS
from src.models.control_tokens import control_token
from src.presentation.markdown import cell, code, number, percent, table

# Front matter: which files are which split, so that `load_dataset(folder)` finds them and nothing else.
FRONT_MATTER = """\
---
configs:
- config_name: default
  data_files:
  - split: train
    path: train-*.parquet
  - split: validation
    path: validation-*.parquet
license: other
license_name: see-sources
task_categories:
- text-generation
tags:
- controlled-generation
---
"""
LICENCE = """\
## Licence

The text belongs to its sources and is under their licences and terms. Labels and scores are output of the
classifiers named above and carry their errors and biases: a label such as `toxic` is a classifier's opinion
of a sentence, not a fact about it or about who wrote it."""
BAR_CHARACTERS = 40
SHOWN_SOURCES = 50


def data_set_card(
    name: str,
    args: Mapping[str, Any],
    attributes: Attributes,
    scorers: Mapping[str, Any],
    stats: Any,
    audit: str = "",
) -> str:
    """The card as Markdown.

    Args:
        name: of the data set.
        args: the resolved args as JSON.
        attributes: with their edges.
        scorers: attribute → fingerprint of its scorer.
        stats: the content of `stats.json`.
        audit: the section of the label audit.
    """
    sections = [
        FRONT_MATTER.rstrip("\n"),
        f"# {cell(name)}\n\nSentences labelled by classifiers, to train and to judge text generation "
        "steered by control tokens.",
        _usage(attributes, bool(args["source"].get("human_ratings"))),
        _attributes(attributes, scorers, stats),
        _counts(stats),
        _splits(stats),
        _correlations(stats),
        _histograms(stats),
        audit,
        _sources(stats),
        _how(args),
        LICENCE,
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _usage(attributes: Attributes, rated: bool) -> str:
    columns = [
        ("`id`", "`input:row:sentence`, rows and sentences counted from 1"),
        ("`document_id`", "what sentences of one document share; splits never cut a document"),
        ("`source`", "where the document is from"),
        ("`text`", "the cleaned sentence, without control tokens"),
        ("`n_tokens`", "tokens of the text and its end-of-text"),
        ("`scores`", "one number per attribute"),
        ("`labels`", "one label per attribute"),
        ("`untagged`", "true: training shows this sentence without control tokens"),
    ]
    if rated:
        columns.insert(-1, ("`human`", "people's ratings of exactly this text; null without one"))
    tokens = ", ".join(code(control_token(x)) for one in attributes.values() for x in one.labels)
    return (
        "## Use\n\n```python\nfrom datasets import load_dataset\n\n"
        "data = load_dataset('path/of/this/folder')\n```\n\n"
        + table(("column", "holds"), columns, raw=(0, 1))
        + f"\n\nControl tokens: {tokens}. `manifest.json` holds their definitions and all provenance, "
        "`stats.json` the figures below, `excluded.parquet` every record that is not used with its reason "
        "(documents outside the sample are only counted)."
    )


def _attributes(attributes: Attributes, scorers: Mapping[str, Any], stats: Any) -> str:
    rows = []
    for name, one in attributes.items():
        labels = stats["attributes"][name]["labels"]
        for i, label in enumerate(one.labels):
            low = f"{one.edges[i - 1]:.6g} < " if i else ""
            high = f" ≤ {one.edges[i]:.6g}" if i < len(one.edges) else ""
            found = labels[label]
            wanted = "desired" if label == one.desired else ""
            rows.append(
                (
                    name,
                    code(label),
                    f"{low}score{high}",
                    found["sentences"],
                    percent(found["share"]),
                    wanted,
                )
            )
    text = "## Attributes\n\n" + table(
        ("attribute", "label", "where", "sentences", "share", ""), rows, raw=(1,)
    )
    for name, one in attributes.items():
        facts = ", ".join(f"{cell(key)} {code(value)}" for key, value in scorers[name].items())
        text += f"\n\n{code(name)} is scored by {code(one.scorer.name)}: {facts}."
        on_edge = stats["attributes"][name]["scores"]["exactly_on_an_edge"]
        text += f" Exactly on an edge: {percent(on_edge['share'])} of the scored sentences."
        if one.quantiles is not None:
            text += f" The edges are the quantiles {list(one.quantiles)} of the scores."
        if one.exclude_within:
            text += f" Sentences nearer than {one.exclude_within:g} to an edge are left out."
    return text


def _counts(stats: Any) -> str:
    rows = []
    for kind in ("documents", "sentences"):
        counts = stats[kind]
        rows += [(kind, "read", counts["read"], ""), (kind, "used", counts["used"], "")]
        rows += [(kind, reason, n, REASONS[reason]) for reason, n in counts["excluded"].items()]
    return "## Counts at every step\n\n" + table(("", "step or reason", "number", "meaning"), rows)


def _splits(stats: Any) -> str:
    rows = [
        (name, split["sentences"], split["words"], split["tokens"], split["untagged"])
        for name, split in stats["splits"].items()
    ]
    text = "## Splits\n\n" + table(("split", "sentences", "words", "tokens", "untagged"), rows)
    combinations = [
        (
            combination,
            found["sentences"],
            percent(found["share"]),
            *(
                split["label_combinations"].get(combination, 0)
                for split in stats["splits"].values()
            ),
        )
        for combination, found in stats["label_combinations"].items()
    ]
    heading = ("labels", "labelled sentences", "share", *stats["splits"])
    parts = [text, table(heading, combinations)]
    training = stats["splits"]["train"]["label_combinations"]
    if rare := rare_combinations({c: training.get(c, 0) for c in stats["label_combinations"]}):
        found = ", ".join(f"{code(one)} ({share:.1%})" for one, share in rare.items())
        parts.append(
            f"Rare among the training sentences: {found}. Drawn as they come, their tokens are learned "
            "little: train with `optimisation.draw=balanced`, which draws every combination equally."
        )
    return "\n\n".join(parts)


def _correlations(stats: Any) -> str:
    rows = [
        (
            *pair["attributes"],
            number(pair["correlation_of_scores"]),
            number(pair["cramers_v_of_labels"]),
        )
        for pair in stats["pairs"]
    ]
    heading = ("attribute", "and", "linear correlation of scores", "Cramér's V of labels")
    return "## How the attributes go together\n\n" + table(heading, rows) if rows else ""


def _histograms(stats: Any) -> str:
    parts = []
    for name, one in stats["attributes"].items():
        # Two bins a line.
        counts = [sum(one["histogram"]["counts"][i : i + 2]) for i in range(0, HISTOGRAM_BINS, 2)]
        edges = one["histogram"]["bin_edges"][:-1:2]
        largest = max(counts)
        lines = [
            f"{low:10.4f} {n:>10} {'█' * round(BAR_CHARACTERS * n / largest)}".rstrip()
            for low, n in zip(edges, counts, strict=True)
        ]
        deciles = ", ".join(f"{value:.4g}" for value in one["scores"]["deciles"])
        scores = one["scores"]
        parts.append(
            f"### Scores of {cell(name)}\n\nFrom {scores['lowest']:.4g} to {scores['highest']:.4g}, mean "
            f"{scores['mean']:.4g}; deciles {deciles}; label edges {one['edges']}. "
            "Each line: lower end of the bin, sentences.\n\n```\n" + "\n".join(lines) + "\n```"
        )
    return "## Scores\n\n" + "\n\n".join(parts)


def _sources(stats: Any) -> str:
    rows = sorted(stats["sources"], key=lambda row: (-row["documents_read"], row["source"]))
    shown = [
        (row["source"], row["documents_read"], row["documents_used"], row["sentences_used"])
        for row in rows[:SHOWN_SOURCES]
    ]
    text = "## Sources\n\n" + table(("source", "documents read", "used", "sentences used"), shown)
    hidden = len(rows) - len(shown)
    return text + (f"\n\nand {hidden} more in `stats.json`." if hidden else "")


def _how(args: Mapping[str, Any]) -> str:
    keys = (
        "cleaning",
        "min_words",
        "context_length",
        "sample_fraction",
        "untagged_fraction",
        "seed",
    )
    rows = [(key, args[key]) for key in keys]
    rows += [("excluded_sources", ", ".join(args["excluded_sources"]) or "none")]
    rows += [("source", f"{args['source']['kind']} {args['source']['path']}")]
    rows += [("tokenizer", args["tokenizer"]["base"])]
    return "## How it was made\n\n" + table(("setting", "value"), rows)
