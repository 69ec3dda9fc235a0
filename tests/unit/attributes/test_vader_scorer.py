"""VADER's scores, and the paper's label made from them."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from src.attributes.attribute import Attribute
from src.attributes.scorer import build_scorer
from src.config.attributes import ScorerArgs
from tests.builders import sentences

ARGS = ScorerArgs(name="vader")
SCORER = build_scorer(ARGS)
ANALYZER = SentimentIntensityAnalyzer()
SENTIMENT = Attribute("sentiment", ("neg", "pos"), (0.0,), "pos", ARGS)
EMOTICONS = (":)", ":(", "😀", "💔")
WORDS = st.sampled_from(
    ("good", "bad", "not", "very", "VERY", "but", "kind", "of", "love", "hate", "!", "!!", "the")
)


def label_of_the_paper(text: str) -> str:
    """The larger of `pos` and `neg`; a tie is negative."""
    found = ANALYZER.polarity_scores(text)
    return max(["neg", "pos"], key=lambda name: found[name])


def test_labels_are_the_papers_on_sentences() -> None:
    texts = sentences(600)
    labels = SENTIMENT.labels_of(SCORER.score(texts))
    assert labels == [label_of_the_paper(text) for text in texts]
    assert {"neg", "pos"} == set(labels)


@settings(max_examples=150)
@given(
    st.lists(WORDS | st.sampled_from(EMOTICONS), max_size=12).map(" ".join) | st.text(max_size=40)
)
@example("")
@example("good bad")
@example("love hate")
def test_labels_are_the_papers_on_any_text(text: str) -> None:
    score = SCORER.score([text])[0]
    assert SENTIMENT.label_of(score) == label_of_the_paper(text)


@pytest.mark.parametrize("text", ["", "The table is red.", "\ud800"])
def test_a_tie_is_negative(text: str) -> None:
    assert SCORER.score([text])[0] == 0.0
    assert SENTIMENT.label_of(0.0) == "neg"


def test_compound_is_vaders_own() -> None:
    texts = sentences(50)
    scores = build_scorer(ScorerArgs(name="vader", value="compound")).score(texts)
    assert scores.tolist() == [ANALYZER.polarity_scores(text)["compound"] for text in texts]


def test_the_fingerprint_names_the_lexicon() -> None:
    found = SCORER.fingerprint()
    assert len(found["sha256 of vader_lexicon.txt"]) == 64
    assert found != build_scorer(ScorerArgs(name="vader", value="compound")).fingerprint()
