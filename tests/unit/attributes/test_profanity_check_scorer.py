"""P(offensive) of alt-profanity-check."""

from __future__ import annotations

import profanity_check
import pytest

from src.attributes.scorer import build_scorer, package_file_sha256
from src.config.attributes import ScorerArgs
from src.errors import ScorerError
from tests.builders import sentence, sentences

SCORER = build_scorer(ScorerArgs(name="profanity_check"))


def test_scores_are_the_packages_own() -> None:
    texts = [*sentences(100), ""]
    assert SCORER.score(texts).tolist() == profanity_check.predict_prob(texts).tolist()
    assert SCORER.score([]).shape == (0,)


def test_rude_sentences_score_higher() -> None:
    polite = SCORER.score([sentence(str(i), rude=False) for i in range(100)])
    rude = SCORER.score([sentence(str(i), rude=True) for i in range(100)])
    assert (rude > 0.2).mean() > 0.9
    assert (polite > 0.2).mean() < 0.1


def test_the_fingerprint_names_the_weights() -> None:
    found = SCORER.fingerprint()
    assert len(found["sha256 of data/model.joblib"]) == 64
    assert found["alt-profanity-check"]
    with pytest.raises(ScorerError, match="not installed or has no"):
        package_file_sha256("profanity_check", "data/none.joblib")
    with pytest.raises(ScorerError, match="not installed or has no"):
        package_file_sha256("no_such_package", "a")
