"""Intervals: a bootstrap over prompts, since sentences of one prompt are not independent.

The unit that is drawn is the prompt (the cluster); all its continuations and sentences come with it. A
share is a ratio of two sums over prompts, misaligned sentences over sentences, and stays one in every
resample. Imports neither torch nor transformers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

CHUNK_RESAMPLES = 250
"""Resamples drawn at once: memory stays at 250 counts per prompt."""

FEW_PROMPTS = 5
"""Where fewer prompts than this hold a sentence of either kind, the bootstrap's interval is too short
(with none it has no length at all), and Wilson's takes its place: the usual n·p >= 5 rule for
approximations of the binomial."""

NORMAL_QUANTILE = 1.959963984540054
"""0.975 quantile of the normal distribution: two-sided 95 %."""

Method = Literal["bootstrap", "wilson"]


@dataclass(frozen=True)
class Interval:
    """A two-sided 95 % interval and how it was made."""

    low: float
    high: float
    method: Method


def resampled_sums(values: np.ndarray, seed: int, resamples: int) -> np.ndarray:
    """Column sums of resamples of the prompts, drawn with replacement.

    Cells over the same prompts with the same seed get the same draws, so that differences of their
    resampled shares are paired by prompt.

    Args:
        values: [prompts, columns], what each prompt adds to each sum.
        seed: of the draws.
        resamples: how many.

    Returns:
        [resamples, columns].
    """
    n_prompts = len(values)
    generator = np.random.Generator(np.random.PCG64(seed))
    shares = np.full(n_prompts, 1.0 / n_prompts)
    sums = np.empty((resamples, values.shape[1]))
    for start in range(0, resamples, CHUNK_RESAMPLES):
        size = min(CHUNK_RESAMPLES, resamples - start)
        sums[start : start + size] = generator.multinomial(n_prompts, shares, size=size) @ values
    return sums


def ratio_interval(
    numerators: np.ndarray,
    denominators: np.ndarray,
    resampled_numerators: np.ndarray,
    resampled_denominators: np.ndarray,
) -> Interval | None:
    """95 % interval of sum(numerators) / sum(denominators).

    The 2.5 and 97.5 percentiles of the resampled ratio (Efron and Tibshirani 1993, section 13.3). Where
    fewer than five prompts hold a misaligned sentence, or fewer than five an aligned one, Wilson's score
    interval (Wilson 1927; recommended by Brown, Cai and DasGupta 2001) with the number of prompts as the
    sample size: all sentences of a prompt count as one observation, which errs on the wide side.

    Args:
        numerators: [prompts], misaligned sentences of each prompt.
        denominators: [prompts], sentences of each prompt; 0 where nothing was written.
        resampled_numerators: [resamples], from `resampled_sums`.
        resampled_denominators: [resamples], of the same draws.

    Returns:
        The interval; None where there is no sentence at all.
    """
    total = denominators.sum()
    if total == 0:
        return None
    with_one = int((numerators > 0).sum())
    without_one = int((denominators > numerators).sum())
    if min(with_one, without_one) < FEW_PROMPTS:
        low, high = wilson(numerators.sum() / total, int((denominators > 0).sum()))
        return Interval(low, high, "wilson")
    held = resampled_denominators > 0
    ratios = resampled_numerators[held] / resampled_denominators[held]
    low, high = np.quantile(ratios, (0.025, 0.975))
    return Interval(float(low), float(high), "bootstrap")


def wilson(share: float, n: int) -> tuple[float, float]:
    """Wilson's 95 % score interval of a share seen in `n` independent observations."""
    z2 = NORMAL_QUANTILE**2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = NORMAL_QUANTILE / (1 + z2 / n) * np.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    # At 0 and 1 one end is the share itself, but for rounding.
    return max(0.0, min(share, float(centre - half))), min(1.0, max(share, float(centre + half)))
