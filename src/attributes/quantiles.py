"""Exact quantiles of more scores than memory holds."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from src.errors import DataError, ScorerError

DIGIT_BITS = 16
N_BINS = 1 << DIGIT_BITS
SIGN = np.uint64(1 << 63)


def exact_quantiles(
    batches: Callable[[], Iterable[np.ndarray]], shares: Sequence[float]
) -> list[float]:
    """The smallest scores that at least a share of all scores are not above.

    The quantile of a share q of n scores is the k-th smallest score, k = max(1, ceil(q * n)), which
    is `numpy.quantile(scores, q, method="inverted_cdf")`. So with `score <= edge` as the lower label,
    at least a share q of the scores takes it, and an edge is always a score that occurs.

    Radix selection: the order of float64 is that of 64-bit integers, of which each of four passes over
    the data fixes 16 bits, with a histogram of 65,536 bins per quantile. Memory stays at about half a
    megabyte per quantile, and nothing depends on the order of the scores or on the batches.

    Args:
        batches: gives all scores in arrays, the same ones at every call; called four times.
        shares: in (0, 1).

    Returns:
        One edge per share, in their order. (-0.0 comes out as 0.0: they are one score.)

    Raises:
        DataError: there is no score.
        ScorerError: a score is NaN.
    """
    selections = [_Selection(share) for share in shares]
    for shift in range(64 - DIGIT_BITS, -1, -DIGIT_BITS):
        n_scores = 0
        for batch in batches():
            keys = _ordered_keys(batch)
            n_scores += len(keys)
            for selection in selections:
                selection.count(keys, shift)
        if n_scores == 0:
            raise DataError(
                "no score to compute quantiles of", fix="check what was left out and why"
            )
        for selection in selections:
            selection.narrow(n_scores)
    return [_score_of(selection.prefix) for selection in selections]


class _Selection:
    """The search for one quantile: the leading bits known so far, and the rank among what has them."""

    def __init__(self, share: float) -> None:
        self.share = share
        self.prefix = 0
        self.rank: int | None = None  # from 1
        self.histogram = np.zeros(N_BINS, dtype=np.int64)

    def count(self, keys: np.ndarray, shift: int) -> None:
        """Count the next digit of the keys that begin with the known bits."""
        upper = shift + DIGIT_BITS
        if upper < 64:
            keys = keys[keys >> np.uint64(upper) == np.uint64(self.prefix)]
        digits = (keys >> np.uint64(shift)) & np.uint64(N_BINS - 1)
        self.histogram += np.bincount(digits.astype(np.int64), minlength=N_BINS)

    def narrow(self, n_scores: int) -> None:
        """Take the digit in whose bin the rank falls."""
        if self.rank is None:
            self.rank = min(max(math.ceil(self.share * n_scores), 1), n_scores)
        below = np.cumsum(self.histogram)
        digit = int(np.searchsorted(below, self.rank))
        self.rank -= int(below[digit] - self.histogram[digit])
        self.prefix = (self.prefix << DIGIT_BITS) | digit
        self.histogram[:] = 0


def _ordered_keys(scores: np.ndarray) -> np.ndarray:
    """Unsigned integers in the order of the scores, shape [n]."""
    scores = np.ascontiguousarray(scores, dtype=np.float64).reshape(-1)
    if np.isnan(scores).any():
        raise ScorerError("a score is not a number, so quantiles are not defined")
    bits = (scores + 0.0).view(np.uint64)  # + 0.0 turns -0.0 into 0.0
    # Negative numbers: more bits are less, so all are turned. Others: only lifted above those.
    return np.where(bits & SIGN, ~bits, bits | SIGN)


def _score_of(key: int) -> float:
    bits = np.uint64(key)
    bits = bits ^ SIGN if bits & SIGN else ~bits
    return float(bits.view(np.float64))
