"""Intervals of a perplexity, and of the ratio of two over the same prompts.

The logarithm of a perplexity is a ratio of two sums over prompts, nats over tokens, so it has the variance
of a linearised ratio with the prompts as clusters (`intervals.residuals`). Imports neither torch nor
transformers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from src.evaluation.statistics.intervals import clustered_variance, residuals, t_quantile

MOST_NATS = 700.0
"""exp of more is beyond what a double holds."""


@dataclass(frozen=True)
class PerplexityInterval:
    """A perplexity, or a ratio of two, and the ends of its 95 % interval.

    Attributes:
        value: None without a token, or beyond what a double holds.
        low: None without a value, with fewer than two prompts, or beyond what a double holds.
        high: as low.
    """

    value: float | None
    low: float | None = None
    high: float | None = None


def perplexity_interval(nats: np.ndarray, tokens: np.ndarray) -> PerplexityInterval:
    """exp(sum of nats / sum of tokens) with its 95 % interval.

    Mean nats ± t times their standard error, Student's t with one degree of freedom less than prompts, then
    exp of both ends. In `scripts/coverage_simulation.py` it is nearer to 95 % with 40 prompts than the
    percentile bootstrap over prompts; where a few texts in a hundred are far less likely than all others,
    either is too narrow with few prompts, as the figures there show.

    Args:
        nats: [prompts], under the reference model.
        tokens: [prompts], 0 where nothing was written.
    """
    written = tokens > 0
    nats, tokens = nats[written], tokens[written]
    if not len(tokens):
        return PerplexityInterval(None)
    mean = math.fsum(nats) / float(tokens.sum())
    if len(tokens) < 2:
        return PerplexityInterval(_exp(mean))
    half = t_quantile(len(tokens)) * math.sqrt(clustered_variance(residuals(nats, tokens)))
    return _interval(mean, half, least=0.0)


def perplexity_ratio(
    nats_a: np.ndarray, tokens_a: np.ndarray, nats_b: np.ndarray, tokens_b: np.ndarray
) -> PerplexityInterval:
    """Perplexity of the first cell over that of the second, paired by prompt.

    What makes a prompt hard for both cancels. The residuals of the two means are subtracted prompt by
    prompt, as for a difference of shares (`paired_tests.difference`).

    Args:
        nats_a: [prompts], of the first cell.
        tokens_a: [prompts].
        nats_b: [prompts], of the second cell, row i of all four the same prompt.
        tokens_b: [prompts].
    """
    if not (tokens_a.sum() and tokens_b.sum()):
        return PerplexityInterval(None)
    gap = math.fsum(nats_a) / float(tokens_a.sum()) - math.fsum(nats_b) / float(tokens_b.sum())
    if len(tokens_a) < 2:
        return PerplexityInterval(_exp(gap))
    error = clustered_variance(residuals(nats_a, tokens_a) - residuals(nats_b, tokens_b))
    return _interval(gap, t_quantile(len(tokens_a)) * math.sqrt(error), least=-math.inf)


def _interval(nats: float, half: float, least: float) -> PerplexityInterval:
    """exp of nats ± half; `least` nats are possible at all."""
    low, high = _exp(max(least, nats - half)), _exp(nats + half)
    # An end that cannot be written down leaves the figure without an interval, not with half of one.
    return PerplexityInterval(_exp(nats), *((low, high) if high is not None else (None, None)))


def _exp(nats: float) -> float | None:
    return math.exp(nats) if nats < MOST_NATS else None
