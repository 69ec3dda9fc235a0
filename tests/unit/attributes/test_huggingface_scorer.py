"""Any text classifier: the numbers of transformers' own pipeline, and no code of strangers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    GPT2Config,
    GPT2ForSequenceClassification,
    RobertaConfig,
    RobertaForSequenceClassification,
    TextClassificationPipeline,
)

from src.attributes.scorer import Scorer, build_scorer
from src.config.attributes import ScorerArgs
from src.errors import ScorerError, UnavailableError, UserError
from tests.builders import build_tokenizer, sentences, tiny_text_classifier

TEXTS = [*sentences(24), "", "No!"]


def scorer(folder: Path | str, **options: object) -> Scorer:
    return build_scorer(ScorerArgs(name="huggingface", model=str(folder), device="cpu", **options))


def pipeline_scores(folder: Path, label: str, function: str | None = None) -> list[float]:
    pipeline = TextClassificationPipeline(
        model=AutoModelForSequenceClassification.from_pretrained(folder),
        tokenizer=AutoTokenizer.from_pretrained(folder),
        device="cpu",
    )
    rows = pipeline(TEXTS, top_k=None, function_to_apply=function, truncation=True)
    return [next(one["score"] for one in row if one["label"] == label) for row in rows]


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_text_classifier(tmp_path_factory.mktemp("three"), ["calm", "cross", "1"])


@pytest.mark.parametrize(
    "labels,problem_type",
    [
        (["a", "b", "c"], None),
        (["a", "b", "c"], "single_label_classification"),
        (["a", "b", "c"], "multi_label_classification"),
        (["a", "b"], None),
        (["a"], None),
        (["a"], "regression"),
    ],
)
def test_auto_is_what_the_pipeline_does(
    tmp_path: Path, labels: list[str], problem_type: str | None
) -> None:
    folder = tiny_text_classifier(tmp_path, labels, problem_type=problem_type)
    for label in labels:
        expected = pipeline_scores(folder, label)
        assert scorer(folder, label=label).score(TEXTS) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("function", ["sigmoid", "softmax", "none"])
def test_each_function(three: Path, function: str) -> None:
    expected = pipeline_scores(three, "cross", function)
    scores = scorer(three, label="cross", function=function).score(TEXTS)
    assert scores == pytest.approx(expected, abs=1e-5)
    assert scores.std() > 0.01


def test_an_output_by_name_or_index(three: Path, tmp_path: Path) -> None:
    by_index = {i: scorer(three, label=i).score(TEXTS).tolist() for i in (0, 2)}
    assert scorer(three, label="calm").score(TEXTS).tolist() == by_index[0]
    assert scorer(three, label="1").score(TEXTS).tolist() == by_index[2]  # a name, not an index
    with pytest.raises(UserError, match=r"can mean more than one output.*output 2 is named '1'"):
        scorer(three, label=1).score(TEXTS)
    two = tiny_text_classifier(tmp_path, ["no", "yes"])
    second = scorer(two, label="yes").score(TEXTS).tolist()
    assert scorer(two).score(TEXTS).tolist() == second


@pytest.mark.parametrize(
    "label,match",
    [
        (None, "3 outputs: `label` must say"),
        ("cros", "Did you mean 'cross'"),
        (3, "index from 0 to 2"),
        (-1, "index from 0 to 2"),
    ],
)
def test_an_output_that_is_not_there(three: Path, label: object, match: str) -> None:
    with pytest.raises(UserError, match=match):
        scorer(three, label=label).score(["a"])


def test_max_length_cuts(three: Path) -> None:
    long = TEXTS[0] + " " + TEXTS[1]
    cut, whole = scorer(three, label=0, max_length=4), scorer(three, label=0)
    assert cut.score([long]) == pytest.approx(cut.score([long.split()[0] + " " + long.split()[1]]))
    assert cut.score([long]) != pytest.approx(whole.score([long]))


def test_a_model_without_padding_goes_one_by_one(tmp_path: Path) -> None:
    tokenizer = build_tokenizer()
    shape = GPT2Config(vocab_size=len(tokenizer), n_embd=16, n_layer=1, n_head=2, num_labels=2)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = GPT2ForSequenceClassification(shape).eval()
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    texts = sentences(9)
    with torch.no_grad():
        rows = [model(**tokenizer(text, return_tensors="pt")).logits[0] for text in texts]
    expected = [float(row.softmax(-1)[1]) for row in rows]
    assert scorer(tmp_path).score(texts) == pytest.approx(expected, abs=1e-6)


def test_a_text_longer_than_a_model_without_stated_limit_can_read(tmp_path: Path) -> None:
    tokenizer = build_tokenizer()
    tokenizer.pad_token = tokenizer.eos_token
    tokenizer.model_max_length = 10**30
    shape = RobertaConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=20,  # of which RoBERTa uses 18
    )
    RobertaForSequenceClassification(shape).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    assert scorer(tmp_path).score(["red boxes " * 50, "red"]).shape == (2,)


def test_a_head_without_trained_weights_is_refused(three: Path, tmp_path: Path) -> None:
    model = AutoModelForSequenceClassification.from_pretrained(three)
    model.base_model.save_pretrained(tmp_path)  # a language model without a classifier
    AutoTokenizer.from_pretrained(three).save_pretrained(tmp_path)
    with pytest.raises(ScorerError, match=r"not a trained text classifier.*classifier"):
        scorer(tmp_path).score(["a"])


def test_models_that_are_not_there(no_hub: object, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="folder does not exist"):
        scorer(tmp_path / "none").score(["a"])
    with pytest.raises(UnavailableError, match=r"owner/name.*no route to host"):
        scorer("owner/name").score(["a"])
    assert "owner/name" in scorer("owner/name").missing()[0]
    (tmp_path / "empty").mkdir()
    with pytest.raises(ScorerError, match="Unrecognized model"):
        scorer(tmp_path / "empty").score(["a"])


def test_a_downloaded_model_works_while_the_hub_is_away(
    no_hub: object, three: Path, tmp_path: Path
) -> None:
    no_hub("owner/name", three)
    assert scorer("owner/name").missing() == []
    expected = scorer(three, label="cross").score(TEXTS)
    assert scorer("owner/name", label="cross").score(TEXTS).tolist() == expected.tolist()


def test_the_fingerprint_knows_the_weights_not_the_place(three: Path, tmp_path: Path) -> None:
    first = scorer(three, label=0).fingerprint()
    assert scorer(three, label=0, batch_size=2).fingerprint() == first
    model = AutoModelForSequenceClassification.from_pretrained(three)
    model.save_pretrained(tmp_path, max_shard_size="10KB")  # other files, the same weights
    AutoTokenizer.from_pretrained(three).save_pretrained(tmp_path)
    again = scorer(tmp_path, label=0).fingerprint()
    assert again["sha256 of weights"] == first["sha256 of weights"]
    assert again["sha256 of tokenizer"] == first["sha256 of tokenizer"]


@pytest.mark.parametrize(
    "labels,label",
    [
        (["1", "2", "3"], 1),
        (["1", "2", "3"], 2),
        (["0", "2", "1"], 1),
        (["a", "b", "a"], "a"),
        (["a", " a", "b"], "a"),
        (["-1", "0", "1"], 0),
    ],
)
def test_a_label_that_can_mean_two_outputs_is_refused(
    tmp_path: Path, labels: list[str], label: object
) -> None:
    folder = tiny_text_classifier(tmp_path, labels)
    with pytest.raises(UserError, match="can mean more than one output"):
        scorer(folder, label=label).score(["a"])


@pytest.mark.parametrize(
    "labels", [["0", "1", "2"], ["1 star", "2 stars", "3 stars"], ["a", "b", "b"]]
)
def test_an_index_that_can_mean_nothing_else_is_taken(tmp_path: Path, labels: list[str]) -> None:
    folder = tiny_text_classifier(tmp_path, labels)
    expected = pipeline_scores(folder, labels[0])
    assert scorer(folder, label=0).score(TEXTS) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("keys", [("1", "2"), ("0", "2"), ("1", "0", "3")])
def test_outputs_that_are_numbered_otherwise_than_from_0_are_refused(
    tmp_path: Path, keys: tuple[str]
) -> None:
    folder = tiny_text_classifier(tmp_path, [f"name {key}" for key in keys])
    config = json.loads((folder / "config.json").read_text())
    config["id2label"] = {key: f"name {key}" for key in keys}
    (folder / "config.json").write_text(json.dumps(config))
    for label in (None, 0, f"name {keys[0]}"):
        with pytest.raises(UserError, match="numbers its outputs otherwise than from 0"):
            scorer(folder, label=label).score(["a"])


def test_a_truth_value_is_no_label(three: Path) -> None:
    with pytest.raises(ValueError, match="put it in quotes"):
        scorer(three, label=True)
