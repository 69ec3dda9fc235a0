"""VADER's scores, and the paper's label made from them."""

from __future__ import annotations

import time

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
COMPOUND = build_scorer(ScorerArgs(name="vader", value="compound"))
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
    st.lists(WORDS | st.sampled_from(EMOTICONS), max_size=12).map(" ".join)
    | st.text(st.characters(codec="ascii"), max_size=40)
)
@example("")
@example("good bad")
@example("love hate")
def test_labels_are_the_papers_on_any_ascii_text_and_emoji(text: str) -> None:
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


def assert_read_alike(text: str, ascii_text: str) -> None:
    assert SCORER.score([text])[0] == SCORER.score([ascii_text])[0]
    assert COMPOUND.score([text])[0] == COMPOUND.score([ascii_text])[0]


APOSTROPHES = "\u2019\u02bc\uff07\u2018\u201b\u00b4\u2032\u02b9\u055a\ua78c\x92"


@pytest.mark.parametrize("sign", APOSTROPHES)
@pytest.mark.parametrize(
    "text",
    ["isn't good", "can't trust", "It WASN'T great!", "You don't love 'nice' films", ":'( bad"],
)
def test_any_apostrophe_reads_as_the_ascii_one(sign: str, text: str) -> None:
    assert_read_alike(text.replace("'", sign), text)
    assert COMPOUND.score(["isn't good", "can't trust"]).max() < 0


@pytest.mark.parametrize(
    "text,ascii_text",
    [
        ("good\u2014bad", "good - bad"),
        ("not\u2014bad", "not - bad"),
        ("awful\u2013great", "awful - great"),
        ("awful\u2014\u2014\u201cgreat\u201d", 'awful - "great"'),
        ("\u201cgood\u2014\u201d he said", '"good-" he said'),
        ("a self\u2010confident man, 1990\u20132000", "a self-confident man, 1990-2000"),
        ("It was \u201cgreat\u201d", 'It was "great"'),
        ("It was \u00abgreat\u00bb", 'It was "great"'),
        ("\u2018awful\u2019 \u300cgreat\u300d", "'awful' \"great\""),
        ("great\u2026 truly", "great... truly"),
        ("great\u2026bad", "great... bad"),
        ("great\uff01\uff01\uff01", "great!!!"),
        ("Why great\uff1f\uff1f", "Why great??"),
        ("Great\uff01But bad\u3002Awful", "Great! But bad. Awful"),
        ("great\u061f\u061f", "great??"),
        ("\u00a1great!", "great!"),
        ("\u00bfGreat? \u00a1no!", "Great? no!"),
        ("\uff47\uff52\uff45\uff41\uff54 film", "great film"),
        ("\U0001d420\U0001d428\U0001d428\U0001d41d film", "good film"),
        ("\ufb01ne", "fine"),
        ("great\u2022 \u00b7bad\u00b7", "great. ,bad,"),
        ("bad \uff1a\uff08 and :\u2014( and :\u2212)", "bad :( and :-( and :-)"),
        ("gre\u00adat\u200b", "great"),
    ],
)
def test_a_sign_reads_as_its_ascii_form(text: str, ascii_text: str) -> None:
    assert_read_alike(text, ascii_text)


@pytest.mark.parametrize(
    "emoji", ["😀", "💔", "\u263a", "\u2122", "\u203c", "\U0001f44d\U0001f3fd"]
)
def test_emoji_are_read_as_before(emoji: str) -> None:
    for text in (emoji, f"so {emoji} good", f"bad{emoji}"):
        assert COMPOUND.score([text])[0] == ANALYZER.polarity_scores(text)["compound"]


def test_selectors_and_joiners_do_not_hide_an_emoji() -> None:
    assert_read_alike("I \u2764\ufe0f it", "I \u2764 it")
    assert_read_alike("\u2764\ufe0f\u200d\U0001f525", "\u2764 \U0001f525")
    assert COMPOUND.score(["I \u2764\ufe0f it"])[0] > 0.5


@settings(max_examples=150)
@given(st.text(st.characters(codec="ascii"), max_size=60) | st.lists(WORDS).map(" ".join))
def test_ascii_texts_get_vaders_own_score(text: str) -> None:
    assert COMPOUND.score([text])[0] == ANALYZER.polarity_scores(text)["compound"]


@settings(max_examples=150)
@given(st.text(max_size=60))
def test_any_text_gets_a_score(text: str) -> None:
    assert -1 <= COMPOUND.score([text])[0] <= 1


@pytest.mark.parametrize("piece", ["\u2014!", "\u2014", "x\u2014", "\uff01", "\u00a1", "\u2019"])
def test_reading_takes_time_in_proportion_to_the_text(piece: str) -> None:
    SCORER.load()
    started = time.process_time()
    SCORER._readable("x" + piece * (500_000 // len(piece)))
    assert time.process_time() - started < 2.0


def test_the_fingerprint_names_the_lexicon() -> None:
    found = SCORER.fingerprint()
    assert len(found["sha256 of vader_lexicon.txt"]) == 64
    assert found != build_scorer(ScorerArgs(name="vader", value="compound")).fingerprint()
