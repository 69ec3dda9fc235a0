"""Sums over the prompts of a cell, training by training: trainings and prompts are the independent units.

Imports neither torch nor transformers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class PromptIndex:
    """Observations (sentences, or continuations), and the training and prompt that each belongs to.

    Attributes:
        prompt_ids: [prompts], each once.
        n_trainings: of the cell.
        of: [observations], the place of each one in a table of trainings by prompts, row by row.
    """

    prompt_ids: tuple[str, ...]
    n_trainings: int
    of: np.ndarray

    def count(self, chosen: Sequence[bool] | np.ndarray | None = None) -> np.ndarray:
        """Observations of each training and prompt: [trainings, prompts], integers.

        Args:
            chosen: [observations], those that count; all without it.
        """
        of = self.of if chosen is None else self.of[np.asarray(chosen, dtype=bool)]
        return self._table(np.bincount(of, minlength=self._size))

    def total(self, amounts: np.ndarray) -> np.ndarray:
        """Sum of what the observations of each training and prompt weigh, in the unit of the amounts.

        Args:
            amounts: [observations], nats or tokens, say.

        Returns:
            [trainings, prompts].
        """
        return self._table(np.bincount(self.of, amounts, minlength=self._size))

    @property
    def _size(self) -> int:
        return self.n_trainings * len(self.prompt_ids)

    def _table(self, sums: np.ndarray) -> np.ndarray:
        return sums.reshape(self.n_trainings, len(self.prompt_ids))


def index_prompts(observed: Iterable[tuple[int, str, int]]) -> PromptIndex:
    """Which training and prompt each observation of a cell belongs to.

    Args:
        observed: number of the training, id of the prompt and number of observations of each continuation; a
            prompt whose continuations have none counts as a prompt, too.

    Returns:
        Prompts in the order in which they are first met, observations in the order given.
    """
    observed = list(observed)
    place = {p: i for i, p in enumerate(dict.fromkeys(prompt for _, prompt, _ in observed))}
    n_trainings = 1 + max((training for training, _, _ in observed), default=0)
    of = [
        training * len(place) + place[prompt] for training, prompt, n in observed for _ in range(n)
    ]
    return PromptIndex(tuple(place), n_trainings, np.array(of, dtype=np.intp))


def order_as(prompt_ids: Sequence[str], others: Sequence[str]) -> np.ndarray:
    """Where each prompt of a cell stands in another cell: what puts the other's sums in the same order.

    Args:
        prompt_ids: [prompts], of the first cell, each once.
        others: [prompts], of the second cell, each once.

    Returns:
        [prompts], so that `others[order[i]]` is `prompt_ids[i]`.

    Raises:
        ValueError: the cells have different prompts.
    """
    place = {prompt: i for i, prompt in enumerate(others)}
    if set(prompt_ids) != set(place):
        raise ValueError("cells over different prompts cannot be paired")
    return np.array([place[prompt] for prompt in prompt_ids], dtype=np.intp)
