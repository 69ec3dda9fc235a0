"""`scripts/generate.py`: a real two-layer model asked from a terminal."""

import io
import json

import pytest

from scripts.generate import condition_of, main, weights_of
from src.errors import EXIT_DONE, EXIT_FAILED, UserError
from src.evaluation.playground.exchange import Question
from src.evaluation.playground.models import Playground
from src.evaluation.playground.runs import named_runs
from tests.demo_attributes import BOTH

SHORT = ["--max-length", "8", "--device", "cpu"]


@pytest.fixture
def runs(project):
    return named_runs([project.model])


def test_a_label_says_which_attribute_is_meant(runs):
    assert condition_of(["pos", "nontoxic"], runs) == {"sentiment": "pos", "toxicity": "nontoxic"}
    assert condition_of(["sentiment=neg"], runs) == {"sentiment": "neg"}


@pytest.mark.parametrize(
    "typed, said",
    [(["positiv"], "no attribute has this label"), (["toxicity=pos"], "no attribute"),
     (["pos", "neg"], "one label")],
)  # fmt: skip
def test_what_cannot_be_asked_is_one_clear_line(runs, typed, said):
    with pytest.raises(UserError, match=said):
        condition_of(typed, runs)


def test_one_weight_is_for_all_labels():
    assert weights_of([4.0], BOTH) == {"toxicity": 4.0, "sentiment": 4.0}
    assert weights_of([1.0, 2.0], BOTH) == {"toxicity": 1.0, "sentiment": 2.0}
    assert weights_of([], BOTH) == {}
    with pytest.raises(UserError, match="one weight, or one for each"):
        weights_of([1.0, 2.0, 3.0], BOTH)
    with pytest.raises(UserError, match="add --ask"):
        weights_of([1.0], {})


def test_texts_are_the_playground_s(project, runs, capsys):
    command = [
        str(project.model),
        "--prompt",
        "The hotel",
        "--ask",
        "pos",
        "nontoxic",
        "--count",
        "2",
    ]
    assert main([*command, "--contrast", "2", "--json", *SHORT]) == EXIT_DONE
    said = json.loads(capsys.readouterr().out)
    question = Question(
        prompt="The hotel", condition=BOTH, weights=dict.fromkeys(BOTH, 2.0), max_length=8, samples=2
    )  # fmt: skip
    (answer,) = Playground(runs, device="cpu").ask(["model"], question)
    assert [one["text"] for one in said["continuations"]] == [
        one.text for one in answer.continuations
    ]
    assert (said["condition"], said["tokens"]) == (BOTH, "<|nontoxic|><|pos|>")
    for written, scored in zip(said["continuations"], answer.continuations, strict=True):
        assert [one["labels"] for one in written["sentences"]] == list(scored.labels)
    assert main([*command, *SHORT]) == EXIT_DONE
    assert "model, nontoxic + pos: The hotel …" in capsys.readouterr().out


def test_prompts_from_stdin_and_all_ways_side_by_side(project, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.StringIO("The hotel\nA film\n"))
    command = [str(project.model), "--prompt", "-", "--ask", "pos", "--contrast", "2", "--compare"]
    assert main([*command, "--json", *SHORT]) == EXIT_DONE
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["prompt"] for one in said] == ["The hotel"] * 3 + ["A film"] * 3
    ways = [(one["condition"], bool(one["decoding"]["contrast_weights"])) for one in said[:3]]
    assert ways == [({}, False), ({"sentiment": "pos"}, False), ({"sentiment": "pos"}, True)]


def test_a_model_is_asked_only_what_it_learned(project, capsys):
    project.publish("only_sentiment", condition_on=["sentiment"], seed=3)
    folder = str(project.folder / "only_sentiment")
    assert main([folder, "--ask", "pos", "nontoxic", "--json", *SHORT]) == EXIT_DONE
    said = json.loads(capsys.readouterr().out)
    assert said["condition"] == {"sentiment": "pos"}
    assert said["notes"][-1] == "it has no control token of toxicity"


def test_without_arguments_it_says_what_can_be_asked(project, monkeypatch, capsys):
    monkeypatch.setattr("scripts.generate.MODELS", project.folder)
    assert main([]) == EXIT_DONE
    said = capsys.readouterr().out
    assert "toxicity: nontoxic | toxic; sentiment: neg | pos" in said
    assert "--ask nontoxic pos" in said


def test_a_model_that_cannot_answer_is_a_failure(project, capsys):
    long = "word " * 500
    assert main([str(project.model), "--prompt", long, "--ask", "pos", *SHORT]) == EXIT_FAILED
    assert "  error: " in capsys.readouterr().out
