"""Sentiment by VADER's lexicon and rules (Hutto and Gilbert, ICWSM 2014)."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field

from src.attributes.scorer import Scorer, package_file_sha256
from src.config.strict import Strict

if TYPE_CHECKING:
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

_APOSTROPHES = (
    "\u2018\u2019\u201a\u201b\u2032\u2035\u275b\u275c\u00b4\u0384\u1fbd\u1fbf\u1fef\u1ffd\u1ffe"
    "\u02b9\u02bb\u02bc\u02bd\u02c8\u02ca\u02cb\u0374\u055a\u05f3\u07f4\u07f5\ua78b\ua78c\uff07\uff40"
    "\x91\x92"  # Windows' quotes, read as Latin-1; and so below
)
_QUOTES = "\u2033\u2036\u275d\u275e\u02ba\u02ee\u02dd\u05f4\u3003\x93\x94"
_ASCII_FORMS = (
    dict.fromkeys(_APOSTROPHES, "'")
    | dict.fromkeys(_QUOTES, '"')
    | dict.fromkeys("\u2010\u2011\u2043\u2212\x96\x97", "-")
    | dict.fromkeys("¡¿⸘", "")  # ASCII has none, and no rule reads them
    | {"؟": "?", "⸮": "?", "՞": "?", "՜": "!", "‽": "?!"}
)
_DASH = r"\u2012-\u2015\u2e3a\u2e3b\ufe31\ufe58\x96\x97"
# Each pattern begins with the signs themselves, so that `re` skips all other characters fast.
# Between two words, but not in a range of numbers, and not the nose of an emoticon.
_DASH_BETWEEN = re.compile(
    rf"[{_DASH}](?<=[^\s:;=(\[{{“‘«„{_DASH}].)[{_DASH}]*+(?=[^\w\s]{{0,3}}\w)(?!(?<=\d[{_DASH}])\d)"
)
# After these a word may follow without a space; after their ASCII forms one stands.
_STOP_BEFORE_WORD = re.compile(r"[…‽؟⁇⁈⁉‼、。，．！？：；｡､](?=[^\W\d])")
_OPENING_BETWEEN = re.compile(r"[¡¿⸘](?<=\S.)(?=\w)")
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")


def _ascii_form(char: str) -> str:
    """What stands for a character in the text that VADER reads."""
    if char in _ASCII_FORMS:
        return _ASCII_FORMS[char]
    category = unicodedata.category(char)
    # A variation selector or a joiner would stick to the words that stand for an emoji.
    if category == "Cf" or "\ufe00" <= char <= "\ufe0f":
        return ""
    compatible = unicodedata.normalize("NFKC", char) if category[0] in "LPS" else " "
    if compatible.isascii() and not compatible.isspace():
        return compatible
    if category in ("Pi", "Pf", "Ps", "Pe"):
        return '"'
    if category[0] == "P":
        return "-" if category == "Pd" else ","
    return char


class _AsciiForms(dict[str, str]):
    """The form of each character, looked into once."""

    def __missing__(self, char: str) -> str:
        self[char] = form = _ascii_form(char)
        return form


class VaderScorer(Scorer):
    """Sentiment from -1 (negative) to 1 (positive).

    VADER's rules know ASCII signs only: `n't`, `!`, `?`, punctuation around a word. It is shown a text
    in which other signs stand in their ASCII form: apostrophes, quotes, dashes, the ellipsis, full-width
    and styled letters and signs. A dash between words, or a full-width stop before one, parts them as
    a space does. Inverted marks and invisible characters are left out, and so are the selectors and
    joiners of emoji, as VADER knows emoji by single characters. ASCII texts, letters of other scripts
    and emoji stay as they are.

    `pos_minus_neg` with one edge at 0 is the paper's label: the larger of `pos` and `neg`, a tie is
    negative. (Both are multiples of 0.001, and of two doubles the larger is the one from which the
    other subtracts to more than 0, so nothing is lost in the difference.)
    """

    class Options(Strict):
        """Options of VADER."""

        value: Literal["pos_minus_neg", "compound"] = Field(
            default="pos_minus_neg",
            description="pos_minus_neg: share of positive less share of negative words; compound: "
            "VADER's own sum of the words' ratings, normalised to -1 … 1",
        )

    packages = ("vaderSentiment",)
    version = 2  # 1 read no apostrophe but the ASCII one
    neutral_score = 0.0  # neither a positive nor a negative word, or as much of both
    _analyzer: SentimentIntensityAnalyzer
    _ascii_forms: _AsciiForms

    def _load(self) -> None:
        from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

        self._analyzer = SentimentIntensityAnalyzer()
        self._ascii_forms = _AsciiForms((emoji, emoji) for emoji in self._analyzer.emojis)

    def _score(self, texts: list[str]) -> np.ndarray:
        found = (self._analyzer.polarity_scores(self._readable(text)) for text in texts)
        if self.options.value == "compound":
            return np.array([one["compound"] for one in found])
        return np.array([one["pos"] - one["neg"] for one in found])

    def _readable(self, text: str) -> str:
        """The text as VADER's rules can read it."""
        if text.isascii():
            return text
        text = _DASH_BETWEEN.sub(" - ", text)
        text = _STOP_BEFORE_WORD.sub(r"\g<0> ", text)
        text = _OPENING_BETWEEN.sub(" ", text)
        return _NOT_ASCII.sub(lambda found: self._ascii_forms[found[0]], text)

    def _weights(self) -> dict[str, str]:
        files = ("vader_lexicon.txt", "emoji_utf8_lexicon.txt")
        return {name: package_file_sha256("vaderSentiment", name) for name in files}
