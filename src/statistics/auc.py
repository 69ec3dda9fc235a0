"""The area under the ROC curve of two groups of scores, with its interval. Imports no torch."""

from __future__ import annotations

import numpy as np

from src.statistics.estimate import Estimate
from src.statistics.intervals import NORMAL_QUANTILE, wilson
from src.statistics.spread import UPPER, Part


def auc_estimate(above: np.ndarray, below: np.ndarray) -> Estimate:
    """Share of the pairs (a, b) with a > b, ties counted half: the area under the ROC curve.

    The variance is DeLong's (DeLong, DeLong and Clarke-Pearson 1988, equation 3): how much each score's
    share of pairs varies, in either group. The interval is Wilson's with as many observations as would have
    that variance, and Student's t: with two groups of 20 to 100 scores and an AUC of .5 to .95 it covers 93
    to 96 %, the plain one 84 to 95 %.

    Args:
        above: [scores], of those that should be higher; one at least.
        below: [scores], of the others; one at least. One alone tells nothing of how they vary: 0 to 1.
    """
    first, second = _placements(above, below), _placements(below, above)
    value, sizes = float(first.mean()), (len(above), len(below))
    if min(sizes) < 2:
        return Estimate(value, 0.0, 1.0)
    variance = first.var(ddof=1) / sizes[0] + second.var(ddof=1) / sizes[1]
    if variance == 0:
        return Estimate(value, *wilson(value, min(sizes)))
    squared = Part(float(variance), sum(sizes) - 2).square(UPPER)
    return Estimate(value, *wilson(value, value * (1 - value) * NORMAL_QUANTILE**2 / squared))


def _placements(scores: np.ndarray, others: np.ndarray) -> np.ndarray:
    """For each score the share of the others below it, ties counted half: [scores]."""
    ordered = np.sort(others)
    smaller = np.searchsorted(ordered, scores, side="left")
    not_larger = np.searchsorted(ordered, scores, side="right")
    return (smaller + not_larger) / (2 * len(others))
