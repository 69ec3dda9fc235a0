"""Validation sentences: balanced, the same for every model; what is measured on them."""

from collections import Counter

import pytest
import torch

from src.errors import DataError, ProjectError
from src.models.control_rows import initialise_rows
from src.models.control_tokens import load_tokenizer
from src.models.language_model import load_language_model
from src.models.likelihood import control_auc, sentence_log_likelihoods
from src.training.validation import Validation, choose_validation
from tests.unit.training.small_data import rows, small_attributes, small_data_set

BOTH = ["toxicity", "sentiment"]


@pytest.fixture(scope="module")
def attributes():
    return small_attributes()


def test_the_draw_is_balanced_over_label_pairs_and_grows_with_its_size(gpt2, attributes):
    small, large = (choose_validation(gpt2[1], attributes, BOTH, n, seed=0) for n in (12, 20))
    assert set(Counter(tuple(row.values()) for row in small.labels).values()) == {3}
    assert set(small.texts) < set(large.texts)
    assert choose_validation(gpt2[1], attributes, BOTH, 12, seed=1).texts != small.texts
    assert len(choose_validation(gpt2[1], attributes, [], 10_000, seed=0).texts) == 40
    by_text = {row["text"]: row["labels"] for row in rows("validation", 40)}
    assert all(by_text[t] == row for t, row in zip(small.texts, small.labels, strict=True))


def test_no_validation_sentence_is_an_error(tmp_path, gpt2, attributes):
    data = small_data_set(tmp_path / "data", gpt2[0], train=8, validation=4)
    for path in data.glob("validation-*"):
        path.unlink()
    with pytest.raises(DataError, match=r"validation-\*"):
        choose_validation(data, attributes, [], 4, seed=0)


def test_a_label_that_the_draw_lacks_is_known_before_training(gpt2, attributes):
    with pytest.raises(DataError, match=r"none of the 1 drawn is (neg|pos)"):
        choose_validation(gpt2[1], attributes, ["sentiment"], 1, seed=0)
    assert len(choose_validation(gpt2[1], attributes, [], 1, seed=0).texts) == 1


@pytest.fixture
def measured(gpt2, attributes):
    tokenizer = load_tokenizer(str(gpt2[0]), attributes)
    model = load_language_model(str(gpt2[0]), device=torch.device("cpu"))
    initialise_rows(model, tokenizer, attributes, from_words=True, seed=0)
    sentences = choose_validation(gpt2[1], attributes, BOTH, 12, seed=0)
    return Validation(model, tokenizer, attributes, BOTH, sentences, "fp32")


def test_the_loss_is_per_token_and_under_the_sentences_own_labels(measured, attributes):
    found = measured()
    log_p, counts = sentence_log_likelihoods(
        measured.model, measured.tokenizer, measured.sentences.texts,
        measured.sentences.labels, attributes,
    )  # fmt: skip
    assert found["eval_loss"] == pytest.approx(-log_p.sum() / counts.sum())
    aucs = control_auc(
        measured.model, measured.tokenizer, measured.sentences.texts,
        measured.sentences.labels, attributes, BOTH,
    )  # fmt: skip
    assert {k: v for k, v in found.items() if "auc" in k} == {
        key: value
        for name, auc in aucs.items()
        for key, value in (
            (f"eval_control_auc_{name}", auc.value),
            (f"eval_auc_low_{name}", auc.low),
            (f"eval_auc_high_{name}", auc.high),
        )
    }


def test_a_broken_model_is_an_error_not_a_row(measured):
    with torch.no_grad():
        measured.model.get_input_embeddings().weight.fill_(float("nan"))
    with pytest.raises(ProjectError, match="validation loss is nan"):
        measured()
