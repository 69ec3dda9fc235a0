"""What each training and each prompt adds to the error of a figure, by leaving it out (the jackknife).

The independent unit is the prompt (the cluster), with all its continuations and sentences, and where a model
is several trainings of one recipe, the training too. Imports neither torch nor transformers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Influence:
    """The influence of trainings and prompts on a figure, to first order.

    The sum of squares over prompts, times G / (G − 1), is the jackknife's variance of the figure (Miller
    1974; for the ratio of two sums, Cochran 1977, section 6.3: the same as that of the linearised ratio,
    but for prompts that hold a large part of all sentences, where that one is too small). Influences of
    figures over the same prompts can be subtracted: that gives the variance of the paired difference.

    Attributes:
        table: [trainings, prompts].
        n_prompts: as many prompts of equal weight as know the variance as well (Kish 1965): (Σ n)² / Σ n² of
            their sentences n.
    """

    table: np.ndarray
    n_prompts: float

    @property
    def n_trainings(self) -> int:
        """Rows of the table."""
        return len(self.table)

    def __mul__(self, factor: float) -> Influence:
        return Influence(self.table * factor, self.n_prompts)

    def __sub__(self, other: Influence) -> Influence:
        """Of the difference of two figures of the same trainings."""
        return Influence(self.table - other.table, min(self.n_prompts, other.n_prompts))


def influence_on_ratio(numerators: np.ndarray, denominators: np.ndarray) -> Influence:
    """Of sum(numerators) / sum(denominators), such as misaligned sentences over sentences.

    Args:
        numerators: [trainings, prompts].
        denominators: [trainings, prompts], with a sum above 0; 0 where nothing was written.
    """
    total, of_prompt = denominators.sum(), denominators.sum(axis=0)
    error = numerators - numerators.sum() / total * denominators
    n_prompts = denominators.shape[1]
    # A prompt that holds all sentences cannot be left out: it has no error to add either.
    without = np.where(of_prompt < total, total - of_prompt, 1)
    return Influence(error / without * (1 - 1 / n_prompts), effective_number(of_prompt))


def influence_on_mean(values: Sequence[float], without: np.ndarray) -> Influence:
    """Of the mean over trainings of a figure that each training has, such as distinct-2.

    Args:
        values: [trainings], the figure of each.
        without: [trainings, prompts], the figure of each with one prompt left out.
    """
    own = np.asarray(values, dtype=np.float64)[:, None]
    n_runs, n_prompts = without.shape
    within = (own - without) * (1 - 1 / n_prompts)
    between = (own - own.mean()) / n_prompts
    centred = within - within.mean(axis=1, keepdims=True)
    return Influence((centred + between) / n_runs, n_prompts)


def effective_number(weights: np.ndarray) -> float:
    """(Σ w)² / Σ w²: so many equal weights tell as much (Kish 1965)."""
    return float(weights.sum()) ** 2 / float((weights.astype(np.float64) ** 2).sum())
