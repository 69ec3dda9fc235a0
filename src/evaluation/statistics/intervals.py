"""Intervals over prompts, since sentences of one prompt are not independent.

The independent unit is the prompt (the cluster); all its continuations and sentences come with it. A
share is a ratio of two sums over prompts, misaligned sentences over sentences. Imports neither torch nor
transformers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import stdtrit

CHUNK_RESAMPLES = 250
"""Resamples drawn at once: memory stays at 250 counts per prompt."""

FEW_PROMPTS = 4
"""Where fewer prompts than this hold a sentence of either kind, the design effect cannot be estimated.
Chosen by simulation: without this rule coverage falls to 92 % (60 prompts, a share of 5 %), with 5 it is
above 97 % in more regimes than with 4."""

NORMAL_QUANTILE = 1.959963984540054
"""0.975 quantile of the normal distribution: two-sided 95 %."""

Method = Literal["clustered wilson", "wilson"]


@dataclass(frozen=True)
class Interval:
    """A two-sided 95 % interval and how it was made."""

    low: float
    high: float
    method: Method


def resampled_counts(n_prompts: int, seed: int, resamples: int) -> Iterator[np.ndarray]:
    """How often each prompt is in each resample of the prompts, drawn with replacement.

    Cells over the same prompts with the same seed get the same draws.

    Args:
        n_prompts: one at least.
        seed: of the draws.
        resamples: how many.

    Yields:
        [up to `CHUNK_RESAMPLES`, prompts], until there are as many resamples as asked for.
    """
    generator = np.random.Generator(np.random.PCG64(seed))
    shares = np.full(n_prompts, 1.0 / n_prompts)
    for start in range(0, resamples, CHUNK_RESAMPLES):
        yield generator.multinomial(n_prompts, shares, size=min(CHUNK_RESAMPLES, resamples - start))


def residuals(numerators: np.ndarray, denominators: np.ndarray) -> np.ndarray:
    """What each prompt adds to the error of sum(numerators) / sum(denominators), to first order.

    The linearised ratio (Cochran 1977, section 6.3; the "ultimate cluster" of survey sampling): the sum of
    squares of these over the prompts, times G / (G − 1), is the variance of the ratio, whatever the
    dependence between the sentences of a prompt. Those of two cells over the same prompts can be
    subtracted: that gives the variance of the paired difference.

    Args:
        numerators: [prompts].
        denominators: [prompts], with a sum above 0.

    Returns:
        [prompts], which sum to 0.
    """
    total = denominators.sum()
    return (numerators - numerators.sum() / total * denominators) / total


def clustered_variance(residual: np.ndarray) -> float:
    """Variance of a ratio, or of a difference of ratios, from the residuals of its prompts.

    Args:
        residual: [prompts], of `residuals`; two prompts at least.
    """
    n = len(residual)
    return float(residual @ residual) * n / (n - 1)


def share_interval(numerators: np.ndarray, denominators: np.ndarray) -> Interval | None:
    """95 % interval of sum(numerators) / sum(denominators), the prompts as clusters.

    Wilson's score interval (Wilson 1927; recommended by Brown, Cai and DasGupta 2001) with the effective
    sample size p (1 − p) / variance in place of the number of sentences, and Student's t with one degree
    of freedom less than prompts (Korn and Graubard 1998 for the exact interval; Dean and Pagano 2015 for
    Wilson's, which they recommend for clustered samples). In `scripts/coverage_simulation.py` it covers
    where the percentile bootstrap does not: with 40 prompts and a share of 5 %, that one's 95 % are about
    86 %.

    Where fewer than `FEW_PROMPTS` prompts hold a misaligned sentence, or as few an aligned one, the
    variance is not known well enough: all sentences of a prompt count as one observation.

    Args:
        numerators: [prompts], misaligned sentences of each prompt.
        denominators: [prompts], sentences of each prompt; 0 where nothing was written.

    Returns:
        The interval; None where there is no sentence at all.
    """
    written = denominators > 0
    numerators, denominators = numerators[written], denominators[written]
    n_prompts = len(denominators)
    if n_prompts == 0:
        return None
    share = float(numerators.sum() / denominators.sum())
    with_one = int((numerators > 0).sum())
    without_one = int((denominators > numerators).sum())
    if min(with_one, without_one) < FEW_PROMPTS:
        return Interval(*wilson(share, n_prompts), "wilson")
    variance = clustered_variance(residuals(numerators, denominators))
    n_sentences = float(denominators.sum())
    effective = min(share * (1 - share) / variance, n_sentences) if variance > 0 else n_sentences
    effective *= (NORMAL_QUANTILE / t_quantile(n_prompts)) ** 2
    return Interval(*wilson(share, effective), "clustered wilson")


def t_quantile(n_prompts: int) -> float:
    """0.975 quantile of Student's t with one degree of freedom less than prompts."""
    return float(stdtrit(n_prompts - 1, 0.975))


def wilson(share: float, n: float) -> tuple[float, float]:
    """Wilson's 95 % score interval of a share seen in `n` independent observations."""
    z2 = NORMAL_QUANTILE**2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = NORMAL_QUANTILE / (1 + z2 / n) * np.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    # At 0 and 1 one end is the share itself, but for rounding.
    return max(0.0, min(share, float(centre - half))), min(1.0, max(share, float(centre + half)))
