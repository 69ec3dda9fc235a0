"""What is taken out of a sentence: as the paper did it, or gently.

Both take time in proportion to the text, also on text made to be slow (a megabyte without a space).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from typing import Literal

Cleaning = Literal["paper", "gentle"]

# `paper`, first pass: rule 3. A run of word characters is looked at once, from its start: rule 3 takes
# a run from its first ASCII letter or digit on, and rule 2 takes every character before that.
_PAPER_LINK = re.compile(r"(?<!\w)[^\W0-9A-Za-z]*+[0-9A-Za-z]\w*+://\S+")
# `paper`, second pass: rules 1, 2, 4 and 5. `@` is apart from the other characters of rule 2, so that a
# run of them does not swallow the beginning of rule 1's literal. `.` stops at a newline.
_PAPER_REST = re.compile(r"@\[A-Za-z0-9\]+|@|[^0-9A-Za-z ?.'!@]+|^rt|http.")

# Scripts written without spaces between words, and Korean, which ties particles to a word: a text in
# them goes on where a link in front of it ends.
_UNSPACED = r"\u0e00-\u109f\u1100-\u11ff\u1780-\u17ff\u1950-\u19ff\u1a20-\u1aaf\u2e80-\U0010ffff"
# Word characters of all other scripts, and their marks and joiners, which `\w` does not hold.
_MARKS = r"\u0300-\u036f\u0610-\u061a\u064b-\u065f\u0900-\u0963\u0971-\u0dff\u200c\u200d"
_LETTER = rf"(?:[^\W\x00-\x7f{_UNSPACED}]|[{_MARKS}])"
# `&quot;` and the like end a link as their characters do.
_SAFE = rf"(?:[0-9A-Za-z/@#%$+=\-]|{_LETTER}|&(?!quot;|[lg]t;|apos;|#3[49];))"
_BRACKETS = rf"\((?:{_SAFE}|[.,;:!?~*_])*+\)"
# Punctuation is of a link only where the link goes on behind it, a bracket only with its partner.
_MORE = rf"(?:{_SAFE}|{_BRACKETS}|[.,;:!?~*_]++(?:{_SAFE}|{_BRACKETS})|'(?=\w))*+"
# After a scheme stands a host: one in a script without spaces is taken up to the end of its word.
_HOST = rf"(?=[{_UNSPACED}])\w++(?:[.\-]\w++)*+"
_LINK = re.compile(
    rf"(?<![0-9A-Za-z])(?:[0-9A-Za-z]++://(?:{_HOST}|{_SAFE}){_MORE}|[wW]{{3}}\.{_SAFE}{_MORE})"
)
# Cc control, Cf format (zero-width, soft hyphen, byte-order mark), Cs surrogate, Co private use.
_INVISIBLE = frozenset(("Cc", "Cf", "Cs", "Co"))
# Format characters that show or shape something: number and verse signs of Arabic, Syriac and Kaithi,
# and what joins hieroglyphs, notes and shorthand.
_MEANT = re.compile(
    "[\u0600-\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd\U00013430-\U0001343f"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    # And what is kept where its neighbours want it.
    "\u180e\u200c\u200d\U000e0020-\U000e007f]"
)
# A flag of a part of a country: its letters as tags after a black flag, and the tag that ends them.
_FLAG_OR_TAG = re.compile(
    "(\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{3,6}\U000e007f)|[\U000e0020-\U000e007f]"
)
_VIRAMA = 9  # its combining class
_JOINER_RUN = re.compile("[\u200c\u200d]+")
_LOST_VOWEL_SEPARATOR = re.compile("(?<![\u1820-\u18aa\u180b-\u180d])\u180e+|(?<=\u180e)\u180e+")


def _clean_paper(text: str) -> str:
    if "://" in text:
        text = _PAPER_LINK.sub("", text)
    return _PAPER_REST.sub("", text)


def _clean_gentle(text: str) -> str:
    text = _tidy(text)
    if "://" in text or "www." in text.lower():
        without = _LINK.sub("", text)
        if without != text:
            text = _tidy(without)
    return text


def _tidy(text: str) -> str:
    text = unicodedata.normalize("NFC", _collapse(text))
    if text.isprintable():
        return text
    text = _collapse("".join(filter(_stays, text)))
    text = _FLAG_OR_TAG.sub(r"\1", text)
    text = _LOST_VOWEL_SEPARATOR.sub("", text)
    # What was taken out may have parted a letter from its accent.
    text = _JOINER_RUN.sub(_joiner, unicodedata.normalize("NFC", text))
    return _collapse(unicodedata.normalize("NFC", text))


def _stays(char: str) -> bool:
    """Whether a character is kept, wherever it stands or until its neighbours are looked at."""
    if unicodedata.category(char) not in _INVISIBLE:
        return True
    return _MEANT.match(char) is not None


def _joiner(run: re.Match[str]) -> str:
    """What is left of a run of joiners: the first one, where it joins or parts something."""
    text, before, after = run.string, run.start() - 1, run.end()
    while before >= 0 and _is_accent(text[before]):
        before -= 1
    if before < 0 or not _joinable(text[before]):
        return ""
    first = run[0][0]
    if after < len(text) and (_joinable(text[after]) or _is_accent(text[after])):
        return first
    # At the end of a word a joiner after a virama shapes the letter before it (Malayalam's chillus).
    return first if first == "\u200d" and unicodedata.combining(text[before]) == _VIRAMA else ""


def _is_accent(char: str) -> bool:
    """A mark of no script, which grows together with its letter in NFC."""
    return unicodedata.combining(char) > 0 and unicodedata.name(char, "").startswith("COMBINING")


def _joinable(char: str) -> bool:
    """A letter of a script whose letters join, one of its marks, or an emoji."""
    if char.isascii():
        return False
    category = unicodedata.category(char)
    if category in ("Lo", "Lm", "So", "Sm", "Sk", "Mn", "Mc"):
        return not _is_accent(char)
    return category in ("Lu", "Ll") and unicodedata.bidirectional(char) == "R"  # Adlam


def _collapse(text: str) -> str:
    return " ".join(text.split())


_CLEANINGS: dict[str, Callable[[str], str]] = {"paper": _clean_paper, "gentle": _clean_gentle}


def clean(text: str, mode: Cleaning) -> str:
    """Clean one sentence.

    `paper` is the paper's definition, exactly: one pass from left to right; at each position these
    are tried in order, and what matches is removed. Nothing is stripped or collapsed.

    | rule | removed |
    | --- | --- |
    | 1 | the literal `@[A-Za-z0-9` and one or more `]` after it (meant as a mention; a slip, kept) |
    | 2 | any one character but ASCII letters, ASCII digits, space, `?`, `.`, `'`, `!` |
    | 3 | word characters (of any script), `://`, and all up to the next white space |
    | 4 | `rt` at the very start of the text, also where a word goes on (`rtx` becomes `x`) |
    | 5 | `http` and the one character after it, if there is one and it is not a newline |

    `gentle` changes what no reader would miss, and `clean(clean(text)) == clean(text)`:

    | | |
    | --- | --- |
    | removed | links (`scheme://…`, `www.…`) and nothing beside them; control, surrogate, private-use
      and format characters (zero-width space, soft hyphen, byte-order mark, marks of direction) |
    | changed | any run of white space to one space, none at the ends; characters to their composed
      form (NFC) |
    | kept | punctuation, case, accents, all scripts, emoji; the format characters of which these
      are made: joiners between letters or emoji, tags of a flag, number signs |

    A link is a run of the ASCII characters of addresses and of letters of scripts that put spaces
    between words. It ends before a quote, `<`, `>`, a dash, full-width punctuation, an emoji, Chinese,
    Japanese, Korean, Thai and their like (its host alone may be in such a script), before a bracket
    without its partner in the link, and before the punctuation that ends it.

    Marks of direction go, since they change the order in which a line is shown, and no letter of it.

    Args:
        text: one sentence; tabs and newlines may be in it.
        mode: `paper` or `gentle`.

    Returns:
        The cleaned text, which may be empty.

    Raises:
        KeyError: no such mode.
    """
    return _CLEANINGS[mode](text)
