"""Which attributes are of offence, and offensive words masked where texts are shown in a terminal.

Imports neither torch nor transformers at the top.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from src.attributes.attribute import Attribute, Attributes
from src.attributes.scorer import cached_scorer

OFFENCE_SCORERS = frozenset({"detoxify", "profanity_check"})
OFFENSIVE = 0.5
"""Score from which a word is masked: the cut of profanity_check and Detoxify themselves, whose scores are
probabilities. An attribute's edge may be lower, where it would mask `old` and `border`."""

WORD = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)*")


def of_offence(attributes: Attributes) -> list[str]:
    """Attributes of offence: scored by detoxify or profanity_check, or with `tox` in their name."""
    return [
        name
        for name, one in attributes.items()
        if one.scorer.name in OFFENCE_SCORERS or "tox" in name.lower()
    ]


def veiled_at_first(attributes: Attributes) -> list[str]:
    """Attributes whose undesired sentences are blurred unless a reader says otherwise.

    Those of offence; all attributes where there is none, for nobody knows then what can offend.
    """
    return of_offence(attributes) or list(attributes)


def masked(sentence: str, scores: Mapping[str, float], attributes: Attributes) -> str:
    """A sentence with its offensive words masked: `d***`.

    A word is masked where it is offensive by itself. A sentence that is offensive though none of its words
    is, is hidden whole.

    Args:
        sentence: that was scored.
        scores: attribute → score of the sentence.
        attributes: of the scores.
    """
    for name in of_offence(attributes):
        one = attributes[name]
        if one.is_opposite_end(one.desired, one.label_of(scores[name])):
            sentence = _masked_by(one, sentence, scores[name])
    return sentence


def _masked_by(one: Attribute, sentence: str, score: float) -> str:
    words = list(dict.fromkeys(WORD.findall(sentence)))
    found = cached_scorer(one.scorer).score(words)
    offensive = {word for word, own in zip(words, found, strict=True) if own >= OFFENSIVE}
    if not offensive and score >= OFFENSIVE:
        return f"[hidden: {one.name} {score:.2f}]"
    return WORD.sub(lambda m: _mask(m[0]) if m[0] in offensive else m[0], sentence)


def _mask(word: str) -> str:
    return word[0] + "*" * (len(word) - 1)
