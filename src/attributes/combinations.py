"""Combinations of labels, one of each attribute: which of them are too rare to be learned as they come.

A rare combination teaches its tokens little: with the wanted pair in 7 % of 1,280 sentences, contrast
decoding missed 0.86 times as often as the baseline; drawn equally, 0.41 times (docs/RESULTS.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

Combination = TypeVar("Combination")

RARE = 0.35
"""A combination with less than this part of an equal share is called rare: of four less than 9 %, of two
less than 18 %. Of four, 7 and 8 % were hardly learned; of two, 18 % were learned well (docs/RESULTS.md)."""


def rare_combinations(counts: Mapping[Combination, int]) -> dict[Combination, float]:
    """The share of each combination that is rare.

    Args:
        counts: combination → training sentences.
    """
    total, n = sum(counts.values()), len(counts)
    shares = {combination: one / total for combination, one in counts.items() if total}
    return {combination: share for combination, share in shares.items() if share < RARE / n}
