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

_LINK = re.compile(r"(?<!\w)(?:\w++://|[wW]{3}\.)\S+")
# Cc control, Cf format (zero-width, soft hyphen, byte-order mark), Cs surrogate, Co private use.
_INVISIBLE = frozenset(("Cc", "Cf", "Cs", "Co"))


def _clean_paper(text: str) -> str:
    if "://" in text:
        text = _PAPER_LINK.sub("", text)
    return _PAPER_REST.sub("", text)


def _clean_gentle(text: str) -> str:
    text = _collapse(text)
    if not text.isprintable():
        seen = (char for char in text if unicodedata.category(char) not in _INVISIBLE)
        text = _collapse("".join(seen))
    text = unicodedata.normalize("NFC", text)
    if "://" in text or "www." in text.lower():
        text = _collapse(_LINK.sub("", text))
    return text


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
    | removed | links (`scheme://…`, `www.…`, up to white space); control, format, surrogate and
      private-use characters (zero-width, soft hyphen, byte-order mark) |
    | changed | any run of white space to one space, none at the ends; characters to their composed
      form (NFC) |
    | kept | punctuation, case, accents, all scripts, emoji |

    Args:
        text: one sentence; tabs and newlines may be in it.
        mode: `paper` or `gentle`.

    Returns:
        The cleaned text, which may be empty.

    Raises:
        KeyError: no such mode.
    """
    return _CLEANINGS[mode](text)
