"""From a text to its sentences: the one way for the data set and for what a model wrote."""

from __future__ import annotations

import re

import sentencex

from src.text.cleaning import Cleaning, clean

# A blank line (white space in it does not count), a form feed, or Unicode's paragraph separator.
_PARAGRAPH_BREAK = re.compile(r"(?>\r\n?|\n)[^\S\r\n]*+(?>\r\n?|\n)|[\f\u2029]")
# sentencex 1.0 stops the process on white space of three bytes (a thin space, U+2028) after an initial,
# and on lone surrogates, which JSON may hold. It is shown one other character in the place of each.
_NOT_FOR_SENTENCEX = re.compile(r"[^\S\x00-\x7f]|[\ud800-\udfff]")


def split_sentences(text: str, language: str = "en") -> list[str]:
    """Split a raw text into sentences.

    A blank line always ends a sentence. A single newline does not, so that wrapped text stays whole;
    it does where the line before it ends a sentence or the next one begins a list item.

    Args:
        text: any text.
        language: ISO 639-1 code, for the abbreviations after which a full stop ends nothing.

    Returns:
        The sentences in order, unchanged inside, without white space at their ends, none empty.
        Joined, they hold every character of the text but white space.
    """
    sentences = []
    for paragraph in _PARAGRAPH_BREAK.split(text):
        for sentence in _segment(paragraph, language):
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
