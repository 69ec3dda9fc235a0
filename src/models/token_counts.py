"""How many tokens a text has, for millions of texts: each word is looked at once where that is exact."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Sequence
from itertools import chain

from transformers import PreTrainedTokenizerBase

from src.models.control_tokens import text_ids

# Characters of remembered words; about 100 bytes of memory for each word of seven.
REMEMBERED_CHARACTERS = 8_000_000


def sentence_length(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> list[int]:
    """Tokens of each text with its end-of-text token, without start and control tokens."""
    inner = getattr(tokenizer, "backend_tokenizer", None)
    if inner is None:
        return [len(ids) + 1 for ids in text_ids(tokenizer, texts)]
    # What `text_ids` does, without copying ids to Python and without places in the text. transformers
    # sets all three anew at each of its own calls.
    inner.encode_special_tokens = True
    inner.no_truncation()
    inner.no_padding()
    found = inner.encode_batch_fast(list(texts), add_special_tokens=False)
    return [len(encoding) + 1 for encoding in found]


def tokens_keep_to_words(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether no token reaches over a space, so that a text never has fewer tokens than words.

    Known of byte-level tokenizers alone, by their vocabulary; False for others. Words are what stands
    between spaces, the only white space in it.
    """
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None or "ByteLevel" not in str(backend.pre_tokenizer) or backend.normalizer:
        return False
    # In byte-level vocabularies Ġ is a space and the others are a newline, a return and a tab; in tokens
    # that were added, a space is a space.
    inner = (token.strip("ĠĊčĉ ") for token in backend.get_vocab())
    return not any("Ġ" in token or " " in token for token in inner)


def words_are_encoded_alone(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether a word has the same tokens in any text, so that counts of words add up to those of texts.

    Known of GPT-2's kind of tokenizer alone: byte-level BPE that cuts texts by GPT-2's own pattern, in
    which a single space always begins a piece (Radford et al. 2019, section 2.2; `encoder.py`), after
    cutting out digits at most (SmolLM), which leaves such a space a piece of its own.
    """
    if not tokens_keep_to_words(tokenizer):
        return False
    description = json.loads(tokenizer.backend_tokenizer.to_str())
    model, cuts = description["model"], description["pre_tokenizer"]
    *before, last = cuts.get("pretokenizers", [cuts])
    return (
        last["type"] == "ByteLevel"
        and last["use_regex"]
        and not (before and last["add_prefix_space"])
        and all(one["type"] == "Digits" for one in before)
        and model["type"] == "BPE"
        and not model["dropout"]
        # One that is no special token is found in texts, and may look at what stands beside it.
        and all(token["special"] for token in description["added_tokens"])
        and not any(token.endswith("Ġ") and token.strip("ĠĊčĉ") for token in model["vocab"])
    )


# Characters with every byte that UTF-8 has.
_CHARACTERS = [chr(code) for code in chain(range(0x21, 0x800), range(0x800, 0x110000, 0x40))]


def spells_everything(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether every character that is seen becomes a token, be it an unknown one.

    Not so where a vocabulary has neither all bytes nor an unknown token: others vanish in silence.
    """
    return not any(loses_characters(tokenizer, [one for one in _CHARACTERS if _is_seen(one)]))


def _is_seen(character: str) -> bool:
    """Neither space, control, format or unassigned, nor a mark on another: some tokenizers strip those."""
    return not character.isspace() and unicodedata.category(character)[0] not in "CM"


def loses_characters(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> list[bool]:
    """Per text, whether a character of it that is seen becomes no token, or not all of its bytes do."""
    if not texts:
        return []
    encoded = tokenizer(
        list(texts),
        add_special_tokens=False,
        split_special_tokens=True,
        return_offsets_mapping=True,
    )
    lost = []
    for text, ids, places in zip(
        texts, encoded["input_ids"], encoded["offset_mapping"], strict=True
    ):
        covered = {i for start, end in places for i in range(start, end)}
        vanished = any(i not in covered and _is_seen(one) for i, one in enumerate(text))
        broken = "\ufffd" not in text and "\ufffd" in tokenizer.decode(ids)
        lost.append(vanished or broken)
    return lost


class TokenCounter:
    """`sentence_length` of many texts, three times as fast where words are encoded alone."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        """Look at what kind of tokenizer it is."""
        self.tokenizer = tokenizer
        self._by_words = words_are_encoded_alone(tokenizer)
        self._first: dict[str, int] = {}
        self._later: dict[str, int] = {}
        self._characters = 0

    def lengths(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text with its end-of-text token, without start and control tokens."""
        if not self._by_words:
            return sentence_length(self.tokenizer, texts)
        words = [text.split(" ") for text in texts]
        # Where any other white space stands, what it is cut into depends on what stands beside it.
        plain = [one == text.split() for one, text in zip(words, texts, strict=True)]
        self._learn([one for one, is_plain in zip(words, plain, strict=True) if is_plain])
        others = [text for text, is_plain in zip(texts, plain, strict=True) if not is_plain]
        counted = iter(sentence_length(self.tokenizer, others))
        first, later = self._first, self._later
        return [
            1 + first[one[0]] + sum(map(later.__getitem__, one[1:])) if is_plain else next(counted)
            for one, is_plain in zip(words, plain, strict=True)
        ]

    def _learn(self, texts: Sequence[Sequence[str]]) -> None:
        """Count the tokens of words that are new, at the front of a text and behind a space."""
        if self._characters > REMEMBERED_CHARACTERS:
            self._first, self._later, self._characters = {}, {}, 0
        self._add(self._first, "", (words[0] for words in texts))
        self._add(self._later, " ", chain.from_iterable(words[1:] for words in texts))

    def _add(self, known: dict[str, int], before: str, words: Iterable[str]) -> None:
        new = list(set(words).difference(known))
        lengths = sentence_length(self.tokenizer, [before + word for word in new])
        known.update((word, length - 1) for word, length in zip(new, lengths, strict=True))
        self._characters += sum(map(len, new))
