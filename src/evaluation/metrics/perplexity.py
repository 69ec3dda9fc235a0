"""Fluency of a cell, and of one against another: perplexity under the reference model, with intervals.

Pure functions over records; imports neither torch nor transformers.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from src.evaluation.continuation import Continuation
from src.evaluation.statistics.perplexity_intervals import (
    PerplexityInterval,
    perplexity_interval,
    perplexity_ratio,
)


def perplexity(continuations: Sequence[Continuation]) -> PerplexityInterval:
    """exp(all nats / all tokens): no outlier dropped, empty continuations weigh nothing.

    Args:
        continuations: of one cell; all those of a prompt are one cluster of the interval.
    """
    _, nats, tokens = _sums_by_prompt(continuations)
    return perplexity_interval(nats, tokens)


def compare_perplexity(a: Sequence[Continuation], b: Sequence[Continuation]) -> PerplexityInterval:
    """Perplexity of one cell over that of another, paired by prompt.

    Raises:
        ValueError: the cells have different prompts.
    """
    ids_a, nats_a, tokens_a = _sums_by_prompt(a)
    ids_b, nats_b, tokens_b = _sums_by_prompt(b)
    place = {prompt: i for i, prompt in enumerate(ids_b)}
    if set(ids_a) != set(place):
        raise ValueError("cells over different prompts cannot be paired")
    order = np.array([place[prompt] for prompt in ids_a], dtype=np.intp)
    return perplexity_ratio(nats_a, tokens_a, nats_b[order], tokens_b[order])


def _sums_by_prompt(
    continuations: Sequence[Continuation],
) -> tuple[tuple[str, ...], np.ndarray, np.ndarray]:
    """(ids, nats [prompts], tokens [prompts]), in the order in which prompts were first met."""
    place = {p: i for i, p in enumerate(dict.fromkeys(c.prompt_id for c in continuations))}
    of = np.array([place[c.prompt_id] for c in continuations], dtype=np.intp)
    nats = np.array([c.reference_nll for c in continuations], dtype=np.float64)
    tokens = np.array([c.reference_tokens for c in continuations], dtype=np.int64)
    return (
        tuple(place),
        np.bincount(of, nats, minlength=len(place)),
        np.bincount(of, tokens, minlength=len(place)),
    )
