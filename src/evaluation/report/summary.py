"""The first sentences of the page: what was measured, and the best and the first cell of each source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from src.evaluation.plan.cells import condition_title
from src.evaluation.report.numbers import Numbers, Shown
from src.evaluation.report.result_tables import source_title
from src.evaluation.tables.result_tables import measured


@dataclass(frozen=True)
class Compared:
    """One cell of a source of prompts: its misalignment, interval and perplexity."""

    title: str
    misalignment: Shown
    low: Shown
    high: Shown
    perplexity: Shown


@dataclass(frozen=True)
class SourceSummary:
    """The lowest misalignment among a source's cells, beside its first cell."""

    title: str
    attribute: str
    n_cells: int
    best: Compared
    first: Compared | None


@dataclass(frozen=True)
class Summary:
    """What was measured, and what came out per source of prompts."""

    sentence: str
    sources: tuple[SourceSummary, ...]


def build_summary(metrics: Mapping[str, Any]) -> Summary:
    """The summary of an evaluation.

    Args:
        metrics: content of metrics.json.
    """
    rows = metrics["rows"]
    attribute = measured(metrics["attributes"])[-1]
    own = [(i, row) for i, row in enumerate(rows) if row["attribute"] == attribute]
    sources = dict.fromkeys(row["prompts"] for _, row in own)
    continuations = sum(row["n_continuations"] for _, row in own)
    sentences = sum(row["n_sentences"] for _, row in own)
    conditions = {condition_title(row["condition"]) for _, row in own}
    sentence = (
        f"{_count(len({row['model'] for _, row in own}), 'model')}, asked for "
        f"{_count(len(conditions), 'condition')} with "
        f"{_count(len({row['decoding'] for _, row in own}), 'decoding')}, wrote "
        f"{_count(continuations, 'continuation')} for {_count(len(sources), 'source')} of prompts. "
        f"Their {_count(sentences, 'sentence')} were scored for {' and '.join(metrics['attributes'])}."
    )
    found = [_source(source, own, metrics, attribute) for source in sources]
    return Summary(sentence, tuple(one for one in found if one is not None))


def cell_name(facts: Mapping[str, Any]) -> str:
    """A cell among those of its prompts: `M-TS, nontoxic + pos, contrast`."""
    return ", ".join([facts["model"], condition_title(facts["condition"]), facts["decoding"]])


def _count(n: int, what: str) -> str:
    return f"{n:,} {what}" if n == 1 else f"{n:,} {what}s"


def _source(
    source: str, own: list[tuple[int, Any]], metrics: Mapping[str, Any], attribute: str
) -> SourceSummary | None:
    rows = [(i, r) for i, r in own if r["prompts"] == source and r["misalignment"] is not None]
    if not rows:
        return None
    best = min(rows, key=lambda one: one[1]["misalignment"])
    return SourceSummary(
        title=source_title(source, rows[0][1]["n_prompts"]),
        attribute=attribute,
        n_cells=len(rows),
        best=_compared(*best, metrics),
        first=_compared(*rows[0], metrics) if rows[0] is not best else None,
    )


def _compared(i: int, row: Mapping[str, Any], metrics: Mapping[str, Any]) -> Compared:
    numbers = Numbers("metrics", metrics)
    return Compared(
        title=cell_name(row),
        misalignment=numbers.percent(f"rows.{i}.misalignment"),
        low=numbers.percent(f"rows.{i}.ci_low"),
        high=numbers.percent(f"rows.{i}.ci_high"),
        perplexity=numbers.number(f"rows.{i}.perplexity", 1),
    )
