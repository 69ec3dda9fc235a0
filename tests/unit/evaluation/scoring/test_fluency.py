import math

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, BertConfig, BertLMHeadModel

from src.errors import UserError
from src.evaluation.continuation import Continuation
from src.evaluation.metrics.perplexity import perplexity
from src.evaluation.scoring import fluency
from src.evaluation.scoring.fluency import Reference


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
    judged = reference.judge([one(*both) for both in texts])
    for found, (prompt, text) in zip(judged, texts, strict=True):
        nats, tokens = by_hand(bases["gpt2"], prompt, text)
        assert found.reference_tokens == tokens
        assert found.reference_nll == pytest.approx(nats, rel=1e-4)
    total = sum(found.reference_nll for found in judged)
    tokens = sum(found.reference_tokens for found in judged)
    assert perplexity(judged).value == pytest.approx(math.exp(total / tokens))


def test_empty_and_blank_continuations_weigh_nothing(reference):
    judged = reference.judge([one("A prompt", ""), one("A prompt", " \n")])
    assert [(found.reference_nll, found.reference_tokens) for found in judged] == [(0, 0), (0, 0)]


def test_a_model_that_looks_ahead_judges_no_fluency(tmp_path, bases):
    folder = tmp_path / "bert"
    AutoTokenizer.from_pretrained(bases["gpt2"]).save_pretrained(folder)
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
    config = BertConfig(vocab_size=900, num_attention_heads=2, **shape)
    BertLMHeadModel(config).save_pretrained(folder)
    with pytest.raises(UserError, match="looks ahead"):
        Reference(str(folder), None, torch.device("cpu"))
