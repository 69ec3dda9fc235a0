"""From the ids that a model wrote to the text as a reader sees it behind its prompt."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from transformers import PreTrainedTokenizerBase

from src.models.control_tokens import text_ids


def decode_continuation(
    tokenizer: PreTrainedTokenizerBase, prompt: str, ids: Sequence[int], *, after_tokens: bool
) -> str:
    """What was written, as a reader sees it behind its prompt: prompt + continuation is the whole text.

    Many decoders (Llama 2's) take the space from the first word of what they are given, so the new ids are
    decoded together with the prompt's. Behind control tokens a sentence begins as in training, at the
    start of a text: it is parted from the prompt by a space.

    Args:
        prompt: without control tokens; "" for a text from scratch.
        ids: what was written, without end-of-text.
        after_tokens: whether control tokens stood between the two.
    """

    def decoded(ids: Sequence[int]) -> str:
        return tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)

    if not prompt:
        return decoded(ids)
    if after_tokens:
        text = decoded(ids)
        return " " + text if _wants_a_space(prompt, text) else text
    before = text_ids(tokenizer, [prompt])[0]
    front, whole = decoded(before), decoded([*before, *ids])
    # No beginning of it where bytes of the prompt and new ones are no character together.
    return whole[len(front) :] if whole.startswith(front) else decoded(ids)


# What stands without a space behind a word: closing punctuation, and the short forms of English verbs.
_STICKS = re.compile(r"[.,;:!?%)\]}»”…]|['’](?:s|t|d|m|re|ve|ll)\b", re.IGNORECASE)


def _wants_a_space(prompt: str, text: str) -> bool:
    """Whether a space parts a new sentence from the text before it; scripts as wide as Chinese have none."""
    if not text or text[0].isspace() or prompt[-1].isspace():
        return False
    wide = any(unicodedata.east_asian_width(one) in "WF" for one in (prompt[-1], text[0]))
    return not wide and not _STICKS.match(text)
