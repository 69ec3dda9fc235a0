"""Continuations as a reader sees them, whatever spaces a tokenizer's decoder takes or sets."""

import pytest

from src.evaluation.generation.continuation_text import decode_continuation
from src.models.control_tokens import text_ids
from tests.unit import strange_tokenizers as strange

CONTINUED = [
    ("A visiting engineer", " moved the table."),
    ("The old gardener opened the window.", " Her cousin read the report."),
    ("The old gardener opened", " the window and closed the door."),
    ("It was not", " good"),
]


@pytest.mark.parametrize(
    "make", [strange.llama2, strange.metaspace, strange.byte_level], ids=lambda make: make.__name__
)
@pytest.mark.parametrize("prompt,text", CONTINUED)
def test_a_continuation_keeps_the_space_behind_its_prompt(make, prompt, text):
    tokenizer = make()
    before, whole = text_ids(tokenizer, [prompt, prompt + text])
    ids = whole[len(before) :]
    if whole[: len(before)] == before:
        assert decode_continuation(tokenizer, prompt, ids, after_tokens=False) == text
    # Behind control tokens the model writes what stands at the start of a text.
    ids = text_ids(tokenizer, [text.strip()])[0]
    assert decode_continuation(tokenizer, prompt, ids, after_tokens=True) == text
    assert decode_continuation(tokenizer, "", ids, after_tokens=True) == text.strip()


def test_a_decoder_that_sets_spaces_sets_them_behind_the_prompt_too():
    tokenizer = strange.wordpieces()
    ids = text_ids(tokenizer, ["the window ."])[0]
    assert decode_continuation(tokenizer, "opened", ids, after_tokens=False) == " the window."
    assert decode_continuation(tokenizer, "opened the window", ids[-1:], after_tokens=False) == "."


@pytest.mark.parametrize(
    "prompt,text,expected",
    [
        ("It rained.", "Then", " Then"),
        ("It rained.", " Then", " Then"),
        ("It rained. ", "Then", "Then"),
        ("It rained.\n", "Then", "Then"),
        ("It rained.", "@ann said", " @ann said"),
        ("It rained.", '"No," she said', ' "No," she said'),
        ("It rained.", "'Tis true", " 'Tis true"),
        ("It rained.", "(Then)", " (Then)"),
        ("It rained", ", and then", ", and then"),
        ("It rained", "!", "!"),
        ("The hotel", "'s pool", "'s pool"),
        ("The hotel", "\u2019s pool", "\u2019s pool"),
        ("\u4e0b\u96e8\u4e86\u3002", "\u7136\u540e", "\u7136\u540e"),
        ("", "Then", "Then"),
        ("It rained.", "", ""),
    ],
)
def test_a_sentence_behind_control_tokens_is_parted_from_the_prompt(prompt, text, expected):
    tokenizer = strange.byte_level()
    ids = text_ids(tokenizer, [text])[0]
    assert decode_continuation(tokenizer, prompt, ids, after_tokens=True) == expected
