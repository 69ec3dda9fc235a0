"""Sums over the prompts of a cell, and cells paired by their prompts: the prompt is the independent unit.

Imports neither torch nor transformers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class PromptIndex:
    """Observations (sentences, or continuations) and the prompt that each belongs to.

    Attributes:
        prompt_ids: [prompts], each once.
        of: [observations], the place of each one's prompt in `prompt_ids`.
    """

    prompt_ids: tuple[str, ...]
    of: np.ndarray

    def count(self, chosen: Sequence[bool] | np.ndarray | None = None) -> np.ndarray:
        """Observations of each prompt: [prompts], integers.

        Args:
            chosen: [observations], those that count; all without it.
        """
        of = self.of if chosen is None else self.of[np.asarray(chosen, dtype=bool)]
        return np.bincount(of, minlength=len(self.prompt_ids))

    def total(self, amounts: np.ndarray) -> np.ndarray:
        """Sum of what the observations of each prompt weigh: [prompts], in the unit of the amounts.

        Args:
            amounts: [observations], nats or tokens, say.
        """
        return np.bincount(self.of, amounts, minlength=len(self.prompt_ids))


def index_prompts(observed: Iterable[tuple[str, int]]) -> PromptIndex:
    """Which prompt each observation of a cell belongs to.

    Args:
        observed: id of the prompt and number of observations of each continuation; a prompt whose
            continuations have none counts as a prompt, too.

    Returns:
        Prompts in the order in which they are first met, observations in the order given.
    """
    observed = list(observed)
    place = {p: i for i, p in enumerate(dict.fromkeys(prompt for prompt, _ in observed))}
    of = np.array([place[prompt] for prompt, n in observed for _ in range(n)], dtype=np.intp)
    return PromptIndex(tuple(place), of)


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
