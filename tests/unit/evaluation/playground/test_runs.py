import shutil

import pytest

from src.artifacts.run_folder import Run
from src.attributes.attribute import to_manifest
from src.attributes.offence import veiled_at_first
from src.errors import ArtifactError, UserError
from src.evaluation.playground.runs import (
    all_runs,
    attributes_of_all,
    named_runs,
    offered_labels,
    offered_models,
    untrained,
)
from tests.builders import MANIFEST_FACTS
from tests.unit.evaluation.conftest import make_attributes

ORIGIN = {"base_model": {"name": "base"}, "made_from": {}}


def publish(folder, *, condition_on=("toxicity",), stage="training", checkpoints=(), **labels):
    """A training run whose checkpoint is one small file: finding runs loads none."""
    with Run(folder, stage, {}) as run:
        for name in ("final", *(f"checkpoints/{one}" for one in checkpoints)):
            (run.partial / name).mkdir(parents=True)
            (run.partial / name / "config.json").write_text("{}")
        facts = MANIFEST_FACTS | {"attributes": to_manifest(make_attributes(**labels))}
        run.publish(condition_on=list(condition_on), **facts, **ORIGIN)
    return folder


def test_all_finished_runs_and_a_line_for_what_cannot_be_used(tmp_path):
    publish(tmp_path / "b")
    publish(tmp_path / "a")
    publish(tmp_path / "data", stage="dataset")
    (tmp_path / "c.partial").mkdir()
    (tmp_path / "note.txt").touch()
    runs, problems = all_runs(tmp_path)
    assert list(runs) == ["a", "b"]
    assert len(problems) == 2
    assert (
        "c.partial is unfinished: it has no manifest.json; finish it with main_train.py"
        in problems[0]
    )
    assert "data was made by another stage" in problems[1]


def test_no_finished_run_is_an_error_with_its_cure(tmp_path):
    with pytest.raises(UserError, match=r"no finished training run.*main_train"):
        all_runs(tmp_path / "nowhere")
    (tmp_path / "models" / "x").mkdir(parents=True)
    with pytest.raises(UserError, match="x is unfinished"):
        all_runs(tmp_path / "models")


def test_named_runs_keep_their_order_and_tell_equal_names_apart(tmp_path):
    first, second, third = (publish(tmp_path / name) for name in ("x/m", "y/m", "y/n"))
    assert list(named_runs([third, first, second, third])) == ["n", str(first), str(second)]


def test_a_named_folder_that_cannot_be_used_is_an_error(tmp_path):
    (tmp_path / "x").mkdir()
    with pytest.raises(ArtifactError, match="unfinished"):
        named_runs([tmp_path / "x"])
    folder = publish(tmp_path / "y")
    (folder / "final" / "config.json").write_text("other")
    with pytest.raises(ArtifactError, match="not as it was published"):
        named_runs([folder])


def test_labels_of_all_runs_are_offered(tmp_path):
    three = {
        "scorer": {"name": "vader"}, "labels": ["neg", "neutral", "pos"], "edges": [-0.1, 0.1],
        "desired": "pos",
    }  # fmt: skip
    runs = named_runs([publish(tmp_path / "two"), publish(tmp_path / "three", sentiment=three)])
    assert offered_labels(runs) == {
        "toxicity": ("nontoxic", "toxic"),
        "sentiment": ("neg", "pos", "neutral"),
    }


def test_every_checkpoint_is_offered_the_ends_first(tmp_path):
    runs = named_runs([publish(tmp_path / "a", checkpoints=("step-000008", "step-000004"))])
    runs |= named_runs([publish(tmp_path / "b")])
    offered = offered_models(runs)
    assert list(offered) == ["a", "b", "a, step-000004", "a, step-000008"]
    assert offered["a"].files == "final/"
    assert offered["a, step-000004"].files == "checkpoints/step-000004/"
    (tmp_path / "a/checkpoints/step-000004/config.json").write_text("other")
    with pytest.raises(ArtifactError, match="not as it was published"):
        named_runs([tmp_path / "a"])


def test_a_checkpoint_that_was_removed_to_make_room_is_not_offered(tmp_path):
    folder = publish(tmp_path / "a", checkpoints=("step-000008", "step-000004"))
    shutil.rmtree(folder / "checkpoints/step-000004")
    assert list(offered_models(named_runs([folder]))) == ["a", "a, step-000008"]
    shutil.rmtree(folder / "final")
    with pytest.raises(ArtifactError, match=r"final/config\.json is missing"):
        named_runs([folder])


def test_tokens_that_a_run_was_not_trained_with(tmp_path):
    runs = named_runs([publish(tmp_path / "m")])
    asked = {"toxicity": "nontoxic", "sentiment": "pos"}
    assert untrained(runs["m"], asked) == ["sentiment"]


def test_offence_is_veiled_at_first_and_everything_where_nothing_says_what_offends(tmp_path):
    mood = {
        "scorer": {"name": "vader"},
        "labels": ["low", "high"],
        "edges": [0.0],
        "desired": "high",
    }
    insults = {**mood, "labels": ["civil", "rude"], "desired": "civil"}
    assert veiled_at_first(attributes_of_all(named_runs([publish(tmp_path / "a")]))) == ["toxicity"]
    runs = named_runs([publish(tmp_path / "b", toxicity=insults)])
    assert veiled_at_first(attributes_of_all(runs)) == ["toxicity"]  # by its name
    with Run(tmp_path / "c", "training", {}) as run:
        (run.partial / "final").mkdir()
        attributes = make_attributes(mood=mood)
        two = to_manifest({n: attributes[n] for n in ("sentiment", "mood")})
        run.publish(condition_on=[], **MANIFEST_FACTS | {"attributes": two}, **ORIGIN)
    assert veiled_at_first(attributes_of_all(named_runs([tmp_path / "c"]))) == ["sentiment", "mood"]
