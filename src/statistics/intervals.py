"""Intervals of shares, since sentences of one prompt are not independent.

A share is a ratio of two sums over prompts, misaligned sentences over sentences. Imports neither torch nor
transformers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from src.statistics.influence import effective_number, influence_on_ratio
from src.statistics.spread import spread_of

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


def share_interval(numerators: np.ndarray, denominators: np.ndarray) -> Interval | None:
    """95 % interval of sum(numerators) / sum(denominators), prompts and trainings as clusters.

    Wilson's score interval (Wilson 1927; recommended by Brown, Cai and DasGupta 2001) with an effective
    sample size in place of the number of sentences: as many as would give half an interval like that of
    the spread (`spread_of`), Student's t included (Korn and Graubard 1998 for the exact interval; Dean and
    Pagano 2015 for Wilson's, which they recommend for clustered samples). In
    `scripts/coverage_simulation.py` it covers where the percentile bootstrap does not: with 40 prompts and
    a share of 5 %, that one's 95 % are about 86 %.

    Where fewer than `FEW_PROMPTS` prompts hold a misaligned sentence, or as few an aligned one, the
    variance is not known well enough: all sentences of a prompt count as one observation.

    Args:
        numerators: [trainings, prompts], misaligned sentences of each prompt.
        denominators: [trainings, prompts], sentences of each prompt; 0 where nothing was written.

    Returns:
        The interval; None where there is no sentence at all.
    """
    written = denominators.sum(axis=0) > 0
    if not written.any():
        return None
    numerators, denominators = numerators[:, written], denominators[:, written]
    share = float(numerators.sum() / denominators.sum())
    of_prompt, misaligned = denominators.sum(axis=0), numerators.sum(axis=0)
    with_one = int((misaligned > 0).sum())
    without_one = int((of_prompt > misaligned).sum())
    if min(with_one, without_one) < FEW_PROMPTS:
        return Interval(*wilson(share, effective_number(of_prompt)), "wilson")
    n_sentences = float(denominators.sum())
    spread = spread_of(influence_on_ratio(numerators, denominators))
    assert spread is not None, "several prompts wrote"
    half = spread.half()
    effective = share * (1 - share) * (NORMAL_QUANTILE / half) ** 2 if half else n_sentences
    return Interval(*wilson(share, min(effective, n_sentences)), "clustered wilson")


def wilson(share: float, n: float) -> tuple[float, float]:
    """Wilson's 95 % score interval of a share seen in `n` independent observations."""
    z2 = NORMAL_QUANTILE**2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = NORMAL_QUANTILE / (1 + z2 / n) * np.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    # At 0 and 1 one end is the share itself, but for rounding.
    return max(0.0, min(share, float(centre - half))), min(1.0, max(share, float(centre + half)))
