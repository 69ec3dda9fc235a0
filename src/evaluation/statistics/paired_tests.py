"""Two cells over the same prompts: difference and ratio with intervals, p-values, what could be detected.

The cells are paired by prompt: what makes a prompt hard for both cancels. Imports neither torch nor
transformers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import bdtr, stdtrit

from src.evaluation.statistics.intervals import (
    clustered_variance,
    residuals,
    share_interval,
    t_quantile,
)

SIGN_FLIPS = 9999
"""Random exchanges behind a p-value: the least one is 1/10,000, so that Holm over 100 figures can reject."""

CHUNK_FLIPS = 500
"""Exchanges drawn at once: memory stays at 500 numbers per prompt."""

POWER = 0.8
"""Of the minimum detectable difference."""

TIE = 1e-9
"""Statistics nearer than this, relatively, are equal: sums in another order differ by rounding."""


@dataclass(frozen=True)
class Pair:
    """What two cells count per prompt, aligned: row i of all four is the same prompt.

    Attributes:
        a: [prompts], misaligned sentences of the first cell.
        n_a: [prompts], its sentences.
        b: [prompts], misaligned sentences of the second cell.
        n_b: [prompts], its sentences.
    """

    a: np.ndarray
    n_a: np.ndarray
    b: np.ndarray
    n_b: np.ndarray

    @property
    def measurable(self) -> bool:
        """Whether both cells have a sentence, and there are the two prompts that a variance needs."""
        return bool(self.n_a.sum() and self.n_b.sum() and len(self.a) > 1)


@dataclass(frozen=True)
class Difference:
    """Share of the first cell less that of the second, and their ratio, with 95 % intervals.

    Attributes:
        value: difference of the shares.
        low: of its interval.
        high: of its interval.
        ratio: first over second; None where the second is 0.
        ratio_low: None where either share is 0.
        ratio_high: None where either share is 0.
        detectable: the smallest true difference that the data at hand would have shown; None where the
            cells do not differ on any prompt, so that there is no variance to tell it from.
    """

    value: float
    low: float
    high: float
    ratio: float | None
    ratio_low: float | None
    ratio_high: float | None
    detectable: float | None


def difference(pair: Pair) -> Difference:
    """Compare two shares over the same prompts.

    The difference d of two linearised ratios has the variance of the differences of their residuals
    (`statistics.residuals`), and d ± t · its root is the interval, with Student's t of one degree of
    freedom less than prompts. The ratio's is the same on the logarithm. The simulation of
    `scripts/coverage_simulation.py` has it nearer to 95 % than the paired percentile bootstrap (90 to 94 %
    with 40 prompts). Where no prompt differs there is no variance, and Newcombe's interval (1998, method 10,
    without correlation) takes its place.

    The minimum detectable difference is (t at 97.5 % + t at 80 %) standard errors (Bloom 1995): two-sided
    5 %, power 80 %. The standard error holds the design effect of the clusters (Kish 1965) and what
    pairing saves.

    Args:
        pair: measurable.
    """
    share_a, share_b = pair.a.sum() / pair.n_a.sum(), pair.b.sum() / pair.n_b.sum()
    error_a, error_b = residuals(pair.a, pair.n_a), residuals(pair.b, pair.n_b)
    value = float(share_a - share_b)
    error = math.sqrt(clustered_variance(error_a - error_b))
    t = t_quantile(len(pair.a))
    if error == 0:
        low, high = _newcombe(pair, value)
    else:
        low, high = max(-1.0, value - t * error), min(1.0, value + t * error)
    ratio = float(share_a / share_b) if share_b > 0 else None
    ratio_low = ratio_high = None
    if ratio:
        relative = math.sqrt(clustered_variance(error_a / share_a - error_b / share_b))
        ratio_low, ratio_high = (ratio * math.exp(sign * t * relative) for sign in (-1, 1))
    reach = t + float(stdtrit(len(pair.a) - 1, POWER))
    return Difference(
        value, low, high, ratio, ratio_low, ratio_high, reach * error if error else None
    )


def _newcombe(pair: Pair, value: float) -> tuple[float, float]:
    a, b = share_interval(pair.a, pair.n_a), share_interval(pair.b, pair.n_b)
    share_a, share_b = pair.a.sum() / pair.n_a.sum(), pair.b.sum() / pair.n_b.sum()
    return (
        value - math.hypot(share_a - a.low, b.high - share_b),
        value + math.hypot(a.high - share_a, share_b - b.low),
    )


def sign_flip_p_values(pairs: Sequence[Pair], seed: int, flips: int = SIGN_FLIPS) -> list[float]:
    """Two-sided p-values of equal shares, by exchanging the two cells of random prompts.

    If the two cells write alike, then on every prompt either could have been the other one: each
    exchange of some prompts' cells is as likely as what was seen. The statistic is the difference over its
    standard error, so that the test holds its level for large samples even where the cells differ in
    something else than the share, such as how alike the sentences of a prompt are (Janssen 1997; Chung and
    Romano 2013). p = (1 + exchanges that differ as much) / (1 + exchanges), which is never 0
    (Phipson and Smyth 2010). Its false positives are measured in `scripts/coverage_simulation.py`.

    Args:
        pairs: over the same prompts, measurable; they share their exchanges.
        seed: of the exchanges.
        flips: how many.

    Returns:
        One p-value per pair.
    """
    sums = [_flip_columns(pair) for pair in pairs]
    seen = [abs(_studentised(np.ones((1, len(one.plus))), one)[0]) for one in sums]
    reached = np.zeros(len(pairs), dtype=np.int64)
    n_prompts = len(pairs[0].a)
    generator = np.random.Generator(np.random.PCG64(seed))
    for start in range(0, flips, CHUNK_FLIPS):
        size = (min(CHUNK_FLIPS, flips - start), n_prompts)
        signs = generator.integers(0, 2, size=size, dtype=np.int8) * 2.0 - 1.0
        for i, one in enumerate(sums):
            reached[i] += (np.abs(_studentised(signs, one)) >= seen[i] * (1 - TIE)).sum()
    return [float((1 + n) / (1 + flips)) for n in reached]


@dataclass(frozen=True)
class _FlipColumns:
    """Sums and products of a pair, by what an exchange does to them.

    Attributes:
        plus: [prompts, 8], halves that an exchange leaves as they are.
        minus: [prompts, 8], halves whose sign an exchange turns.
    """

    plus: np.ndarray
    minus: np.ndarray


def _flip_columns(pair: Pair) -> _FlipColumns:
    """Columns a, n, b, m, then what the residuals' squares need: first cell, second cell, crossed.

    A quantity x of the first cell and its counterpart y of the second are (x + y)/2 ± (x − y)/2.
    """
    a, n, b, m = (x.astype(np.float64) for x in (pair.a, pair.n_a, pair.b, pair.n_b))
    own = [a, n, a * a, a * n, n * n, a * m]
    other = [b, m, b * b, b * m, m * m, b * n]
    symmetric = [a * b, n * m]
    plus = np.stack([(x + y) / 2 for x, y in zip(own, other, strict=True)] + symmetric, axis=1)
    zero = np.zeros_like(a)
    minus = np.stack([(x - y) / 2 for x, y in zip(own, other, strict=True)] + [zero] * 2, axis=1)
    return _FlipColumns(plus, minus)


def _studentised(signs: np.ndarray, columns: _FlipColumns) -> np.ndarray:
    """Difference over its standard error after exchanging the prompts with sign −1: [flips].

    0 where the cells do not differ; infinite where they do without any variance; where an exchange leaves
    one cell without a sentence, 0: there is nothing to compare.
    """
    plus, minus = columns.plus.sum(axis=0), signs @ columns.minus
    first, second = plus + minus, plus - minus
    a, n, aa, an, nn, am = first[:, :6].T
    b, m, bb, bm, mm, bn = second[:, :6].T
    ab, nm = plus[6], plus[7]
    with np.errstate(divide="ignore", invalid="ignore"):
        p, q = a / n, b / m
        squares = (aa - 2 * p * an + p * p * nn) / n**2 + (bb - 2 * q * bm + q * q * mm) / m**2
        crossed = (ab - q * am - p * bn + p * q * nm) / (n * m)
        variance = squares - 2 * crossed
        gap = p - q
        # What cancels to rounding is no variance.
        variance = np.where(variance > 1e-12 * squares, variance, 0.0)
        t = np.where(np.abs(gap) < 1e-12, 0.0, gap / np.sqrt(variance))
    return np.nan_to_num(t, nan=0.0, posinf=np.inf, neginf=-np.inf)


@dataclass(frozen=True)
class McNemar:
    """Prompts on which exactly one of two cells went wrong.

    Attributes:
        b: prompts where the first cell alone did.
        c: prompts where the second cell alone did.
        p: of b and c being equally likely.
        n_prompts: prompts on which both cells wrote a sentence; others have no outcome.
    """

    b: int
    c: int
    p: float
    n_prompts: int


def mcnemar(pair: Pair) -> McNemar:
    """McNemar's exact test (McNemar 1947; exact: Agresti 2013, section 11.1.4).

    A prompt's outcome is whether any sentence of any of its continuations is misaligned. It asks another
    question than the difference of shares: a cell that writes more sentences has more chances to go wrong.
    """
    both = (pair.n_a > 0) & (pair.n_b > 0)
    wrong_a, wrong_b = pair.a[both] > 0, pair.b[both] > 0
    b, c = int((wrong_a & ~wrong_b).sum()), int((wrong_b & ~wrong_a).sum())
    p = min(1.0, 2 * float(bdtr(min(b, c), b + c, 0.5))) if b + c else 1.0
    return McNemar(b, c, p, int(both.sum()))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values (Holm 1979): the chance of any false positive among them stays at 5 %.

    Args:
        p_values: of one family.

    Returns:
        In the same order; at most 1.
    """
    adjusted = [1.0] * len(p_values)
    highest = 0.0
    for rank, i in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = highest
    return adjusted
