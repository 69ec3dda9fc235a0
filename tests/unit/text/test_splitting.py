"""`split_sentences` loses nothing; `sentences_of` is split, then clean."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from src.text.cleaning import clean
from src.text.splitting import sentences_of, split_sentences
from tests.builders import pile_documents

LETTERS = "aBé東 .!?\n\r\t\f\"'()[]-•1“”。\u00a0\u2009\u2028\u2029\x1c\x85\ud800😀"
STRINGS = ("\n\n", "\r\n", "Dr. ", "J.", "U.S.", "e.g. ", "Hi there. ", "1. ", "http://a.b ")
SIGNS = "<>{}«»‘’„「」（）`*_:;=6"
MORE = (":(", " :)", '6" ', ".) ", '." ', ".' ", " '", "''", "``", "[1]", "(a. B", "。」")
PIECES = st.sampled_from((*LETTERS, *STRINGS, *SIGNS, *MORE))
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


def parted(*sentences: str) -> None:
    assert split_sentences(" ".join(sentences)) == list(sentences)


@pytest.mark.parametrize(
    "sentences",
    [
        ["It was bad :( So bad.", "Nobody helped.", "It ended well.", ":) Fine."],
        ["It was bad.", ":-( Nobody helped.", ":-) Fine."],
        ["Bad.", ":’( Nobody helped.", "It ended :’) today."],
        ["Bad (: it is.", "We left.", "They stayed ;)"],
        ['A 6" pipe is here.', "It is long.", 'An 8" pipe too.'],
        ["He is 6' tall.", "She is not.", "It is 8' long."],
        ["I know 3 < 4.", "It is so.", "And 4 > 3.", "Yes."],
        ["I <3 you.", "It is so.", ">:( Not you."],
        ["In the '90s it was.", "It is.", "The dogs' bowl."],
        ["He came (late.", "She left.", "They went.", "It rained (hard)."],
        ['She said "no way.', "He left.", "They went.", 'He said "yes" and left.'],
        ["She said “no way.", "He left.", "Then “yes” came up."],
        ["She {left.", "He came.", "It was [odd."],
    ],
)
def test_a_sign_without_a_partner_holds_nothing_together(sentences: list[str]) -> None:
    parted(*sentences)


@pytest.mark.parametrize(
    "sentences",
    [
        ["(I did not go.", "But whatever.)", "I went home."],
        ["(I did not go.", "But (as I said. And so on) never.)", "I went home."],
        ["[We left.", "They stayed!]", "It rained."],
        ["He left (I saw it.)", "She cried."],
        ["He left (did you see?)", "She cried."],
        ["He left [I saw it!]", "She cried."],
        ["I said 'No way. Not me.'", "He left."],
        ['He said: "I came. I saw."', "He left."],
        ["He said “I came. I saw!”", "She left."],
        ["He said ‘Why? Why not?’", "She left."],
        ["He said ``I came. I saw.''", "She left."],
        ['He wrote ("I came. I saw.")', "She left."],
        ["He came.", "(He was late.)", "(She was not.)", "They left."],
        ["It ended.)", "She left."],
        ["It ended ( at last. )", "She left."],
        ["He said «Non.»", "(Il part.)", "Fin."],
    ],
)
def test_a_sentence_ends_behind_what_closes_it(sentences: list[str]) -> None:
    parted(*sentences)


@pytest.mark.parametrize(
    "sentence",
    [
        "He left (I saw it.) and cried.",
        "He left (I saw it. You too!) and cried.",
        "He left (really!), and cried.",
        "The Chinese (?) Army left.",
        "See Mr. X (e.g. Dr. Smith) and others (by Dr. Smith) there.",
        "He (cf. Prof. Jones) left.",
        'He said: "I came. I saw."',
        '"I came. I saw." he said.',
        "He said 'I came. I saw.' to her.",
        "He said “Hi. Ok.” twice.",
        "He (“No. Never.”) left.",
        '"How do you do?" (1911) is old.',
        "He said 'It's ok. I'm in.' to her.",
        "A.) That is funny.",
        "He left ( is it right? ) then came back.",
        'He said " I left. " and came back.',
    ],
)
def test_a_pair_holds_a_sentence_together(sentence: str) -> None:
    parted(sentence, "The end.")


def test_pairs_of_scripts_without_spaces() -> None:
    text = "（我没去。但是。）我回家了。他说：「你好。再见。」我走了。"
    found = ["（我没去。", "但是。）", "我回家了。", "他说：「你好。再见。」", "我走了。"]
    assert split_sentences(text) == found


HOSTILE = (
    *("(", "( ", "(. A", "(a. A) ", "a) (b. C", "<a. B", "((a))", "(:", ":(", ".)", "A.) ", "[1]"),
    *("`", "``", "'", "''", "'. A ", '". A ', '"a 6" B. ', "“", "“a. B", "«A. ", '“("‘ A. ', "a'"),
    *("x “a. B” ", "x (a. B) ", "“A. B.” ", "x “a. (b. C) D” "),
)


@pytest.mark.parametrize("piece", HOSTILE)
def test_time_grows_with_the_text_not_faster(piece: str) -> None:
    text = piece * (300_000 // len(piece))
    started = time.process_time()
    split_sentences(text)
    assert (
        time.process_time() - started < 3.0
    )  # a search to the end from each sign takes half a minute


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
