"""How well two judgements of the same sentences agree, with 95 % intervals over documents.

The unit that is drawn for an interval is the document: its sentences are not independent. Every
statistic takes a weight per sentence, how often its document was drawn, and gives what it would give
for the sentences repeated that often. Pure functions over arrays.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from src.statistics.estimate import Estimate
from src.statistics.intervals import share_interval

MANY_DOCUMENTS = 200
"""Resamples of so many hold a kappa in 92 to 95 %; see `DocumentBootstrap.kappa`."""

Statistic = Callable[[np.ndarray], float]
"""Weights of shape [sentences] → a figure; NaN where it is not defined."""


class Ranks:
    """Ranks of fixed values under changing weights; ties share the mean of their ranks."""

    def __init__(self, values: np.ndarray) -> None:
        """Args: values, of shape [sentences]."""
        self._order = np.argsort(values, kind="stable")
        ordered = values[self._order]
        self._starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
        self._group = np.empty(len(values), dtype=np.intp)
        sizes = np.diff(np.r_[self._starts, len(values)])
        self._group[self._order] = np.repeat(np.arange(len(self._starts)), sizes)

    def of(self, weights: np.ndarray) -> np.ndarray:
        """Each sentence's rank, from 1, among all sentences repeated by their weights."""
        sizes = np.add.reduceat(weights[self._order], self._starts)
        return (np.cumsum(sizes) - (sizes - 1) / 2)[self._group]


def rank_correlation(one: np.ndarray, other: np.ndarray) -> Statistic:
    """Spearman's rho: the linear correlation of the ranks.

    Args:
        one, other: of shape [sentences].
    """
    ranks = Ranks(one), Ranks(other)

    def statistic(weights: np.ndarray) -> float:
        a, b = (rank.of(weights) for rank in ranks)
        total = weights.sum()
        a, b = a - (weights * a).sum() / total, b - (weights * b).sum() / total
        spread = math.sqrt((weights * a * a).sum() * (weights * b * b).sum())
        return float((weights * a * b).sum() / spread) if spread else math.nan

    return statistic


def area_under_curve(scores: np.ndarray, positive: np.ndarray) -> Statistic:
    """Probability that a positive sentence scores above a negative one, a tie counting half (AUC).

    Args:
        scores: of shape [sentences].
        positive: bool of shape [sentences].
    """
    ranks, positive = Ranks(scores), positive.astype(np.float64)

    def statistic(weights: np.ndarray) -> float:
        n_positive = (weights * positive).sum()
        n_negative = weights.sum() - n_positive
        if not n_positive or not n_negative:
            return math.nan
        above = (weights * positive * ranks.of(weights)).sum() - n_positive * (n_positive + 1) / 2
        return float(above / (n_positive * n_negative))

    return statistic


def confusion(
    one: np.ndarray, other: np.ndarray, n_labels: int, weights: np.ndarray | None = None
) -> np.ndarray:
    """Counts of shape [labels, labels]: rows by the first judgement, columns by the second.

    Args:
        one, other: indices of labels, of shape [sentences].
        n_labels: how many labels there are.
        weights: of shape [sentences]; default one each.
    """
    counts = np.bincount(one * n_labels + other, weights, minlength=n_labels**2)
    return counts.reshape(n_labels, n_labels)


def cohens_kappa(one: np.ndarray, other: np.ndarray, n_labels: int) -> Statistic:
    """Agreement beyond chance (Cohen 1960): 0 for chance, 1 for all; not defined for a single label."""

    def statistic(weights: np.ndarray) -> float:
        table = confusion(one, other, n_labels, weights) / weights.sum()
        by_chance = float((table.sum(0) * table.sum(1)).sum())
        if math.isclose(by_chance, 1.0):
            return math.nan
        return float((np.trace(table) - by_chance) / (1 - by_chance))

    return statistic


class DocumentBootstrap:
    """Resamples documents with replacement; all statistics of one bootstrap see the same draws."""

    def __init__(self, document_ids: Sequence[str], seed: int, resamples: int) -> None:
        """Args:
        document_ids: of shape [sentences].
        seed: of the draws.
        resamples: how many.
        """
        place = {name: i for i, name in enumerate(dict.fromkeys(document_ids))}
        self._document = np.array([place[name] for name in document_ids], dtype=np.intp)
        self._n, self._seed, self._resamples = len(place), seed, resamples

    def estimates(self, statistics: Mapping[str, Statistic]) -> dict[str, Estimate]:
        """Each statistic of the sentences, and the 2.5 and 97.5 percentiles of its resamples.

        (Efron and Tibshirani 1993, section 13.3.) Resamples in which it is not defined are left out;
        with fewer than two documents there is no interval.
        """
        if not self._n:
            return {name: Estimate(None) for name in statistics}
        ones = np.ones(len(self._document))
        values = {name: statistic(ones) for name, statistic in statistics.items()}
        drawn = np.full((len(statistics), self._resamples), np.nan)
        generator = np.random.Generator(np.random.PCG64(self._seed))
        for i in range(self._resamples if self._n > 1 else 0):
            times = np.bincount(generator.integers(0, self._n, self._n), minlength=self._n)
            weights = times[self._document].astype(np.float64)
            drawn[:, i] = [statistic(weights) for statistic in statistics.values()]
        return {
            name: _estimate(value, row)
            for (name, value), row in zip(values.items(), drawn, strict=True)
        }

    def share(self, one: np.ndarray, other: np.ndarray) -> Estimate:
        """Share of the sentences with the same label, with Wilson's interval over documents."""
        sums = [
            np.bincount(self._document, counted, minlength=self._n)[None]
            for counted in (one == other, np.ones(len(one)))
        ]
        interval = share_interval(*sums)
        if interval is None:
            return Estimate(None)
        return Estimate(float(sums[0].sum() / sums[1].sum()), interval.low, interval.high)

    def kappa(self, one: np.ndarray, other: np.ndarray, n_labels: int) -> Estimate:
        """Cohen's kappa. Of few documents, the interval of the agreement less the chance that was seen.

        Resamples of few documents vary too little, and where none of them disagrees not at all: of 20 to 50
        sentences, with a kappa of .4 to .9, the percentiles hold the truth in 58 to 95 % and this in 93 to
        99 %. It takes the chance agreement as known, and so is wide where labels are rare.
        """
        found = self.estimates({"kappa": cohens_kappa(one, other, n_labels)})["kappa"]
        if found.value is None or self._n >= MANY_DOCUMENTS:
            return found
        table = confusion(one, other, n_labels) / len(one)
        by_chance = float((table.sum(0) * table.sum(1)).sum())
        return self.share(one, other).mapped(lambda share: (share - by_chance) / (1 - by_chance))


def _estimate(value: float, drawn: np.ndarray) -> Estimate:
    if math.isnan(value):
        return Estimate(None)
    defined = drawn[~np.isnan(drawn)]
    if not defined.size:
        return Estimate(value)
    low, high = np.quantile(defined, (0.025, 0.975))
    return Estimate(value, float(low), float(high))
