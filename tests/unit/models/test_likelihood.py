"""Likelihoods of sentences and continuations, and the control AUC, against sums by hand."""

import numpy as np
import pytest
import torch

from src.errors import DataError
from src.models.control_rows import initialise_rows
from src.models.control_tokens import (
    control_ids,
    encode_sentence,
    load_tokenizer,
    text_ids,
)
from src.models.language_model import load_language_model
from src.models.likelihood import (
    continuation_nll,
    control_auc,
    sentence_log_likelihoods,
    sequence_nll,
)
from tests.builders import sentences, tiny_gpt2, tiny_llama
from tests.unit.training.small_data import small_attributes

CPU = torch.device("cpu")
BOTH = ["toxicity", "sentiment"]


@pytest.fixture(scope="module")
def attributes():
    return small_attributes()


@pytest.fixture(scope="module", params=[tiny_gpt2, tiny_llama], ids=["gpt2", "llama"])
def base(request, tmp_path_factory):
    return request.param(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def tokenizer(base, attributes):
    return load_tokenizer(str(base), attributes)


@pytest.fixture(scope="module")
def model(base, tokenizer, attributes):
    model = load_language_model(str(base), device=CPU)
    initialise_rows(model, tokenizer, attributes, from_words=True, seed=0)
    return model


def by_hand(model, ids, n_front, banned):
    """Sum of −log p of the tokens after the front, one sequence at a time, in fp64."""
    logits = model(torch.tensor([ids])).logits[0].detach().double()
    logits[:, list(banned)] = -torch.inf
    log_p = logits.log_softmax(-1)
    return -sum(log_p[t - 1, ids[t]].item() for t in range(n_front, len(ids)))


LABELS = [
    {},
    {"toxicity": "toxic"},
    {"sentiment": "pos", "toxicity": "nontoxic"},
]


def test_sentences_sum_their_targets_under_their_own_condition(model, tokenizer, attributes):
    texts = sentences(12)
    labels = [LABELS[i % 3] for i in range(12)]
    log_p, counts = sentence_log_likelihoods(
        model, tokenizer, texts, labels, attributes, batch_tokens=64
    )
    banned = control_ids(tokenizer, attributes)
    for i, text in enumerate(texts):
        ids, n_front = encode_sentence(
            tokenizer, text_ids(tokenizer, [text])[0], labels[i], attributes
        )
        assert counts[i] == len(text_ids(tokenizer, [text])[0]) + 1
        assert -log_p[i] == pytest.approx(by_hand(model, ids, n_front, banned), abs=1e-3)
    unconditioned, _ = sentence_log_likelihoods(
        model, tokenizer, texts, [{}] * 12, attributes, batch_tokens=64
    )
    assert np.allclose(log_p[::3], unconditioned[::3], atol=1e-4)
    assert (abs(log_p[1::3] - unconditioned[1::3]) > 1e-3).all(), "a condition matters"


def test_the_order_given_does_not_matter(model, tokenizer, attributes):
    texts = sentences(20)
    forwards = sentence_log_likelihoods(model, tokenizer, texts, [{}] * 20, attributes)[0]
    backwards = sentence_log_likelihoods(model, tokenizer, texts[::-1], [{}] * 20, attributes)[0]
    assert np.allclose(forwards, backwards[::-1], atol=1e-4)


def test_a_sequence_without_targets_counts_nothing_and_the_mode_is_restored(model):
    model.train()
    sums, counts = sequence_nll(model, [[0, 5, 6], [0, 5], [0]], [1, 2, 1], [])
    assert model.training
    model.eval()
    assert counts.tolist() == [2, 0, 0]
    assert sums[0] == pytest.approx(by_hand(model, [0, 5, 6], 1, []), abs=1e-4)
    assert sums[1:].tolist() == [0.0, 0.0]


def test_a_text_longer_than_the_models_context_is_an_error(model):
    sequence_nll(model, [[0] * 129], [1], [])
    with pytest.raises(DataError, match=r"129 tokens.*allowed: 128 tokens"):
        sequence_nll(model, [[0] * 130], [1], [])


# -------------------------------------------------------------------------------------- control AUC


def labelled(words):
    """Texts that say a label's word, and labels that fit or not."""
    return [f"my neighbour was {word} and closed the door." for word in words]


@pytest.fixture
def steered(model, tokenizer, attributes, monkeypatch):
    """The model, with a rule instead of learning: after <|pos|> a text is likelier if it says wonderful."""
    from src.models import likelihood

    def scores(model, tokenizer, texts, labels, attributes, **options):
        said = np.array(["wonderful" in text for text in texts])
        asked = np.array([{"pos": 1, "neg": -1}.get(row.get("sentiment"), 0) for row in labels])
        return np.where(said, 1.0, -1.0) * asked - 50.0, None

    monkeypatch.setattr(likelihood, "sentence_log_likelihoods", scores)
    return model


def auc(model, tokenizer, texts, labels, attributes, condition_on=("sentiment",), **options):
    found = control_auc(model, tokenizer, texts, labels, attributes, condition_on, **options)
    return {name: one.value for name, one in found.items()}


def test_a_token_that_means_its_label_scores_one_and_its_reverse_zero(
    steered, tokenizer, attributes
):
    texts = labelled(["wonderful", "terrible"] * 3)
    right = [{"sentiment": "pos"}, {"sentiment": "neg"}] * 3
    wrong = [{"sentiment": "neg"}, {"sentiment": "pos"}] * 3
    assert auc(steered, tokenizer, texts, right, attributes) == {"sentiment": 1.0}
    assert auc(steered, tokenizer, texts, wrong, attributes) == {"sentiment": 0.0}


def test_a_token_that_is_ignored_scores_a_half(steered, tokenizer, attributes):
    texts = labelled(["wonderful", "terrible"] * 3)
    labels = [{"toxicity": label} for label in ("toxic", "nontoxic")] * 3
    found = auc(steered, tokenizer, texts, labels, attributes, ["toxicity"])
    assert found == {"toxicity": 0.5}


def test_labels_in_between_take_no_part(steered, tokenizer, attributes):
    from dataclasses import replace

    three = {
        "sentiment": replace(
            attributes["sentiment"], labels=("neg", "neutral", "pos"), edges=(-0.1, 0.1)
        )
    }
    texts = labelled(["wonderful", "terrible", "wonderful"])
    labels = [{"sentiment": one} for one in ("pos", "neg", "neutral")]
    assert auc(steered, tokenizer, texts, labels, three) == {"sentiment": 1.0}


def test_known_likelihoods_save_a_pass_and_change_nothing(model, tokenizer, attributes):
    texts = sentences(8)
    labels = [
        {"toxicity": a, "sentiment": b} for a in ("toxic", "nontoxic") for b in ("pos", "neg")
    ]
    labels *= 2
    own, _ = sentence_log_likelihoods(model, tokenizer, texts, labels, attributes)
    known = control_auc(model, tokenizer, texts, labels, attributes, BOTH, own=own)
    assert known == control_auc(model, tokenizer, texts, labels, attributes, BOTH)
    assert list(known) == BOTH
    assert control_auc(model, tokenizer, texts, labels, attributes, []) == {}


def test_a_label_without_a_sentence_is_an_error_not_a_number(model, tokenizer, attributes):
    labels = [{"sentiment": "pos"}] * 3
    with pytest.raises(DataError, match=r"both 'neg' and 'pos'; got '0 and 3'"):
        auc(model, tokenizer, sentences(3), labels, attributes)


# --------------------------------------------------------------------------------------- perplexity


def test_a_continuation_is_what_its_prompt_leaves_of_the_whole_text(model, tokenizer):
    prompt, continuation = "The teacher", " walked along the river."
    sums, counts = continuation_nll(
        model, tokenizer, [prompt, ""], [continuation, prompt + continuation]
    )
    whole = [tokenizer.eos_token_id, *text_ids(tokenizer, [prompt + continuation])[0]]
    front = 1 + len(text_ids(tokenizer, [prompt])[0])
    assert counts.tolist() == [len(whole) - front, len(whole) - 1]
    assert sums[0] == pytest.approx(by_hand(model, whole, front, []), abs=1e-3)
    prompt_alone, _ = continuation_nll(model, tokenizer, [""], [prompt])
    assert sums[1] == pytest.approx(prompt_alone[0] + sums[0], abs=1e-3)


def test_an_empty_continuation_weighs_nothing(model, tokenizer):
    sums, counts = continuation_nll(model, tokenizer, ["The teacher", "x"], ["", ""])
    assert (sums.tolist(), counts.tolist()) == ([0.0, 0.0], [0, 0])
    sums, counts = continuation_nll(model, tokenizer, [], [])
    assert sums.shape == counts.shape == (0,)


def test_a_continuation_that_goes_on_inside_a_word_owns_the_whole_token(model, tokenizer):
    _, counts = continuation_nll(model, tokenizer, ["The teach"], ["er walked"])
    assert counts.tolist() == [2]
