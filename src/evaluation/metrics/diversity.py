"""How much a cell's continuations differ from one another: distinct-n and self-BLEU, and their words.

Imports neither torch nor transformers.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from sacrebleu.metrics import BLEU

from src.evaluation.continuation import Continuation
from src.runtime.randomness import keyed_hash
from src.statistics.influence import Influence, influence_on_mean
from src.statistics.spread import spread_of, spread_of_difference

DISTINCT_SIZES = (1, 2, 3)
SELF_BLEU_TEXTS = 60
"""Texts of a cell that self-BLEU compares, each with all others: less than a second of work."""
_WORD = re.compile(r"\w+(?:['’]\w+)*")


def words_of(text: str) -> list[str]:
    """The words of a text in lower case, punctuation left out."""
    return _WORD.findall(text.lower())


def diversity(continuations: Sequence[Continuation], seed: int) -> dict[str, Any]:
    """distinct-n and self-BLEU of a cell: means over its trainings, since more text has fewer kinds.

    Args:
        continuations: of one cell.
        seed: chooses the texts of self-BLEU.

    Returns:
        `distinct_1` to `distinct_3`, `distinct_2_ci_low` and `distinct_2_ci_high` (95 %), `self_bleu`; null
        where there is too little text.
    """
    figures = {f"distinct_{n}": _mean_distinct(continuations, n) for n in DISTINCT_SIZES}
    influence, value = influence_on_distinct(continuations), figures["distinct_2"]
    spread = spread_of(influence) if influence is not None else None
    bleus = [
        self_bleu([(f"{one.prompt_id}/{one.sample}", words_of(one.text)) for one in texts], seed)
        for texts in _by_training(continuations)
    ]
    return {
        **figures,
        "distinct_2_ci_low": spread and max(0.0, value - spread.half()),
        "distinct_2_ci_high": spread and min(1.0, value + spread.half()),
        "self_bleu": None if None in bleus or not bleus else sum(bleus) / len(bleus),
    }


def compare_distinct(
    a: Sequence[Continuation], b: Sequence[Continuation], *, same_trainings: bool
) -> dict[str, float | None]:
    """distinct-2 of one cell over that of another, over the same prompts, with its 95 % interval.

    Args:
        a: continuations of the first cell.
        b: those of the second.
        same_trainings: both are of one model.

    Returns:
        `distinct_2_ratio`, `distinct_2_ratio_ci_low`, `distinct_2_ratio_ci_high`; null where there is too
        little.
    """
    of_a, of_b = influence_on_distinct(a), influence_on_distinct(b)
    ratio = low = high = None
    if of_a is not None and of_b is not None:
        first, second = (_mean_distinct(one) for one in (a, b))
        ratio = first / second
        spread = spread_of_difference(
            of_a * (1 / first), of_b * (1 / second), same_trainings=same_trainings
        )
        if spread is not None:
            low, high = (ratio * math.exp(sign * spread.half()) for sign in (-1, 1))
    name = "distinct_2_ratio"
    return {name: ratio, f"{name}_ci_low": low, f"{name}_ci_high": high}


def _mean_distinct(continuations: Sequence[Continuation], n: int = 2) -> float | None:
    """The mean of distinct-n over the trainings of a cell; None where one of them has no n-gram."""
    values = [
        distinct([words_of(one.text) for one in texts], n) for texts in _by_training(continuations)
    ]
    return None if None in values or not values else sum(values) / len(values)


def influence_on_distinct(continuations: Sequence[Continuation], n: int = 2) -> Influence | None:
    """What each training and prompt adds to the error of distinct-n: each is left out in turn.

    The jackknife of a count of kinds (Heltshe and Forrester 1983): a prompt takes with it the n-grams that
    it alone has. The figure is that of as much text as there is.

    Args:
        continuations: of one cell.
        n: words of an n-gram.

    Returns:
        Prompts sorted by their ids; None where a training has no n-gram, or one prompt has all of them.
    """
    place = {name: i for i, name in enumerate(sorted({one.prompt_id for one in continuations}))}
    values, without = [], []
    for texts in _by_training(continuations):
        grams: list[Counter[tuple[str, ...]]] = [Counter() for _ in place]
        whole: Counter[tuple[str, ...]] = Counter()
        for one in texts:
            own_grams = _grams(words_of(one.text), n)
            grams[place[one.prompt_id]].update(own_grams)
            whole.update(own_grams)
        total = whole.total()
        if not total or max(one.total() for one in grams) == total:
            return None
        values.append(len(whole) / total)
        own = [sum(whole[gram] == times for gram, times in one.items()) for one in grams]
        without.append(
            [
                (len(whole) - kinds) / (total - one.total())
                for kinds, one in zip(own, grams, strict=True)
            ]
        )
    return influence_on_mean(values, np.array(without)) if values else None


def _by_training(continuations: Sequence[Continuation]) -> list[list[Continuation]]:
    trainings: dict[int, list[Continuation]] = {}
    for one in continuations:
        trainings.setdefault(one.training, []).append(one)
    return list(trainings.values())


def _grams(words: Sequence[str], n: int) -> list[tuple[str, ...]]:
    return [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]


def distinct(texts: Sequence[Sequence[str]], n: int) -> float | None:
    """distinct-n (Li et al. 2016): different n-grams over all n-grams of a cell's continuations.

    It falls as there is more text: compare cells with about as many words.

    Args:
        texts: the words of each continuation, in lower case; an n-gram lies within one.
        n: its length in words.

    Returns:
        A share in (0, 1]; None where there is no n-gram.
    """
    grams = [gram for words in texts for gram in _grams(words, n)]
    return len(set(grams)) / len(grams) if grams else None


def self_bleu(texts: Sequence[tuple[str, Sequence[str]]], seed: int) -> float | None:
    """Self-BLEU (Zhu et al. 2018): mean BLEU-4 of each text with all others as its references.

    High where a model says the same again and again. BLEU is sacrebleu's (Post 2018) for sentences:
    exponential smoothing, the effective order for texts of fewer than four words. It grows with the number
    of references, so every cell is measured on as many texts where it has them: `SELF_BLEU_TEXTS`, chosen
    by a keyed hash of their ids.

    Args:
        texts: (id, words) of each continuation, the ids unique; empty ones take no part.
        seed: of the choice.

    Returns:
        A share in [0, 1]; None with fewer than two texts.
    """
    written = [one for one in texts if one[1]]
    chosen = sorted(written, key=lambda one: (keyed_hash(seed, "self-BLEU", one[0]), one[0]))
    lines = [" ".join(words) for _, words in chosen[:SELF_BLEU_TEXTS]]
    if len(lines) < 2:
        return None
    bleu = BLEU(tokenize="none", effective_order=True)
    scores = [
        bleu.sentence_score(line, lines[:i] + lines[i + 1 :]).score for i, line in enumerate(lines)
    ]
    return sum(scores) / len(scores) / 100
