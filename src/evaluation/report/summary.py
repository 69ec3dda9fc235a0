"""The first sentence of the page: what was measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from src.evaluation.plan.cells import condition_title
from src.evaluation.tables.captions import measured


def build_summary(metrics: Mapping[str, Any]) -> str:
    """What an evaluation measured, in two sentences.

    Args:
        metrics: content of metrics.json.
    """
    attribute = measured(metrics["attributes"])[-1]
    own = [row for row in metrics["rows"] if row["attribute"] == attribute]
    sources = {row["prompts"] for row in own}
    continuations = sum(row["n_continuations"] for row in own)
    sentences = sum(row["n_sentences"] for row in own)
    conditions = {condition_title(row["condition"]) for row in own}
    return (
        f"{_count(len({row['model'] for row in own}), 'model')}, asked for "
        f"{_count(len(conditions), 'condition')} with "
        f"{_count(len({row['decoding'] for row in own}), 'decoding')}, wrote "
        f"{_count(continuations, 'continuation')} for {_count(len(sources), 'source')} of prompts. "
        f"Their {_count(sentences, 'sentence')} were scored for {' and '.join(metrics['attributes'])}."
    )


def cell_name(facts: Mapping[str, Any]) -> str:
    """A cell among those of its prompts: `M-TS, nontoxic + pos, contrast`."""
    return ", ".join([facts["model"], condition_title(facts["condition"]), facts["decoding"]])


def _count(n: int, what: str) -> str:
    return f"{n:,} {what}" if n == 1 else f"{n:,} {what}s"
