"""Intervals of a perplexity, and of the ratio of two over the same prompts.

The logarithm of a perplexity is a ratio of two sums, nats over tokens, so it has the spread of a ratio
(`spread.spread_of`). Imports neither torch nor transformers.
"""

from __future__ import annotations

import math

import numpy as np

from src.statistics.estimate import Estimate
from src.statistics.influence import influence_on_ratio
from src.statistics.spread import Spread, spread_of, spread_of_difference

MOST_NATS = 700.0
"""exp of more is beyond what a double holds."""


def perplexity_interval(nats: np.ndarray, tokens: np.ndarray) -> Estimate:
    """exp(sum of nats / sum of tokens) with its 95 % interval: exp of the ends of that of the mean nats.

    In `scripts/coverage_simulation.py` it is nearer to 95 % with 40 prompts than the percentile bootstrap
    over prompts; where a few texts in a hundred are far less likely than all others, either is too narrow
    with few prompts, as the figures there show.

    Args:
        nats: [trainings, prompts], under the reference model.
        tokens: [trainings, prompts], 0 where nothing was written.
    """
    written = tokens.sum(axis=0) > 0
    if not written.any():
        return Estimate(None)
    nats, tokens = nats[:, written], tokens[:, written]
    return _interval(_mean(nats, tokens), spread_of(influence_on_ratio(nats, tokens)), least=0.0)


def perplexity_ratio(
    nats_a: np.ndarray,
    tokens_a: np.ndarray,
    nats_b: np.ndarray,
    tokens_b: np.ndarray,
    *,
    same_trainings: bool,
) -> Estimate:
    """Perplexity of the first cell over that of the second, paired by prompt.

    What makes a prompt hard for both cancels. The influences on the two means are subtracted prompt by
    prompt, as for a difference of shares (`paired_tests.difference`).

    Args:
        nats_a: [trainings, prompts], of the first cell.
        tokens_a: [trainings, prompts].
        nats_b: [trainings, prompts], of the second cell, column i of all four the same prompt.
        tokens_b: [trainings, prompts].
        same_trainings: row i of all four is the same training.
    """
    if not (tokens_a.sum() and tokens_b.sum()):
        return Estimate(None)
    gap = _mean(nats_a, tokens_a) - _mean(nats_b, tokens_b)
    a, b = influence_on_ratio(nats_a, tokens_a), influence_on_ratio(nats_b, tokens_b)
    return _interval(gap, spread_of_difference(a, b, same_trainings=same_trainings), -math.inf)


def _mean(nats: np.ndarray, tokens: np.ndarray) -> float:
    return math.fsum(nats.ravel()) / float(tokens.sum())


def _interval(nats: float, spread: Spread | None, least: float) -> Estimate:
    """exp of nats ± half of the interval; `least` nats are possible at all."""
    if spread is None:
        return Estimate(_exp(nats))
    half = spread.half()
    low, high = _exp(max(least, nats - half)), _exp(nats + half)
    # An end that cannot be written down leaves the figure without an interval, not with half of one.
    return Estimate(_exp(nats), *((low, high) if high is not None else (None, None)))


def _exp(nats: float) -> float | None:
    return math.exp(nats) if nats < MOST_NATS else None
