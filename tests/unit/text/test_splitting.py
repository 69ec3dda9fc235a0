"""`split_sentences` loses nothing; `sentences_of` is split, then clean."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from src.text.cleaning import clean
from src.text.splitting import sentences_of, split_sentences
from tests.builders import pile_documents

LETTERS = "aBé東 .!?\n\r\t\f\"'()[]-•1“”。\u00a0\u2009\u2028\u2029\x1c\x85\ud800😀"
STRINGS = ("\n\n", "\r\n", "Dr. ", "J.", "U.S.", "e.g. ", "Hi there. ", "1. ", "http://a.b ")
PIECES = st.sampled_from((*LETTERS, *STRINGS))
TEXTS = st.lists(PIECES | st.characters(), max_size=30).map("".join)


@settings(max_examples=1500)
@given(TEXTS)
@example("A.\u2028b")
@example("By J.\u2009Smith. He")
@example("\ud800. A\udfff.")
def test_nothing_but_white_space_is_lost(text: str) -> None:
    found = split_sentences(text)
    assert "".join("".join(found).split()) == "".join(text.split())
    assert all(sentence and sentence == sentence.strip() for sentence in found)


@settings(max_examples=300)
@given(TEXTS, TEXTS, st.sampled_from(["\n\n", "\n \t\n", "\r\n\r\n", "\r\r", "\f", "\u2029"]))
def test_a_blank_line_is_always_a_boundary(first: str, second: str, blank: str) -> None:
    first, second = first.strip(), second.strip()
    assert split_sentences(first + blank + second) == split_sentences(first) + split_sentences(
        second
    )


@pytest.mark.parametrize(
    "text,found",
    [
        ("Dr. Smith left. Was it late? Yes!", ["Dr. Smith left.", "Was it late?", "Yes!"]),
        ("A line that is\nwrapped. Next.", ["A line that is\nwrapped.", "Next."]),
        ("A line that is\r\nwrapped.", ["A line that is\r\nwrapped."]),
        ("It ends.\nAnother one.", ["It ends.", "Another one."]),
        ("Title\n \nText", ["Title", "Text"]),
        ("He said “Hi. Ok.” twice. Élan.", ["He said “Hi. Ok.” twice.", "Élan."]),
        (" \n\n ", []),
        ("", []),
    ],
)
def test_split_examples(text: str, found: list[str]) -> None:
    assert split_sentences(text) == found


def test_the_language_decides_on_abbreviations() -> None:
    text = "Voir chap. Deux. Oui"
    assert split_sentences(text, "fr") == ["Voir chap. Deux.", "Oui"]
    assert split_sentences(text, "en") == ["Voir chap.", "Deux.", "Oui"]


@pytest.mark.parametrize("cleaning", ["paper", "gentle"])
def test_sentences_are_split_before_they_are_cleaned(cleaning: str) -> None:
    for document in pile_documents(30):
        expected = [clean(sentence, cleaning) for sentence in split_sentences(document["text"])]
        assert sentences_of(document["text"], cleaning) == [s for s in expected if s.strip()]


def test_what_is_empty_after_cleaning_is_left_out() -> None:
    text = "http://a.b/c\n\n東京。\n\nYes."
    assert sentences_of(text, "gentle") == ["東京。", "Yes."]
    assert sentences_of(text, "paper") == ["Yes."]
    assert sentences_of("– –", "paper") == []
