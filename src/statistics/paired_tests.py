"""Two cells over the same prompts: difference and ratio with intervals, p-values, what could be detected.

The cells are paired by prompt: what makes a prompt hard for both cancels. Imports neither torch nor
transformers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from src.statistics.influence import influence_on_ratio
from src.statistics.intervals import share_interval
from src.statistics.spread import Spread, spread_of_difference

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
    """What two cells count per training and prompt, aligned: column i of all four is the same prompt.

    Attributes:
        a: [trainings, prompts], misaligned sentences of the first cell.
        n_a: [trainings, prompts], its sentences.
        b: [trainings of the other, prompts], misaligned sentences of the second cell.
        n_b: [trainings of the other, prompts], its sentences.
        same_trainings: the cells are of one model, so that row i of all four is the same training.
    """

    a: np.ndarray
    n_a: np.ndarray
    b: np.ndarray
    n_b: np.ndarray
    same_trainings: bool = False

    @property
    def n_prompts(self) -> int:
        """Columns, those included in which nothing was written."""
        return self.a.shape[1]

    @property
    def measurable(self) -> bool:
        """Whether both cells have a sentence, and there are the two prompts that a variance needs."""
        wrote = [(n.sum(axis=0) > 0).sum() > 1 for n in (self.n_a, self.n_b)]
        return bool(all(wrote))

    @property
    def of_trainings(self) -> bool:
        """Whether what is found holds for other trainings of the two recipes, too: each has several."""
        return min(len(self.a), len(self.b)) > 1

    @property
    def shares(self) -> tuple[float, float]:
        """Of the first cell and the second."""
        return float(self.a.sum() / self.n_a.sum()), float(self.b.sum() / self.n_b.sum())

    def spread(self, scale_a: float = 1.0, scale_b: float = 1.0) -> Spread:
        """The error of scale_a · share of the first − scale_b · share of the second."""
        spread = spread_of_difference(
            influence_on_ratio(self.a, self.n_a) * scale_a,
            influence_on_ratio(self.b, self.n_b) * scale_b,
            same_trainings=self.same_trainings,
        )
        assert spread is not None, "the pair is measurable: several prompts wrote"
        return spread


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

    The difference d ± half of the interval of its spread (`spread_of_difference`). The ratio's is the same on
    the logarithm. The simulation of `scripts/coverage_simulation.py` has it nearer to 95 % than the paired
    percentile bootstrap (90 to 94 % with 40 prompts). Where no prompt differs there is no variance, and
    Newcombe's interval (1998, method 10, without correlation) takes its place.

    The minimum detectable difference is the half intervals of 95 % and of 60 % together, (t at 97.5 % + t at
    80 %) standard errors (Bloom 1995): two-sided 5 %, power 80 %.

    Args:
        pair: measurable.
    """
    share_a, share_b = pair.shares
    value, spread = share_a - share_b, pair.spread()
    half = spread.half()
    if half == 0:
        low, high = _newcombe(pair, value)
    else:
        low, high = max(-1.0, value - half), min(1.0, value + half)
    ratio = share_a / share_b if share_b > 0 else None
    ratio_low = ratio_high = None
    if ratio:
        relative = pair.spread(1 / share_a, 1 / share_b).half()
        ratio_low, ratio_high = (ratio * math.exp(sign * relative) for sign in (-1, 1))
    detectable = half + spread.half(POWER) if half else None
    return Difference(value, low, high, ratio, ratio_low, ratio_high, detectable)


def _newcombe(pair: Pair, value: float) -> tuple[float, float]:
    a, b = share_interval(pair.a, pair.n_a), share_interval(pair.b, pair.n_b)
    assert a is not None and b is not None, "the pair is measurable: both wrote"
    share_a, share_b = pair.shares
    return (
        value - math.hypot(share_a - a.low, b.high - share_b),
        value + math.hypot(a.high - share_a, share_b - b.low),
    )


def p_values(pairs: Sequence[Pair], seed: int) -> list[float]:
    """Two-sided p-values of equal shares.

    Of two single trainings by exchanging the cells of random prompts, which asks nothing of how shares are
    distributed. Where trainings are to speak for a recipe, there are too few of them to exchange: p is that
    of the interval of the difference.

    Args:
        pairs: over the same prompts, measurable.
        seed: of the exchanges.
    """
    single = [pair for pair in pairs if len(pair.a) == len(pair.b) == 1]
    flipped = iter(sign_flip_p_values(single, seed) if single else ())
    return [
        next(flipped)
        if len(pair.a) == len(pair.b) == 1
        else pair.spread().p_value(pair.shares[0] - pair.shares[1])
        for pair in pairs
    ]


def sign_flip_p_values(pairs: Sequence[Pair], seed: int, flips: int = SIGN_FLIPS) -> list[float]:
    """Two-sided p-values of equal shares, by exchanging the two cells of random prompts.

    If the two cells write alike, then on every prompt either could have been the other one: each
    exchange of some prompts' cells is as likely as what was seen. The statistic is the difference over its
    standard error, so that the test holds its level for large samples even where the cells differ in
    something else than the share, such as how alike the sentences of a prompt are (Janssen 1997; Chung and
    Romano 2013). p = (1 + exchanges that differ as much) / (1 + exchanges), which is never 0
    (Phipson and Smyth 2010). Its false positives are measured in `scripts/coverage_simulation.py`.

    Args:
        pairs: of one training each, over the same prompts, measurable; they share their exchanges.
        seed: of the exchanges.
        flips: how many.

    Returns:
        One p-value per pair.
    """
    sums = [_flip_columns(pair) for pair in pairs]
    seen = [abs(_studentised(np.ones((1, len(one.plus))), one)[0]) for one in sums]
    reached = np.zeros(len(pairs), dtype=np.int64)
    n_prompts = pairs[0].n_prompts
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
    a, n, b, m = (x[0].astype(np.float64) for x in (pair.a, pair.n_a, pair.b, pair.n_b))
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
