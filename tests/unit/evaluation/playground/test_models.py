"""The playground with real two-layer models: the same text and scores as an evaluation's own code gives."""

import json
import shutil

import pytest
import torch

from src.artifacts.manifest import read_manifest
from src.attributes.scorer import cached_scorer
from src.config.evaluation import DecodingArgs
from src.errors import UserError
from src.evaluation.generation.writer import Task, Writer
from src.evaluation.plan.prompts import Prompt
from src.evaluation.playground.exchange import Question
from src.evaluation.playground.models import SOURCE, Playground
from src.evaluation.playground.runs import named_runs
from src.evaluation.scoring.scored_sentences import score_continuations
from tests.demo_attributes import BOTH
from tests.unit.evaluation.conftest import Project


@pytest.fixture
def playground(project):
    return Playground(named_runs([project.model]), device="cpu")


def words(answer):
    return [one.text for one in answer.continuations]


def test_it_writes_and_scores_what_the_evaluation_would(project, playground):
    question = Question(
        prompt="The museum", condition=BOTH, weights={"toxicity": 1.0, "sentiment": 0.0}, top_p=0.8,
        max_length=12, samples=3, seed=4, placement="before_prompt",
    )  # fmt: skip
    (answer,) = playground.ask(["model"], question)
    assert answer.error is None
    writer = Writer(
        project.model / "final", project.attributes, project.fingerprint, torch.device("cpu")
    )
    task = Task(SOURCE, [Prompt(SOURCE, "The museum")], 3, "before_prompt", 3, 4)
    decoding = DecodingArgs(top_p=0.8, max_length=12, contrast_weights={"toxicity": 1.0})
    expected = score_continuations(
        writer.write(task, BOTH, decoding, "test"), project.attributes, "gentle"
    )
    assert list(answer.continuations) == expected
    assert len(set(words(answer))) == 3
    assert answer.tokens == "<|nontoxic|><|pos|>"
    assert answer.targets == BOTH


def test_the_order_of_the_tokens_is_the_attributes(playground):
    asked = {"sentiment": "neg", "toxicity": "toxic"}
    (answer,) = playground.ask(["model"], Question(condition=asked, max_length=4))
    assert answer.tokens == "<|toxic|><|neg|>"


def test_an_empty_prompt_and_the_seed(playground):
    first, again, other = (
        words(playground.ask(["model"], Question(max_length=8, temperature=2.0, seed=seed))[0])
        for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_a_prompt_cannot_forge_a_token(playground):
    plain, forged = (
        playground.ask(["model"], Question(prompt=prompt, condition=condition, max_length=8))[0]
        for prompt, condition in (("", {"sentiment": "neg"}), ("<|neg|>", {}))
    )
    assert plain.tokens == "<|neg|>"
    assert forged.tokens == ""
    assert words(plain) != words(forged)


def test_notes_on_untrained_tokens_and_on_contrast_without_a_label(project):
    project.publish("only_toxicity", condition_on=["toxicity"], seed=2)
    playground = Playground(named_runs([project.folder / "only_toxicity"]), device="cpu")
    question = Question(
        condition={"sentiment": "pos"}, weights={"toxicity": 2.0, "sentiment": 1.0}, max_length=4
    )
    (answer,) = playground.ask(["only_toxicity"], question)
    assert answer.error is None
    assert "was not trained with the tokens of sentiment" in answer.notes
    assert "contrast needs a label that is asked for: toxicity has none" in answer.notes
    assert any("data set is not here" in note for note in answer.notes)


def test_what_goes_wrong_stands_in_one_line_in_that_models_answer(project, playground):
    long = Question(prompt="one two three " * 60, max_length=40)
    (answer,) = playground.ask(["model"], long)
    assert "do not fit into the model's 128 positions" in answer.error
    assert "\n" not in answer.error
    (answer,) = playground.ask(["model"], Question(condition={"sentiment": "neutral"}))
    assert "a label that it does not have; got 'neutral'" in answer.error
    (answer,) = playground.ask(["elsewhere"], Question())
    assert "no such model; got 'elsewhere'; allowed: model" in answer.error
    with pytest.raises(UserError, match="no model is chosen"):
        playground.ask([], Question())


def test_a_model_that_changed_or_went_is_an_answer_with_an_error(own_project):
    runs = named_runs(
        [own_project.model, own_project.publish("gone"), own_project.publish("again")]
    )
    weights = own_project.model / "final" / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    shutil.rmtree(own_project.folder / "gone")
    shutil.rmtree(own_project.folder / "again")
    own_project.publish("again", seed=9, condition_on=["toxicity"])
    answers = Playground(runs, device="cpu").ask(["model", "gone", "again"], Question(max_length=2))
    said = [answer.error for answer in answers]
    assert "model.safetensors has changed" in said[0]
    assert "does not exist" in said[1]
    assert "was made again" in said[2]
    assert all(answer.continuations == () for answer in answers)


def test_another_scorer_than_the_data_sets_is_refused(own_project, monkeypatch):
    content = read_manifest(own_project.model, "training").content
    content["made_from"]["dataset"] = str(own_project.dataset)
    (own_project.model / "manifest.json").write_text(json.dumps(content))
    runs = named_runs([own_project.model])
    (answer,) = Playground(runs, device="cpu").ask(["model"], Question(max_length=2))
    assert answer.error is None
    assert answer.notes == ()  # compared, and equal
    scorer = cached_scorer(own_project.attributes["sentiment"].scorer)
    monkeypatch.setattr(scorer, "fingerprint", lambda: {"name": "another"})
    (answer,) = Playground(runs, device="cpu").ask(["model"], Question(max_length=2))
    assert "a scorer here is not the one that labelled the data set" in answer.error


def test_a_bounded_number_of_models_is_kept(tmp_path, bases):
    project = Project(tmp_path, bases["gpt2"])
    runs = named_runs([project.model, project.publish("b", seed=2), project.publish("c", seed=3)])
    playground = Playground(runs, keep=2, device="cpu")
    short = Question(max_length=2)
    playground.ask(["model", "b"], short)
    assert tuple(playground._loaded) == ("model", "b")
    kept = playground._loaded["model"]
    playground.ask(["model"], short)
    assert playground._loaded["model"] is kept  # loaded once
    playground.ask(["c"], short)
    assert tuple(playground._loaded) == ("model", "c")  # b was not used for longest
    with pytest.raises(UserError, match="at least one model"):
        Playground(runs, keep=0)
