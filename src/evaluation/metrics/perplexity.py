"""Fluency of a cell, and of one against another: perplexity under the reference model, with intervals.

Pure functions over records; imports neither torch nor transformers.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from src.evaluation.continuation import Continuation
from src.statistics.estimate import Estimate
from src.statistics.perplexity_intervals import (
    perplexity_interval,
    perplexity_ratio,
)
from src.statistics.prompt_sums import index_prompts, order_as


def perplexity(continuations: Sequence[Continuation]) -> Estimate:
    """exp(all nats / all tokens): no outlier dropped, empty continuations weigh nothing.

    Args:
        continuations: of one cell; all those of a prompt are one cluster of the interval, and so are all of
            a training where there are several.
    """
    _, nats, tokens = _sums_by_prompt(continuations)
    return perplexity_interval(nats, tokens)


def compare_perplexity(
    a: Sequence[Continuation], b: Sequence[Continuation], *, same_trainings: bool
) -> Estimate:
    """Perplexity of one cell over that of another, paired by prompt.

    Args:
        a: continuations of the first cell.
        b: those of the second.
        same_trainings: both are of one model.

    Raises:
        ValueError: the cells have different prompts.
    """
    ids_a, nats_a, tokens_a = _sums_by_prompt(a)
    ids_b, nats_b, tokens_b = _sums_by_prompt(b)
    order = order_as(ids_a, ids_b)
    return perplexity_ratio(
        nats_a, tokens_a, nats_b[:, order], tokens_b[:, order], same_trainings=same_trainings
    )


def _sums_by_prompt(
    continuations: Sequence[Continuation],
) -> tuple[tuple[str, ...], np.ndarray, np.ndarray]:
    """(ids, nats and tokens, both [trainings, prompts]), in the order in which prompts were met."""
    index = index_prompts((c.training, c.prompt_id, 1) for c in continuations)
    nats = np.array([c.reference_nll for c in continuations], dtype=np.float64)
    tokens = np.array([c.reference_tokens for c in continuations], dtype=np.int64)
    return index.prompt_ids, index.total(nats), index.total(tokens)
