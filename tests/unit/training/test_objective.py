"""The discriminative loss: its formula, which token is exchanged, and what it teaches."""

import json
import math

import pytest
import torch

from src.artifacts.manifest import read_manifest
from src.config.training import TrainingArgs
from src.models.control_tokens import load_tokenizer
from src.models.target_nll import NO_TARGET
from src.training.examples import Examples
from src.training.objective import discriminative_loss
from src.training.run import train
from src.training.sentences import open_sentences, write_sentences
from tests.unit.training.small_data import small_attributes, training_args

FP32 = {"learning_rate": 1e-12, "precision": "fp32", "batch_sentences": 8, "max_steps": 1}


def test_by_hand_it_is_the_log_odds_of_the_own_tokens():
    targets = torch.tensor([[NO_TARGET, 5, 7], [NO_TARGET, 3, NO_TARGET], [NO_TARGET] * 3])
    own, other = torch.tensor([1.0, 2.0, 4.0]), torch.tensor([2.0, 4.0, 1.0])
    # p(own) = e^-3 / (e^-3 + e^-6), e^-4 / (e^-4 + e^-1), and one half where nothing is said.
    expected = [math.log1p(math.exp(-3)), math.log1p(math.exp(3)), math.log(2)]
    assert discriminative_loss(own, other, targets).tolist() == pytest.approx(expected, abs=1e-6)


@pytest.fixture(scope="module")
def examples(gpt2, tmp_path_factory):
    folder, attributes = tmp_path_factory.mktemp("sentences") / "s", small_attributes()
    tokenizer = load_tokenizer(str(gpt2[0]), attributes)
    write_sentences(folder, read_manifest(gpt2[1], "dataset"), tokenizer, attributes, lambda row: 1)
    both = tuple(attributes)
    return Examples(
        open_sentences(folder), tokenizer, attributes, both, {}, seed=0, with_exchange=True
    )


def test_one_token_is_exchanged_another_one_in_each_epoch(examples):
    n, exchanged = len(examples.sentences), []
    for index in range(3 * n):
        epoch, row = divmod(index, n)
        one, condition = examples.example(row, epoch), examples.condition(row, epoch)
        if not condition:
            assert "exchanged_ids" not in one, "an untagged sentence has no token to exchange"
            continue
        other = examples.exchanged(condition, row, epoch)
        [name] = [name for name in condition if other[name] != condition[name]]
        exchanged.append((row, name))
        differing = [a != b for a, b in zip(one["input_ids"], one["exchanged_ids"], strict=True)]
        assert sum(differing) == 1
        assert differing.index(True) in (1, 2), "at the front"
    share = sum(name == "toxicity" for _, name in exchanged) / len(exchanged)
    assert 0.4 < share < 0.6
    assert len(set(exchanged)) > len({row for row, _ in exchanged}), "not the same in each epoch"


def test_a_batch_marks_the_sentences_that_have_no_token(examples):
    batch = examples.batch(range(8), 0)
    assert batch["has_exchange"].tolist() == [bool(row) for row in range(8)]
    assert batch["exchanged_ids"].shape == batch["input_ids"].shape
    assert torch.equal(batch["exchanged_ids"][0], batch["input_ids"][0])
    plain = examples.batch([0], 0)
    assert "exchanged_ids" not in plain


def losses(folder):
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [row["loss"] for row in rows if row["split"] == "train"]


def test_an_untrained_model_pays_the_weight_times_log_2(llama, tmp_path):
    for weight in (0.0, 0.5):
        changes = {"objective": {"discrimination": weight}, "optimisation": FP32}
        train(training_args(tmp_path / str(weight), llama[1], llama[0], **changes))
    [without], [with_it] = losses(tmp_path / "0.0"), losses(tmp_path / "0.5")
    assert with_it - without == pytest.approx(0.5 * math.log(2), abs=0.02)


@pytest.mark.parametrize("accumulated", [1, 4])
def test_a_step_cut_into_batches_is_the_same_step(llama, tmp_path, accumulated):
    optimisation = {
        **FP32, "learning_rate": 3e-3, "max_steps": 6,
        "batch_sentences": 8 // accumulated, "gradient_accumulation_steps": accumulated,
    }  # fmt: skip
    folder, whole = tmp_path / "m", tmp_path / "whole"
    discriminating = {"objective": {"discrimination": 0.5}}
    train(training_args(folder, *llama[::-1], optimisation=optimisation, **discriminating))
    optimisation |= {"batch_sentences": 8, "gradient_accumulation_steps": 1}
    train(training_args(whole, *llama[::-1], optimisation=optimisation, **discriminating))
    assert losses(folder) == pytest.approx(losses(whole), abs=1e-4)


def test_tokens_are_learned_in_fewer_steps(llama, tmp_path):
    found = {}
    for weight in (0.0, 1.0):
        args = training_args(
            tmp_path / str(weight), llama[1], llama[0],
            optimisation={"learning_rate": 1e-2, "batch_sentences": 16, "max_steps": 30},
            control_tokens={"learning_rate": 3e-2},
            checkpoints={"evaluation_sentences": 40},
            objective={"discrimination": weight},
        )  # fmt: skip
        train(args)
        final = read_manifest(tmp_path / str(weight), "training")["checkpoints"][-1]
        found[weight] = sum(final["control_auc"].values()) / 2
    assert found[1.0] > found[0.0] + 0.05


def test_where_it_decides_nothing_the_training_is_the_same_one():
    def trained(**changes):
        content = training_args("m", "d", "b", **changes)
        return content.what_is_trained()

    assert "objective" not in trained()
    assert "objective" not in trained(condition_on=(), objective={"discrimination": 0.3})
    assert trained(objective={"discrimination": 0.3})["objective"] == {"discrimination": 0.3}
    with pytest.raises(ValueError, match="greater than or equal to 0"):
        TrainingArgs.model_validate({"objective": {"discrimination": -1}})
