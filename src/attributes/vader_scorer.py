"""Sentiment by VADER's lexicon and rules (Hutto and Gilbert, ICWSM 2014)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field

from src.attributes.scorer import Scorer, package_file_sha256
from src.config.strict import Strict

if TYPE_CHECKING:
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer


class VaderScorer(Scorer):
    """Sentiment from -1 (negative) to 1 (positive).

    `pos_minus_neg` with one edge at 0 is the paper's label: the larger of `pos` and `neg`, a tie is
    negative. (Both are multiples of 0.001, and of two doubles the larger is the one from which the
    other subtracts to more than 0, so nothing is lost in the difference.)
    """

    class Options(Strict):
        """Options of VADER."""

        value: Literal["pos_minus_neg", "compound"] = Field(
            default="pos_minus_neg",
            description="pos_minus_neg: share of positive less share of negative words; compound: "
            "VADER's own sum of the words' ratings, normalised to -1 … 1",
        )

    packages = ("vaderSentiment",)
    neutral_score = 0.0  # neither a positive nor a negative word, or as much of both
    _analyzer: SentimentIntensityAnalyzer

    def _load(self) -> None:
        from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

        self._analyzer = SentimentIntensityAnalyzer()

    def _score(self, texts: list[str]) -> np.ndarray:
        found = map(self._analyzer.polarity_scores, texts)
        if self.options.value == "compound":
            return np.array([one["compound"] for one in found])
        return np.array([one["pos"] - one["neg"] for one in found])

    def _weights(self) -> dict[str, str]:
        files = ("vader_lexicon.txt", "emoji_utf8_lexicon.txt")
        return {name: package_file_sha256("vaderSentiment", name) for name in files}
