"""The checkpoint of a training run that is evaluated, and that the choice is on record."""

import json

import pytest

from src.errors import ArtifactError
from src.evaluation.choosing.checkpoint_choice import select_measured
from src.evaluation.run import evaluate
from tests.demo_attributes import BOTH

STEPS = ("step-000001", "step-000002")
MEASURED = [
    {"name": "step-000001", "loss": 3.0, "control_auc": {"toxicity": 0.6, "sentiment": 0.8}},
    {"name": "step-000002", "loss": 2.0, "control_auc": {"toxicity": 0.5, "sentiment": 0.6}},
    {"name": "final", "loss": 2.5, "control_auc": {"toxicity": 0.5, "sentiment": 0.7}},
]


@pytest.fixture(scope="module")
def run_of_three(project):
    """A training run with three checkpoints, measured."""
    return project.publish("three", checkpoints=STEPS, measured=MEASURED)


def args_of(project, path, by, output="selected", **changes):
    entry = {"path": path, "select": by, "conditions": [{}, BOTH]}
    prompts = {"prompts": [{"kind": "unprompted", "count": 5}]}
    return project.args(output, models={"M-TS": entry}, **(prompts | changes))


@pytest.mark.parametrize(
    "by, checkpoint, value",
    [("lowest_loss", "step-000002", 2.0), ("highest_control_auc", "step-000001", 0.7)],
)
def test_by_what_training_measured(project, run_of_three, by, checkpoint, value):
    args, selected = select_measured(args_of(project, run_of_three, by))
    assert args.models["M-TS"].checkpoint == checkpoint
    assert selected["M-TS"]["candidates"][checkpoint] == pytest.approx(value)
    assert len(selected["M-TS"]["candidates"]) == 3


AUC_OF = {"step-000001": (0.70, 0.08), "step-000002": (0.66, 0.08), "final": (0.45, 0.08)}


def measured_auc(shift=0.0):
    """Control AUCs of one attribute with half an interval."""
    return [
        {
            "name": name,
            "loss": 2.0,
            "control_auc": {"sentiment": value + shift},
            "control_auc_interval": {"sentiment": [value + shift - half, value + shift + half]},
        }
        for name, (value, half) in AUC_OF.items()
    ]


def test_what_is_within_the_error_of_a_choice_is_said(project, caplog):
    path = project.publish("close", checkpoints=STEPS, measured=measured_auc())
    with caplog.at_level("WARNING"):
        _, selected = select_measured(args_of(project, path, "highest_control_auc"))
    chosen = selected["M-TS"]
    assert (chosen["checkpoint"], chosen["within_error"]) == ("step-000001", ["step-000002"])
    assert chosen["intervals"]["final"] == pytest.approx({"ci_low": 0.37, "ci_high": 0.53})
    assert "step-000001 by highest_control_auc, and within its error: step-000002" in caplog.text


def test_several_trainings_choose_by_their_mean(project):
    paths = [
        project.publish(f"close {i}", checkpoints=STEPS, measured=measured_auc(0.1 * i))
        for i in range(2)
    ]
    entry = {"paths": paths, "select": "highest_control_auc", "conditions": [{}, BOTH]}
    args = project.args(models={"M": entry}, prompts=[{"kind": "unprompted", "count": 5}])
    args, selected = select_measured(args)
    assert args.models["M"].checkpoint == "step-000001"
    assert selected["M"]["candidates"]["step-000001"] == pytest.approx(0.75)
    low = selected["M"]["intervals"]["step-000001"]["ci_low"]
    assert low == pytest.approx(0.75 - 0.08 / 2**0.5)


def test_a_run_that_measured_nothing(project):
    unmeasured = [{"name": "final", "loss": None, "control_auc": {}}]
    path = project.publish("unmeasured", measured=unmeasured)
    with pytest.raises(ArtifactError, match="did not measure this"):
        select_measured(args_of(project, path, "lowest_loss"))


def test_by_misalignment_on_prompts_that_are_not_reported(project, run_of_three):
    args = args_of(
        project, run_of_three, "lowest_misalignment",
        selection_prompts={"kind": "unprompted", "count": 7},
    )  # fmt: skip
    evaluate(args)
    metrics = json.loads((project.folder / "selected/metrics.json").read_text())
    selected = metrics["selected"]["M-TS"]
    assert set(selected["candidates"]) == {*STEPS, "final"}
    assert selected["candidates"][selected["checkpoint"]] == min(selected["candidates"].values())
    assert metrics["models"]["M-TS"]["checkpoint"] == selected["checkpoint"]
    for checkpoint, share in selected["candidates"].items():
        interval = selected["intervals"][checkpoint]
        assert interval["ci_low"] <= share <= interval["ci_high"]
    assert {row["n_prompts"] for row in metrics["rows"]} == {5}


def test_misalignment_needs_prompts_of_its_own(project, run_of_three):
    with pytest.raises(ValueError, match="needs selection_prompts"):
        args_of(project, run_of_three, "lowest_misalignment")


def test_either_a_checkpoint_or_a_choice(project, run_of_three):
    entry = {"path": run_of_three, "select": "lowest_loss", "checkpoint": "step-000001"}
    with pytest.raises(ValueError, match="either checkpoint or select"):
        project.args(models={"M-TS": entry})


def test_a_dry_run_says_what_is_chosen(project, run_of_three):
    said = evaluate(args_of(project, run_of_three, "lowest_loss", "planned"), dry_run=True)
    assert "checkpoint of M-TS by lowest_loss: step-000002" in said
    prompts = {"kind": "unprompted", "count": 7}
    args = args_of(
        project, run_of_three, "lowest_misalignment", "planned", selection_prompts=prompts
    )
    said = evaluate(args, dry_run=True)
    assert "before them, to choose: 28 continuations" in said
    assert all(f"  {one}, nontoxic + pos" in said for one in (*STEPS, "final"))


def test_what_was_measured_on_validation_sentences_goes_with_other_prompts(project, run_of_three):
    prompts = [{"kind": "validation", "count": 4}]
    with pytest.raises(ValueError, match="measured on validation sentences"):
        args_of(project, run_of_three, "lowest_loss", prompts=prompts)
