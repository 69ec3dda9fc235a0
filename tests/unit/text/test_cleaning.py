"""`clean`: `paper` against a slow copy of its definition, `gentle` by its promises."""

from __future__ import annotations

import string
import time
import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from src.text.cleaning import clean

KEPT_BY_PAPER = set(string.ascii_letters + string.digits + " ?.'!")
# Pieces that set the rules against each other, beside any character at all.
LETTERS = "aAéß_9東 @[]:/.,?'!-\n\t\r\u00a0\u200b\u2028\x1c\ud800😀"
STRINGS = (
    *("rt", "RT", "http", "https", "://", "www.", "WWW.", "@[A-Za-z0-9", "@[A-Za-z0-9]", "a://b"),
    *("http://a.b/c?d=e", "é://x", "_ftp://y", "e\u0301", "\ufeff", "\u00ad", "\ue000"),
)
PIECES = st.sampled_from((*LETTERS, *STRINGS))
TEXTS = st.lists(PIECES | st.characters(), max_size=25).map("".join)


def _is_word(char: str) -> bool:
    return char.isalnum() or char == "_"  # how `re` defines \w


def _match_mention(text: str, at: int) -> int:
    literal = "@[A-Za-z0-9"
    if not text.startswith(literal, at):
        return 0
    end = at + len(literal)
    while end < len(text) and text[end] == "]":
        end += 1
    return end - at if end > at + len(literal) else 0


def _match_link(text: str, at: int) -> int:
    end = at
    while end < len(text) and _is_word(text[end]):
        end += 1
    if end == at or not text.startswith("://", end):
        return 0
    start_of_rest = end = end + 3
    while end < len(text) and not text[end].isspace():
        end += 1
    return end - at if end > start_of_rest else 0


def _paper_slowly(text: str) -> str:
    """The definition, character by character, without `re`."""
    kept, at = [], 0
    while at < len(text):
        size = _match_mention(text, at)
        if not size and text[at] not in KEPT_BY_PAPER:
            size = 1
        if not size:
            size = _match_link(text, at)
        if not size and at == 0 and text.startswith("rt"):
            size = 2
        if not size and text.startswith("http", at) and text[at + 4 : at + 5] not in ("", "\n"):
            size = 5
        if not size:
            kept.append(text[at])
            size = 1
        at += size
    return "".join(kept)


@settings(max_examples=1500)
@given(TEXTS)
@example("http")
@example("http\nx")
@example("httphttp://x y")
@example("#@[A-Za-z0-9]]x")
@example("http@[A-Za-z0-9] b")
@example("é_a://b c")
@example("東://b c")
@example("rtrt")
@example("\nrt")
@example("a:// b://c://d e")
def test_paper_equals_its_definition(text: str) -> None:
    assert clean(text, "paper") == _paper_slowly(text)


@pytest.mark.parametrize(
    "text,cleaned",
    [
        ("rt @user: Great day, isn't it?! #sun", " user Great day isn't it?! sun"),
        ("rtx", "x"),
        ("RT x", "RT x"),
        ("see https://a.b/c?d now", "see  now"),
        ("http and https", "and "),
        ("a\tb\nc", "abc"),
        ("café", "caf"),
        ("@[A-Za-z0-9]]] hi", " hi"),
        ("", ""),
    ],
)
def test_paper_examples(text: str, cleaned: str) -> None:
    assert clean(text, "paper") == cleaned


@settings(max_examples=1500)
@given(TEXTS)
def test_gentle_keeps_its_promises(text: str) -> None:
    cleaned = clean(text, "gentle")
    assert clean(cleaned, "gentle") == cleaned
    assert unicodedata.is_normalized("NFC", cleaned)
    assert cleaned == " ".join(cleaned.split())
    assert not {unicodedata.category(char) for char in cleaned} & {"Cc", "Cf", "Cs", "Co"}


@settings(max_examples=500)
@given(st.text(st.characters(categories=["L", "N", "P", "S", "M"]), max_size=30))
def test_gentle_keeps_letters_punctuation_and_accents(text: str) -> None:
    if "://" not in text and "www." not in text.lower():
        assert clean(text, "gentle") == unicodedata.normalize("NFC", text)


@pytest.mark.parametrize(
    "text,cleaned",
    [
        ("  Élan\u00a0vital,\n (yes) – “so” 😀 ", "Élan vital, (yes) – “so” 😀"),
        ("e\u0301\u200b x\u00ady\ufeff", "é xy"),
        ("e\u200b\u0301", "é"),
        ("see http://a.b/c, WWW.x.org and awww.so", "see and awww.so"),
        ("w\u200bww.x.org", ""),
        ("\u200b a \ufeff b \u200b", "a b"),
        ("a // b: c", "a // b: c"),
        ("\x00\x07\ud800\ue000", ""),
    ],
)
def test_gentle_examples(text: str, cleaned: str) -> None:
    assert clean(text, "gentle") == cleaned


@pytest.mark.parametrize("mode", ["paper", "gentle"])
@pytest.mark.parametrize("piece", ["a", "aé", "http", "@[A-Za-z0-9", "é", ":/", "a:/", "www"])
def test_time_grows_with_the_text_not_faster(mode: str, piece: str) -> None:
    text = piece * (300_000 // len(piece)) + " a://b"
    started = time.process_time()
    clean(text, mode)
    assert time.process_time() - started < 2.0  # a scan per character would take minutes


def test_unknown_mode_is_an_error() -> None:
    with pytest.raises(KeyError, match="rough"):
        clean("x", "rough")  # type: ignore[arg-type]
