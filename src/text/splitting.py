"""From a text to its sentences: the one way for the data set and for what a model wrote."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right

import sentencex

from src.text.cleaning import Cleaning, clean

# A blank line (white space in it does not count), a form feed, or Unicode's paragraph separator.
# The pattern begins with a set of characters: so `re` skips all others five times as fast.
_PARAGRAPH_BREAK = re.compile(
    r"[\r\n\f\u2029](?:(?<=[\f\u2029])|(?:(?<=\r)\n)?+[^\S\r\n]*+(?>\r\n?|\n))"
)
# sentencex 1.0 stops the process on white space of three bytes (a thin space, U+2028) after an initial,
# and on lone surrogates, which JSON may hold. It is shown one other character in the place of each.
_NOT_FOR_SENTENCEX = re.compile(r"[^\S\x00-\x7f]|[\ud800-\udfff]")

# sentencex ends no sentence between a sign of a pair and the next partner, however far, whether or not
# the two belong together. What it so holds together is looked at again, by the pairs below.
_CLOSERS = {
    **{"(": ")", "[": "]", "{": "}", "<": ">", "（": "）", "［": "］", "【": "】", "〔": "〕"},
    **{"“": "”", "‘": "’", "„": "“”", "‚": "‘’", "‟": "”‟", "‛": "’‛", "«": "»", "»": "«"},
    **{"‹": "›", "›": "‹", "《": "》", "〈": "〉", "「": "」", "『": "』", "”": "”"},
    **{'"': '"', "'": "'", "`": "`'", "``": "''", "''": "''"},
}
_BRACKETS = frozenset("([{<（［【〔")
_STRAIGHT = frozenset(('"', "'", "`", "``", "''"))
_PAIRED = "".join(sorted({*"".join(_CLOSERS), *"".join(_CLOSERS.values())}))
_OTHER_PAIRED = re.compile("[" + "".join(sign for sign in _PAIRED if not sign.isascii()) + "]")
# `other` is what only looks like a sign of a pair: a numbered reference, an apostrophe inside a word, an
# emoticon from either side, a comparison.
_SIGN = re.compile(
    rf"(?=[{re.escape(_PAIRED)}:;=])(?:"
    r"(?P<other>\[\d+\]|(?<=\w)['’](?=\w)|(?<!\w)[:;=][-^o'’*]{0,2}[()\[\]{}<>|]+"
    r"|[(\[{<][-^o'’*]{0,2}[:;=](?!\S)|(?<=\w)<|<(?![A-Za-z/!]))"
    rf"|``|''|[{re.escape(_PAIRED)}])"
)
_SHUTTING = "".join(sorted({*"".join(_CLOSERS.values())}))
# What may end a sentence, with more behind it.
_END = re.compile(rf"[.!?…‽।۔؟][{re.escape(_SHUTTING)}]*+\s+\S|[。！？｡]")
# Text cut into words has a space before a closing sign too.
_TAIL = re.compile(rf"[{re.escape(_SHUTTING)}]*+(?:\s+[)\]}}」』）】]+(?!\S))*+(\s*)")
_ONLY_SHUTTING = re.compile(rf"[{re.escape(_SHUTTING)}\s]*+\Z")
_LIST_MARK = re.compile(r"\s*\w{1,3}\.[)\]]")  # "a.) "
_NO_WORD = re.compile(r"[(\[（]\W+\Z")  # "(?)"
_GOES_ON = re.compile(r"[,;–—-]|:(?!\S)|[(\[][0-9a-z]|[\"'`]+\s+[a-z]")
_IDEOGRAPHIC_END = frozenset("。！？｡")
_FAR = 500  # characters between two signs that are not taken for a pair any more
_STEPS = 100_000_000  # about a third of a second
_DEEP = 8  # pairs in pairs; what is outside of them is forgotten


def split_sentences(text: str, language: str = "en") -> list[str]:
    """Split a raw text into sentences.

    A blank line always ends a sentence. A single newline does not, so that wrapped text stays whole;
    it does where the line before it ends a sentence or the next one begins a list item.

    No sentence ends inside a quote, or inside a bracket that opens within a sentence; a bracket that
    opens where a sentence begins holds sentences of its own. A sentence whose full stop stands before
    a closing quote or bracket ends behind it, if no small letter follows. Two signs are a pair where
    they stand as a pair does and not far apart: emoticons, inch marks and comparisons are none.

    Args:
        text: any text.
        language: ISO 639-1 code, for the abbreviations after which a full stop ends nothing.

    Returns:
        The sentences in order, unchanged inside, without white space at their ends, none empty.
        Joined, they hold every character of the text but white space.
    """
    sentences = []
    for paragraph in _PARAGRAPH_BREAK.split(text):
        if not _may_hold_pairs(paragraph):
            pieces = _segment(paragraph, language)
        else:
            pieces = [paragraph] if _too_slow(paragraph) else _segment(paragraph, language)
            pieces = _with_their_closers(pieces)
            pieces = [part for piece in pieces for part in _parted(piece, language)]
        for sentence in pieces:
            sentence = sentence.strip()
            if sentence:
                sentences.append(sentence)
    return sentences


def _segment(paragraph: str, language: str) -> list[str]:
    """What sentencex finds, cut from the paragraph as it is."""
    if paragraph.isascii():
        return sentencex.segment(language, paragraph)
    shown = _NOT_FOR_SENTENCEX.sub(lambda found: " " if found[0].isspace() else "\ufffd", paragraph)
    pieces, start = [], 0
    for piece in sentencex.segment(language, shown):
        pieces.append(paragraph[start : start + len(piece)])
        start += len(piece)
    return pieces


def _may_hold_pairs(text: str) -> bool:
    """Whether there may be a sign that opens a pair; quick, since most paragraphs hold none."""
    if "(" in text or '"' in text or "[" in text or "<" in text:
        return True
    if "'" in text and (" '" in text or text[0] == "'" or "\n'" in text):
        return True
    if ")" in text or "{" in text or "`" in text:
        return True
    return not text.isascii() and _OTHER_PAIRED.search(text) is not None


def _too_slow(text: str) -> bool:
    """Whether sentencex might look for partners for long: it does so to the end, from each sign."""
    if len(text) ** 2 < _STEPS:
        return False
    return len(text) * sum(map(text.count, _PAIRED)) > _STEPS


def _tail_at(piece: str, at: int) -> re.Match[str]:
    """What shuts a sentence from a place on, and the space after it; either may be empty."""
    found = _TAIL.match(piece, at)
    assert found is not None, "the pattern matches the empty text"
    return found


def _with_their_closers(pieces: list[str]) -> list[str]:
    """The pieces, none of which begins with what closes the one before it."""
    moved = pieces[:1]
    for piece in pieces[1:]:
        tail = _tail_at(piece, 0)
        if tail[1] and tail.start(1) and not moved[-1][-1:].isspace():
            moved[-1] += tail[0]
            piece = piece[tail.end() :]
        moved.append(piece)
    return moved


def _parted(piece: str, language: str) -> list[str]:
    """One piece of sentencex, parted at the ends of sentences that no real pair holds together."""
    piece = piece.strip()
    if not (piece and _may_hold_pairs(piece) and _END.search(piece)):
        return [piece]
    starts = _starts_without_pairs(piece, language)
    if not starts:
        return [piece]
    held: set[int] = set()
    for opened, closed in _pairs(piece, starts):
        held.update(starts[bisect_right(starts, opened) : bisect_right(starts, closed)])
    starts = [start for start in starts if start not in held]
    return [piece[a:b] for a, b in zip([0, *starts], [*starts, len(piece)], strict=True)]


def _blank(sign: re.Match[str]) -> str:
    if sign["other"] and sign[0][0] in "['’" and sign[0][-1] in "]'’":
        return sign[0]
    return " " * len(sign[0])


def _starts_without_pairs(piece: str, language: str) -> list[int]:
    """Where sentences but the first begin, if no sign pairs with another one."""
    starts, at = [], 0
    for part in _segment(_SIGN.sub(_blank, piece), language)[:-1]:
        begin, end, at = at, at + len(part.rstrip()), at + len(part)
        tail = _tail_at(piece, end)
        parted = tail[1] or piece[end - 1] in _IDEOGRAPHIC_END
        shut = tail.start(1) > end or piece[tail.end() : tail.end() + 1] in _SHUTTING
        if parted and end > begin and not (shut and _ends_nothing(piece, begin, end, tail.end())):
            starts.append(tail.end())
    return [start for start in starts if not _ONLY_SHUTTING.match(piece, start)]


def _ends_nothing(piece: str, begin: int, end: int, start: int) -> bool:
    """Whether a full stop before a closing sign ends no sentence; about others sentencex knows."""
    goes_on = piece[start : start + 1].islower() or _GOES_ON.match(piece, start)
    marks_only = _NO_WORD.search(piece, max(begin, end - 4), end)
    return bool(goes_on or marks_only or _LIST_MARK.match(piece, begin, start))


def _pairs(piece: str, starts: list[int]) -> list[tuple[int, int]]:
    """The pairs that hold together what is between them, each by the places of its two signs."""
    pairs: list[tuple[int, int]] = []
    waiting: list[tuple[int, str]] = []  # signs that opened: place and sign
    for found in _SIGN.finditer(piece):
        if found["other"]:
            continue
        sign, at = found[0], found.start()
        before, after = piece[at - 1 : at] if at else "", piece[found.end() : found.end() + 1]
        opener = _opener_of(sign, waiting) if _may_shut(sign, before, after) else None
        if opener is not None:
            opened = waiting[opener][0]
            del waiting[opener:]
            if _holds_together(piece, opened, at, starts):
                pairs.append((opened, at))
        elif sign in _CLOSERS and _may_open(sign, before, after):
            if sign in _CLOSERS[sign]:  # the same sign once more: the earlier one never closed
                waiting = [one for one in waiting if one[1] != sign]
            waiting = [*waiting[1 - _DEEP :], (at, sign)]
    return pairs


def _opener_of(sign: str, waiting: list[tuple[int, str]]) -> int | None:
    places = range(len(waiting) - 1, -1, -1)
    return next((i for i in places if sign in _CLOSERS[waiting[i][1]]), None)


def _may_open(sign: str, before: str, after: str) -> bool:
    straight = sign in _STRAIGHT
    return after != "" and not after.isspace() and not (straight and _is_word(before))


def _may_shut(sign: str, before: str, after: str) -> bool:
    straight = sign in _STRAIGHT or sign == "’"
    return before != "" and not before.isspace() and not (straight and _is_word(after))


def _is_word(char: str) -> bool:
    return char.isalnum() or char == "_"


def _holds_together(piece: str, opened: int, at: int, starts: list[int]) -> bool:
    if at - opened > _FAR:
        return False
    first = bisect_left(starts, opened)
    if piece[opened] in _BRACKETS:  # it does, where it opens within a sentence
        return opened > 0 and starts[first : first + 1] != [opened]
    # An inch, a minute or a possessive may close a quote, but not one of several sentences.
    sign, last = piece[at], piece[at - 1]
    weak = (sign in "'’" and _is_word(last)) or (sign == '"' and last.isdigit())
    return not weak or bisect_left(starts, at) == bisect_right(starts, opened)


def sentences_of(text: str, cleaning: Cleaning, language: str = "en") -> list[str]:
    """The sentences of a text, split and cleaned: the unit of the data set and of every metric.

    The data set's pipeline takes the same two steps one after the other, so that it can count what
    falls out at each. Rows that come as ready sentences skip the split: `clean` alone.

    Args:
        text: any text.
        cleaning: `paper` or `gentle`, see `clean`.
        language: see `split_sentences`.

    Returns:
        The cleaned sentences in order; what holds nothing but white space after cleaning is left out.
    """
    cleaned = (clean(sentence, cleaning) for sentence in split_sentences(text, language))
    return [sentence for sentence in cleaned if not sentence.isspace() and sentence]
