"""All three stages by one command: with the demo's args files, and with those that it writes."""

import shutil
from pathlib import Path

import pytest
import yaml

from scripts.run_all import Step, main, plan, run
from src.config.evaluation import EvaluationArgs
from src.config.loading import load_args
from src.config.training import TrainingArgs
from src.errors import UserError

ROOT = Path(__file__).resolve().parents[3]
OWN = """
extends: {demo}
output: data/mine
source: {{human_ratings: null}}
attributes: {{{change}}}
"""


@pytest.fixture
def own(tmp_path):
    """Writes the args file of a data set: the change to the demo's attributes → its path."""

    def make(change):
        path = tmp_path / "args_dataset_mine.yaml"
        path.write_text(OWN.format(demo=ROOT / "args" / "args_dataset_demo", change=change))
        return path

    return make


def test_the_demo_s_steps_show_texts_first(monkeypatch):
    monkeypatch.chdir(ROOT)
    steps = list(plan(Path("args/args_dataset_demo.yaml")))
    assert [step.title for step in steps] == [
        "Data set", "Model M-TS", "First texts", "Model M-B", "Model M-T", "Model M-S", "Evaluation",
    ]  # fmt: skip
    assert steps[1].command == ("main_train.py", "args/args_train_demo_toxsen.yaml")
    assert steps[2].command[1:] == (
        "models/demo_toxsen", "--ask", "nontoxic", "pos", "--contrast", "2", "--compare",
    )  # fmt: skip
    assert "the baseline" in steps[3].what_for


def test_one_attribute_has_a_model_and_a_baseline(own, tmp_path, capsys):
    file = own("toxicity: null")
    assert main([str(file), "--dry-run"]) == 0
    evaluation = load_args(EvaluationArgs, tmp_path / "args_evaluate_mine")
    assert list(evaluation.models) == ["M-B", "M-sentiment"]
    assert evaluation.models["M-sentiment"].conditions == ({}, {"sentiment": "pos"})
    assert evaluation.decodings["contrast"].contrast_weights == {"sentiment": 2.0}
    training = load_args(TrainingArgs, tmp_path / "args_train_mine_sentiment")
    assert training.condition_on == ("sentiment",)
    assert training.dataset == Path("data/mine")
    assert training.optimisation.max_sentences == 1280  # the demo's recipe
    said = capsys.readouterr().out
    assert said.count("python main_train.py") == 2
    assert "args_train_mine_none.yaml" in said


def test_several_attributes_have_a_model_each_and_one_together(own, tmp_path):
    assert main([str(own("")), "--dry-run"]) == 0
    evaluation = load_args(EvaluationArgs, tmp_path / "args_evaluate_mine")
    assert list(evaluation.models) == ["M-B", "M-toxicity", "M-sentiment", "M-all"]
    assert evaluation.models["M-all"].decodings == ("sample", "contrast")
    assert list(plan(tmp_path / "args_dataset_mine.yaml"))[1].title == "Model M-all"


def test_what_a_user_has_edited_stays(own, tmp_path):
    main([str(own("toxicity: null")), "--dry-run"])
    edited = tmp_path / "args_train_mine_none.yaml"
    content = yaml.safe_load(edited.read_text()) | {"seed": 7}
    edited.write_text(yaml.safe_dump(content))
    main([str(tmp_path / "args_dataset_mine"), "--dry-run"])
    assert load_args(TrainingArgs, edited).seed == 7


def test_a_model_that_nothing_trains_is_one_clear_error(own, tmp_path):
    main([str(own("toxicity: null")), "--dry-run"])
    (tmp_path / "args_train_mine_none.yaml").unlink()
    with pytest.raises(UserError, match=r"no args_train_mine_.*models/mine_none"):
        list(plan(tmp_path / "args_dataset_mine.yaml"))


def test_another_name_is_refused(tmp_path, capsys):
    shutil.copy(ROOT / "args/args_dataset_demo.yaml", tmp_path / "mine.yaml")
    assert main([str(tmp_path / "mine.yaml")]) == 2
    assert "allowed: args_dataset_NAME.yaml" in capsys.readouterr().err


def test_a_step_that_fails_ends_the_run(tmp_path, capfd):
    ending = tmp_path / "ends.py"
    ending.write_text("import sys; print('ended', sys.argv[1]); sys.exit(int(sys.argv[1]))")
    steps = [
        Step(f"Step {code}", "it ends", (str(ending), code), "any") for code in ("0", "2", "0")
    ]
    assert run(steps) == 2
    said = capfd.readouterr()
    assert said.out.count("ended") == 2
    assert "error: step 2 failed: Step 2. What it said is above" in said.err
    assert run(steps[:1]) == 0
