"""Counts of tokens: those of the ids, whatever the text and however they were counted."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer
from transformers import PreTrainedTokenizerFast

from src.models import token_counts
from src.models.control_tokens import load_tokenizer, text_ids
from src.models.token_counts import (
    TokenCounter,
    sentence_length,
    tokens_keep_to_words,
    words_are_encoded_alone,
)
from tests.builders import END_OF_TEXT, sentences, tiny_tokenizer
from tests.unit.training.small_data import small_attributes

TEXTS = [
    *sentences(30),
    "",
    " ",
    "Hi.",
    END_OF_TEXT,
    "a <|pos|> b",
    "<|nontoxic|> said <|endoftext|>",
    "Élan, naïve — 😀\n",
    "a  b\u3000c",
    " it's they'll 've've 1234 $5.00 a\tb a\n b a \nb",
    "word " * 300,
    "naïve 😀 text " * 60,
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_tokenizer(tmp_path_factory.mktemp("tokenizer"))


@pytest.fixture
def tokenizer(folder):
    return load_tokenizer(str(folder), small_attributes())


def changed(tokenizer, **parts):
    """The tokenizer with parts of its description replaced."""
    description = json.loads(tokenizer.backend_tokenizer.to_str())
    for part, content in parts.items():
        description[part] = description[part] | content
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(description)), eos_token=END_OF_TEXT
    )


def cutting_digits_out(tokenizer, each_alone):
    """As SmolLM's tokenizer does."""
    description = json.loads(tokenizer.backend_tokenizer.to_str())
    digits = {"type": "Digits", "individual_digits": each_alone}
    parts = [digits, description["pre_tokenizer"]]
    return changed(tokenizer, pre_tokenizer={"type": "Sequence", "pretokenizers": parts})


def test_a_length_is_that_of_the_ids_whatever_was_encoded_before(tokenizer):
    tokenizer(["one", "a longer one"], padding=True, truncation=True, max_length=4)
    lengths = sentence_length(tokenizer, TEXTS)
    assert lengths == [len(ids) + 1 for ids in text_ids(tokenizer, TEXTS)]
    assert lengths[TEXTS.index("")] == 1 < lengths[TEXTS.index(END_OF_TEXT)]
    assert max(lengths) > 128
    assert sentence_length(tokenizer, []) == []


def test_tokens_keep_to_words_where_the_vocabulary_says_so(tokenizer):
    assert tokens_keep_to_words(tokenizer)
    tokenizer.add_tokens(["of the"])
    assert not tokens_keep_to_words(tokenizer)


@pytest.mark.parametrize("digits", [None, True, False])
def test_words_add_up_to_their_text(tokenizer, digits):
    tokenizer = tokenizer if digits is None else cutting_digits_out(tokenizer, digits)
    assert words_are_encoded_alone(tokenizer)
    counter = TokenCounter(tokenizer)
    for _ in range(2):  # words that are new, and words that are known
        assert counter.lengths(TEXTS) == sentence_length(tokenizer, TEXTS)
    assert counter.lengths([]) == []


PARTS = st.one_of(st.text(max_size=4), st.sampled_from([" ", "'s", "\n", "1", "23"]))


@given(st.lists(st.lists(PARTS)), st.booleans())
def test_words_add_up_whatever_they_are(folder, parts, digits_apart):
    tokenizer = load_tokenizer(str(folder))
    tokenizer = cutting_digits_out(tokenizer, True) if digits_apart else tokenizer
    texts = [text.encode("utf-8", "ignore").decode() for text in map("".join, parts)]
    texts += [text.encode("utf-8", "ignore").decode() for text in map(" ".join, parts)]
    assert TokenCounter(tokenizer).lengths(texts) == sentence_length(tokenizer, texts)


def test_what_is_remembered_has_an_end(tokenizer, monkeypatch):
    monkeypatch.setattr(token_counts, "REMEMBERED_CHARACTERS", 50)
    counter = TokenCounter(tokenizer)
    for text in TEXTS:
        assert counter.lengths([text]) == sentence_length(tokenizer, [text])
        assert counter._characters <= 50 + sum(map(len, TEXTS))
    assert len(counter._later) < len({word for text in TEXTS for word in text.split()[1:]})


def test_other_tokenizers_are_not_taken_apart(tokenizer):
    """A pattern of their own, dropout, tokens over spaces, tokens that look at their neighbours."""
    assert words_are_encoded_alone(changed(tokenizer))
    other_pattern = changed(tokenizer, pre_tokenizer={"use_regex": False})
    with_dropout = changed(tokenizer, model={"dropout": 0.1})
    over_space = changed(tokenizer)
    over_space.add_tokens(["of the"])
    looks_around = changed(tokenizer)
    looks_around.add_tokens([AddedToken("teacher", single_word=True, rstrip=True)])
    for other in (other_pattern, with_dropout, over_space, looks_around):
        assert not words_are_encoded_alone(other)
    text = "the teacher read of the report"
    for exact in (other_pattern, over_space, looks_around):
        assert TokenCounter(exact).lengths([text]) == sentence_length(exact, [text])
