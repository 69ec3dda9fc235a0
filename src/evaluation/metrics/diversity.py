"""How much a cell's continuations differ from one another: distinct-n and self-BLEU, and their words.

Imports neither torch nor transformers.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from sacrebleu.metrics import BLEU

from src.runtime import keyed_hash

DISTINCT_SIZES = (1, 2, 3)
SELF_BLEU_TEXTS = 60
"""Texts of a cell that self-BLEU compares, each with all others: less than a second of work."""
_WORD = re.compile(r"\w+(?:['’]\w+)*")


def words_of(text: str) -> list[str]:
    """The words of a text in lower case, punctuation left out."""
    return _WORD.findall(text.lower())


def distinct(texts: Sequence[Sequence[str]], n: int) -> float | None:
    """distinct-n (Li et al. 2016): different n-grams over all n-grams of a cell's continuations.

    It falls as there is more text: compare cells with about as many words.

    Args:
        texts: the words of each continuation, in lower case; an n-gram lies within one.
        n: its length in words.

    Returns:
        A share in (0, 1]; None where there is no n-gram.
    """
    grams = [tuple(words[i : i + n]) for words in texts for i in range(len(words) - n + 1)]
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
