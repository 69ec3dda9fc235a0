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
# Joiners and tags, and what stands beside them; what ends a link.
FORMATS = "\u200c\u200d\u200dक\u094d\u0301\u0338か\u3099ာ\ufe0f↔🏴\U000e0067\U000e007f"
ENDS = '\u180eᠠ\u0600\u202e()—很"<>&'
PIECES = st.sampled_from((*LETTERS, *STRINGS, *FORMATS, *ENDS))
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
    assert not {unicodedata.category(char) for char in cleaned} & {"Cc", "Cs", "Co"}


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
        ("see http://a.b/c, WWW.x.org and awww.so", "see , and awww.so"),
        ("w\u200bww.x.org", ""),
        ("\u200b a \ufeff b \u200b", "a b"),
        ("a // b: c", "a // b: c"),
        ("\x00\x07\ud800\ue000", ""),
    ],
)
def test_gentle_examples(text: str, cleaned: str) -> None:
    assert clean(text, "gentle") == cleaned


ENGLAND = "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"
SCOTLAND = "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f"


@pytest.mark.parametrize(
    "text",
    [
        ENGLAND,
        SCOTLAND,
        "👨\u200d👩\u200d👧\u200d👦",
        "👩🏽\u200d⚕\ufe0f",  # a skin tone, then a joiner
        "🏳\ufe0f\u200d🌈",  # a selector, then a joiner
        "❤\ufe0f\u200d🔥",
        "🙂\u200d↔\ufe0f",
        "می\u200cروم",  # Persian
        "ශ්\u200dරී",  # Sinhala
        "क्\u200cष",  # Hindi, after a virama
        "র\u200d্যাব",  # Bengali, before a virama
        "അവന്\u200d",  # Malayalam, at the end of a word
        "\u0600\u0661\u0662",  # Arabic number sign
        "\u06dd\u0661",  # end of a verse
        "\u070fܐ",  # Syriac abbreviation
        "\U000110bd\U00011083",  # Kaithi number sign
        "ᠬ\u180eᠠ",  # Mongolian vowel separator
    ],
)
@pytest.mark.parametrize("frame", ["%s", "a %s b", "(%s).", "x%sy"])
def test_gentle_keeps_what_scripts_and_emoji_are_made_of(text: str, frame: str) -> None:
    assert clean(frame % text, "gentle") == frame % text


@pytest.mark.parametrize(
    "text,cleaned",
    [
        ("a\u200db \u200cc\u200d", "ab c"),
        ("é\u200cé", "éé"),
        ("می\u200c روم\u200c", "می روم"),
        ("\u200c", ""),
        ("👨\u200d and \u200d👩", "👨 and 👩"),
        ("می\u200c\u200c\u200cروم", "می\u200cروم"),
        ("می\u200c\u200bروم", "می\u200cروم"),
        ("a\U000e0067\U000e007f 🏴\U000e0067", "a 🏴"),
        ("\U000e0001x", "x"),
        ("\u202egpj\u202c \u2067x\u2069 a\u200e\u061c", "gpj x a"),
        ("x\u180ey", "xy"),
        ("e\u200d\u0301\u200dक", "éक"),
    ],
)
def test_gentle_takes_out_what_does_nothing(text: str, cleaned: str) -> None:
    assert clean(text, "gentle") == cleaned


@pytest.mark.parametrize(
    "text,cleaned",
    [
        ('<a href="http://x">Splendid film</a>', '<a href="">Splendid film</a>'),
        ("<a href='http://x'>Splendid film</a>", "<a href=''>Splendid film</a>"),
        ("<a href=http://x>Splendid</a>", "<a href=>Splendid</a>"),
        ("&lt;a href=&quot;http://x/?a=1&amp;b=2&quot;&gt;Good", "&lt;a href=&quot;&quot;&gt;Good"),
        ("<http://x.org>", "<>"),
        ("[Splendid film](http://x/a_(b)) ok", "[Splendid film]() ok"),
        ("[http://x.org](http://x.org)!", "[]()!"),
        ("\\url{http://x}good", "\\url{}good"),
        ("http://a—it", "—it"),
        ("www.a.org–it", "–it"),
        ("see http://x.com. Yes", "see . Yes"),
        ("(http://x) “http://x” 'http://x/b'", "() “” ''"),
        ("(see www.x.com/a), yes", "(see ), yes"),
        ("http://x.com/?a=1,2&b=c;d#e!", "!"),
        ("http://x/Schindler's_List it", "it"),
        ("**http://x** and _http://x_", "**** and __"),
        ("看http://x.com/a很好", "看很好"),
        ("看www.x.com，很好。", "看，很好。"),
        ("（http://x.com）好", "（）好"),
        ("http://x.com에서 봤다", "에서 봤다"),
        ("http://x.comดีมาก", "ดีมาก"),
        ("http://x😀", "😀"),
        ("http://x؟ http://x، so", "؟ ، so"),
        ("http://x…so", "…so"),
        ("https://de.wikipedia.org/wiki/Köln ist", "ist"),
        ("https://ru.wikipedia.org/wiki/Москва.", "."),
        ("https://hi.wikipedia.org/wiki/हिन्दी है", "है"),
        ("http://例子.中国/a b", "b"),
        ("http://—it and http:// it", "http://—it and http:// it"),
    ],
)
def test_gentle_takes_out_a_link_and_nothing_beside_it(text: str, cleaned: str) -> None:
    assert clean(text, "gentle") == cleaned
    assert clean(cleaned, "gentle") == cleaned


@pytest.mark.parametrize(
    "piece",
    [
        *("x(http://", "http://.", "http://x'", "www.x(", "http://很.", "http://x&"),
        *("क\u200d", "\u200d\u0301", "\u180e", ENGLAND[:2]),
    ],
)
def test_gentle_takes_time_in_proportion_to_the_text(piece: str) -> None:
    started = time.process_time()
    clean("http://x" + piece * (300_000 // len(piece)), "gentle")
    assert time.process_time() - started < 2.0


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
