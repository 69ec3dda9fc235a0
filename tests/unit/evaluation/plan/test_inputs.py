import json
import os

import pytest

from src.artifacts.run_folder import Run
from src.attributes.attribute import to_manifest
from src.errors import ArtifactError, UnavailableError, UserError
from src.evaluation.plan.inputs import find_inputs
from tests.demo_attributes import BOTH
from tests.unit.evaluation.conftest import make_attributes

PROMPTS = [{"kind": "unprompted", "count": 3}]


def test_everything_that_is_there_is_found(project):
    inputs = find_inputs(project.args(), hash_files=True)
    assert inputs.models["M-TS"][0].folder == project.model / "final"
    assert inputs.models["M-TS"][0].facts["checkpoint"] == "final"
    assert {source: len(p) for source, p in inputs.prompts.items()} == {
        "unprompted": 5,
        "validation": 4,
    }
    assert inputs.reference == (str(project.base), None)
    assert list(inputs.attributes) == ["toxicity", "sentiment"]
    assert len(inputs.cells) == 6


def trainings(project, *seeds, **changes):
    """Runs of one recipe, or of one that differs in what `changes` say of the last."""
    optimisation = {"learning_rate": 1e-3, "max_sentences": 10, "epochs": 1, "max_steps": None}
    return [
        project.publish(
            f"{changes.get('name', 'training')} {i}",
            seed=seed,
            args={
                "seed": seed,
                "optimisation": optimisation | (changes.get("last", {}) if last else {}),
            },
        )
        for i, (seed, last) in enumerate(
            zip(seeds, [False] * (len(seeds) - 1) + [True], strict=True)
        )
    ]


def test_several_trainings_of_a_recipe_are_one_model(project):
    paths = trainings(project, 0, 1, 2)
    args = project.args(models={"M-TS": {"paths": paths, "conditions": [{}, BOTH]}})
    inputs = find_inputs(args, hash_files=True)
    assert [one.folder.parent for one in inputs.models["M-TS"]] == paths
    assert [one.facts["seed"] for one in inputs.models["M-TS"]] == [0, 1, 2]
    assert all(len(set(cell.work_keys)) == 3 for cell in inputs.cells)


def test_trainings_that_are_no_repetitions_of_one_recipe_are_refused(project, problems_of):
    for name, seeds, last, part in (
        ("rate", (0, 1), {"learning_rate": 2e-3}, "is of another recipe than"),
        ("amount", (0, 1), {"max_sentences": 20}, "is of another recipe than"),
        ("seed", (3, 3), {}, "have the same seed; got 3"),
    ):
        paths = trainings(project, *seeds, name=name, last=last)
        said = problems_of(project.args(models={"M": {"paths": paths, "conditions": [BOTH]}}))
        assert part in said, name
        assert str(paths[1]) in said
    unknown = [project.publish(f"unknown {i}", seed=i) for i in range(2)]
    said = problems_of(project.args(models={"M": {"paths": unknown, "conditions": [BOTH]}}))
    assert "is of another recipe than" in said


def test_a_model_is_one_training_or_several(project):
    for entry, part in (
        ({}, "give either path"),
        ({"path": project.model, "paths": [project.model]}, "give either path"),
        ({"paths": [project.model, project.model]}, "the same training twice"),
    ):
        with pytest.raises(ValueError, match=part):
            project.args(models={"M": entry})


def test_all_problems_at_once(project, tmp_path, problems_of):
    args = project.args(
        models={
            "M-T": {"path": tmp_path / "none"},
            "M-TS": {
                "path": project.model,
                "checkpoint": "finall",
                "conditions": [{"toxicity": "nontoxik"}, {"sentimen": "pos"}],
            },
        },
        prompts=[
            {"kind": "validation", "count": 4000},
            {"kind": "file", "path": tmp_path / "none.txt"},
        ],
        decodings={"sample": {}, "contrast": {"contrast_weights": {"toxicitiy": 1.0}}},
    )
    said = problems_of(args)
    for part in (
        "none does not exist; make it with main_train.py",
        "no such checkpoint; got 'finall'; allowed: final; Did you mean 'final'?",
        "got 'nontoxik'; allowed: nontoxic, toxic; Did you mean 'nontoxic'?",
        "got 'sentimen'; allowed: toxicity, sentiment; Did you mean 'sentiment'?",
        "too few validation sentences",
        "none.txt cannot be read",
        "got 'toxicitiy'; allowed: toxicity, sentiment; Did you mean 'toxicity'?",
        "decodings.contrast is used by no model",
    ):
        assert part in said, part
    assert said.startswith("8 things are missing:\n  1. ")


def test_without_a_data_set_the_rest_is_still_checked(project, tmp_path, problems_of):
    said = problems_of(
        project.args(
            dataset=tmp_path / "no_data",
            prompts=[
                {"kind": "validation", "count": 4},
                {"kind": "file", "path": tmp_path / "none.txt"},
            ],
        )
    )
    assert "no_data does not exist; make it with main_dataset_create.py" in said
    assert "none.txt" in said
    assert "2 things" in said


def test_a_model_trained_with_other_attributes_is_refused_with_the_difference(
    own_project, problems_of
):
    own_project.attributes = make_attributes(
        sentiment={
            "scorer": {"name": "vader"},
            "labels": ["neg", "pos"],
            "edges": [0.25],
            "desired": "pos",
        }
    )
    other = own_project.publish("other")
    said = problems_of(own_project.args(models={"M": {"path": other}}, decodings={"sample": {}}))
    assert "models.M" in said
    assert "attributes.sentiment.edges: was [0.25], now [0.0]" in said


def test_another_tokenizer_or_cleaning_is_refused(own_project, problems_of):
    path = own_project.model / "manifest.json"
    manifest = json.loads(path.read_text())
    path.write_text(
        json.dumps(manifest | {"cleaning": "paper", "tokenizer": {"fingerprint": "0" * 64}})
    )
    said = problems_of(own_project.args())
    assert "cleaning: was 'paper', now 'gentle'" in said
    assert f"tokenizer.fingerprint: was '{'0' * 64}'" in said


def test_an_unfinished_model_is_refused(project, tmp_path, problems_of):
    with Run(tmp_path / "m", "training", {}):
        pass
    said = problems_of(project.args(models={"M": {"path": tmp_path / "m", "conditions": [BOTH]}}))
    assert "unfinished" in said
    assert "main_train.py" in said


def test_files_that_changed_since_they_were_published_are_refused(own_project, problems_of):
    weights = own_project.model / "final/model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert "final/model.safetensors has changed" in problems_of(own_project.args())
    # A dry run compares sizes alone: hashes of large models take a while.
    find_inputs(own_project.args(), hash_files=False)
    weights.write_bytes(content[:-1])
    with pytest.raises(ArtifactError, match="has changed"):
        find_inputs(own_project.args(), hash_files=False)
    weights.unlink()
    with pytest.raises(ArtifactError, match="is missing"):
        find_inputs(own_project.args(), hash_files=False)


def test_checkpoints_of_a_run_can_be_named(own_project, problems_of):
    run = own_project.publish("steps", checkpoints=("step-000004", "step-000008"))
    entry = {"path": run, "checkpoint": "step-000008"}
    inputs = find_inputs(
        own_project.args(models={"M": entry}, decodings={"sample": {}}), hash_files=True
    )
    assert inputs.models["M"][0].folder == run / "checkpoints/step-000008"
    said = problems_of(own_project.args(models={"M": entry | {"checkpoint": "step-000006"}}))
    assert "allowed: step-000004, step-000008, final" in said


def test_a_reference_that_is_not_there(project, tmp_path, problems_of):
    said = problems_of(project.args(perplexity={"reference": str(tmp_path / "no_model")}))
    assert "no_model" in said


def test_what_is_only_missing_outside_is_no_fault_of_the_user(project, monkeypatch, tmp_path):
    import huggingface_hub

    def away(*_, **__):
        raise ConnectionError("no route to host")

    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", away)
    with pytest.raises(UnavailableError, match="no-such-owner/gpt2"):
        find_inputs(project.args(perplexity={"reference": "no-such-owner/gpt2"}), hash_files=False)


def test_a_scorer_whose_model_cannot_be_had(own_project, monkeypatch, problems_of):
    from src.attributes.vader_scorer import VaderScorer

    monkeypatch.setattr(VaderScorer, "missing", lambda self: ["its lexicon is away"])
    assert problems_of(own_project.args()) == (
        "scorer vader of attribute sentiment: its lexicon is away"
    )


def test_an_output_that_cannot_be_written(project, tmp_path, problems_of):
    (tmp_path / "file").write_text("")
    assert "output is a file" in problems_of(project.args(output=tmp_path / "file"))
    if os.geteuid():  # root may write anywhere
        (tmp_path / "locked").mkdir(mode=0o500)
        assert "no permission" in problems_of(project.args(output=tmp_path / "locked" / "x"))


def test_no_such_device(project):
    with pytest.raises(UserError, match="device"):
        find_inputs(project.args(device="tpu"), hash_files=False)


def test_prompts_that_a_model_may_have_seen_are_warned_of(own_project, caplog):
    other = own_project.publish("other", dataset=None)
    find_inputs(
        own_project.args(models={"M-X": {"path": other}}, decodings={"sample": {}}),
        hash_files=False,
    )
    assert "M-X was trained on another data set" in caplog.text


def test_the_attributes_come_from_the_data_set(project):
    inputs = find_inputs(project.args(), hash_files=False)
    assert to_manifest(inputs.attributes) == inputs.dataset["attributes"]


def test_all_conditions_are_those_of_the_attributes_that_a_model_was_trained_with(own_project):
    toxicity = own_project.publish("toxicity", condition_on=["toxicity"])
    none = own_project.publish("none", condition_on=[])
    models = {
        "M-B": {"path": none, "conditions": "all"},
        "M-T": {"path": toxicity, "conditions": "all"},
        "M-TS": {"path": own_project.model, "conditions": "all"},
    }
    args = own_project.args(models=models, decodings={"sample": {}}, prompts=PROMPTS)
    cells = find_inputs(args, hash_files=False).cells
    counts = {name: sum(cell.model == name for cell in cells) for name in models}
    assert counts == {"M-B": 1, "M-T": 3, "M-TS": 9}
    assert cells[0].condition == {}


def test_all_conditions_of_a_model_that_is_not_there_are_one_problem(
    project, tmp_path, problems_of
):
    models = {"M": {"path": tmp_path / "none", "conditions": "all"}}
    said = problems_of(project.args(models=models, prompts=PROMPTS))
    assert "none does not exist" in said
    assert "things are missing" not in said
    only_toxicity = {"M": {"path": project.model, "conditions": "all"}}
    unused = {"contrast": {"contrast_weights": {"toxicity": 0.0}}, "sample": {}}
    said = problems_of(project.args(models=only_toxicity, decodings=unused, prompts=PROMPTS))
    assert "decodings.contrast is used by no model" in said
