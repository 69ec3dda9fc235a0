"""Offensive language by alt-profanity-check: a linear model over words that ships in its wheel."""

from __future__ import annotations

import numpy as np

from src.attributes.scorer import Scorer, package_file_sha256
from src.config.strict import Strict


class ProfanityCheckScorer(Scorer):
    """P(offensive), from 0 to 1. It needs no hub and no GPU; the demo labels with it."""

    class Options(Strict):
        """There is nothing to choose."""

    packages = ("alt-profanity-check", "scikit-learn")
    slow_imports = ("profanity_check",)  # and with it scikit-learn and the model

    def _load(self) -> None:
        import profanity_check

        self._predict = profanity_check.predict_prob

    def _score(self, texts: list[str]) -> np.ndarray:
        return self._predict(texts)

    def _weights(self) -> dict[str, str]:
        files = ("data/model.joblib", "data/vectorizer.joblib")
        return {name: package_file_sha256("profanity_check", name) for name in files}
