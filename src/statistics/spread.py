"""How far a figure may be from the truth: over prompts, and over trainings where there are several.

Few trainings are known badly, so each source of error comes with its degrees of freedom. Imports neither
torch nor transformers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import stdtrit

from src.statistics.influence import Influence

UPPER = 0.975
"""Quantile at the upper end of a two-sided 95 % interval."""

LEAST_P = 1e-9
"""Smaller p-values are not told apart."""


@dataclass(frozen=True)
class Part:
    """One source of error: its variance, estimated with so many degrees of freedom."""

    variance: float
    freedom: float

    def square(self, quantile: float) -> float:
        """(Student's t at the quantile)² · variance."""
        return float(stdtrit(self.freedom, quantile)) ** 2 * self.variance


@dataclass(frozen=True)
class Spread:
    """The error of a figure.

    Attributes:
        parts: independent sources of error. Half an interval is the root of the sum of their squared
            halves, each with its own Student's t (Zou and Donner 2008): exact where one of them is alone.
        least: the error of the same figure for these very trainings. Three trainings may by chance be
            nearer to each other than their own sampling error allows: half an interval is never smaller
            than this one's, as in the modified Hartung-Knapp method (Röver, Knapp and Friede 2015).
    """

    parts: tuple[Part, ...]
    least: Part

    def half(self, quantile: float = UPPER) -> float:
        """Half of the two-sided interval whose upper end is at the quantile (0.975: of 95 %)."""
        return math.sqrt(
            max(sum(part.square(quantile) for part in self.parts), self.least.square(quantile))
        )

    def p_value(self, figure: float) -> float:
        """Two-sided p of a true figure of 0: 1 less the level of the interval that ends at 0."""
        if figure == 0:
            return 1.0
        if abs(figure) >= self.half(1 - LEAST_P / 2):
            return LEAST_P

        def beyond(p: float) -> float:
            return self.half(1 - p / 2) - abs(figure)

        return float(brentq(beyond, LEAST_P, 1.0, xtol=LEAST_P))


def spread_of(influence: Influence) -> Spread | None:
    """The error of a figure.

    With one training, prompts are the clusters and the figure is one of this training. With several,
    trainings and prompts are crossed random factors: the trainings' part has one degree of freedom less
    than trainings, and what is common to all trainings on a prompt is a part of its own, the variance
    between prompts less that of the interaction (expected mean squares of a two-way table, Searle, Casella
    and McCulloch 1992, section 4.3). Unprompted texts share nothing by their number: there it is 0, but for
    noise.

    Returns:
        None where one prompt wrote everything.
    """
    return _spread(influence.table.sum(axis=0), influence.n_prompts, [influence.table])


def spread_of_difference(a: Influence, b: Influence, *, same_trainings: bool) -> Spread | None:
    """The error of the difference of two figures over the same prompts.

    Args:
        a: of the first figure.
        b: of the second.
        same_trainings: row i of both is the same training, so that what it has of its own cancels. Else
            the trainings of the two are independent: their variances add up, with Welch's degrees of freedom.

    Returns:
        None where one prompt wrote everything. Where either figure has one training only, nothing is known of
        other trainings: the error is that of the difference between these.
    """
    if same_trainings:
        return spread_of(a - b)
    by_prompt = a.table.sum(axis=0) - b.table.sum(axis=0)
    return _spread(by_prompt, min(a.n_prompts, b.n_prompts), [a.table, b.table])


def _spread(by_prompt: np.ndarray, n_prompts: float, tables: Sequence[np.ndarray]) -> Spread | None:
    """Args: by_prompt: [prompts], sums over trainings. tables: [trainings, prompts], independent ones."""
    if n_prompts <= 1 + 1e-9:
        return None
    here = Part(clustered_variance(by_prompt), n_prompts - 1)
    if any(len(table) < 2 for table in tables):
        return Spread((here,), here)
    between = _welch([(clustered_variance(one.sum(axis=1)), len(one) - 1) for one in tables])
    common = max(0.0, here.variance - sum(_interaction(table) for table in tables))
    return Spread((between, Part(common, n_prompts - 1)), here)


def _interaction(table: np.ndarray) -> float:
    """What prompts and trainings add together, to the variance of the sum of the table."""
    n_runs, n_prompts = table.shape
    alone = table - table.mean(axis=0) - table.mean(axis=1, keepdims=True) + table.mean()
    return float((alone**2).sum()) * table.size / ((n_runs - 1) * (n_prompts - 1))


def _welch(parts: Sequence[tuple[float, float]]) -> Part:
    """The sum of variances with their degrees of freedom (Welch 1947)."""
    variance = sum(part for part, _ in parts)
    squares = sum(part**2 / freedom for part, freedom in parts)
    return Part(variance, variance**2 / squares if squares else parts[0][1])


def clustered_variance(influence: np.ndarray) -> float:
    """Variance of a figure from the influences of independent clusters.

    Args:
        influence: [clusters]; two at least.
    """
    n = len(influence)
    return float(influence @ influence) * n / (n - 1)
