import math

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from src.evaluation.continuation import Continuation
from src.evaluation.metrics.cell_metrics import perplexity
from src.evaluation.scoring import fluency
from src.evaluation.scoring.fluency import Reference, text_after_prompt


def one(prompt, text):
    return Continuation("p", 0, prompt, text, 5, sentences=(text,) if text else ())


@pytest.fixture
def reference(bases, monkeypatch):
    monkeypatch.setattr(fluency, "pick_precision", lambda wanted, device: "fp32")
    return Reference(str(bases["gpt2"]), None, torch.device("cpu"))


def by_hand(base, prompt, text):
    tokenizer = AutoTokenizer.from_pretrained(base)
    model = AutoModelForCausalLM.from_pretrained(base).eval()
    ids = [0, *tokenizer(prompt)["input_ids"], *tokenizer(text)["input_ids"]]
    n = len(tokenizer(text)["input_ids"])
    with torch.no_grad():
        log_p = model(torch.tensor([ids])).logits[0].double().log_softmax(-1)
    return -sum(float(log_p[i - 1, ids[i]]) for i in range(len(ids) - n, len(ids))), n


def test_nats_and_tokens_are_those_of_the_text_after_its_prompt(reference, bases):
    texts = [("The baker opened the door", " and it was lovely."), ("", "I love it.")]
    judged = reference.judge([one(*both) for both in texts], asked=False, placement="after_prompt")
    for found, (prompt, text) in zip(judged, texts, strict=True):
        nats, tokens = by_hand(bases["gpt2"], prompt, text)
        assert found.reference_tokens == tokens
        assert found.reference_nll == pytest.approx(nats, rel=1e-4)
    total = sum(found.reference_nll for found in judged)
    tokens = sum(found.reference_tokens for found in judged)
    assert perplexity(judged) == pytest.approx(math.exp(total / tokens))


def test_empty_and_blank_continuations_weigh_nothing(reference):
    judged = reference.judge(
        [one("A prompt", ""), one("A prompt", " \n")], asked=True, placement="after_prompt"
    )
    assert [(found.reference_nll, found.reference_tokens) for found in judged] == [(0, 0), (0, 0)]


@pytest.mark.parametrize(
    "prompt,text,after_tokens,expected",
    [
        ("It rained.", "Then the sun came.", True, " Then the sun came."),
        ("It rained.", "Then the sun came.", False, "Then the sun came."),
        ("It rained.", " Then the sun came.", True, " Then the sun came."),
        ("It rained. ", "Then", True, "Then"),
        ("It rained", ", and then", True, ", and then"),
        ("", "Then", True, "Then"),
        ("It rained.", "  ", True, ""),
    ],
)
def test_the_space_that_control_tokens_stand_for(prompt, text, after_tokens, expected):
    assert text_after_prompt(one(prompt, text), after_tokens=after_tokens) == expected


def test_the_space_counts_only_where_tokens_stand_after_the_prompt(reference):
    glued = [one("It rained.", "Then the sun came.")]

    def tokens(**how):
        return reference.judge(glued, **how)[0].reference_nll

    after = tokens(asked=True, placement="after_prompt")
    assert after != tokens(asked=False, placement="after_prompt")
    assert tokens(asked=True, placement="before_prompt") == tokens(
        asked=False, placement="after_prompt"
    )
