"""kill -9 in each stage, then the same command: the files are those of an undisturbed run.

The killed run has the same folder name elsewhere: cards and curves carry the run's name.
"""

import json

import pytest

from tests.e2e.project import Project, contents, kill_when, run

BOTH = {"toxicity": "nontoxic", "sentiment": "pos"}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project whose data set and one model are done, undisturbed."""
    project = Project(tmp_path_factory.mktemp("kill"), "gpt2", documents=600)
    run("dataset_create", project.dataset_args())
    run("train", project.train_args("model", ["toxicity", "sentiment"]))
    return project


def without_own_name(files, name):
    """Manifests name their own output folder; nothing else may differ."""
    manifest = json.loads(files["manifest.json"])
    manifest["args"].pop("output")
    return {**files, "manifest.json": json.dumps(manifest).replace(name, "<output>")}


def assert_same(folder, undisturbed, disturbed):
    first = without_own_name(contents(folder / undisturbed), str(folder / undisturbed))
    second = without_own_name(contents(folder / disturbed), str(folder / disturbed))
    assert set(first) == set(second)
    assert [name for name in first if first[name] != second[name]] == []
    assert not (folder / f"{disturbed}.partial").exists()


def test_data_set(project):
    args = project.dataset_args("killed/data")
    partial = project.folder / "killed/data.partial"
    kill_when("dataset_create", args, ready=lambda: any(partial.glob("scored/00*.parquet")))
    assert not (project.folder / "killed/data").exists()
    refused = run(
        "train", project.train_args("never", []), f"dataset={project.folder}/killed/data", expect=2
    )
    assert "unfinished" in refused.stderr
    run("dataset_create", args)
    assert_same(project.folder, "data", "killed/data")


def test_training(project):
    args = project.train_args("killed/model", ["toxicity", "sentiment"])
    partial = project.folder / "killed/model.partial"
    kill_when("train", args, ready=lambda: any(partial.rglob("checkpoint-8")))
    refused = run(
        "evaluate",
        project.evaluate_args("never", {"M-TS": {"path": str(project.folder / "killed/model")}}),
        expect=2,
    )
    assert "unfinished" in refused.stderr
    run("train", args)
    weights = [
        {
            name: content
            for name, content in contents(project.folder / run_name).items()
            if name.startswith(("final/", "checkpoints/"))
        }
        for run_name in ("model", "killed/model")
    ]
    assert weights[0].keys() == weights[1].keys()
    assert [name for name in weights[0] if weights[0][name] != weights[1][name]] == []
    steps = [
        [(r["step"], r["split"]) for r in map(json.loads, lines)]
        for lines in (
            (project.folder / run_name / "metrics.jsonl").read_text().splitlines()
            for run_name in ("model", "killed/model")
        )
    ]
    assert steps[0] == steps[1]
    assert set(contents(project.folder / "model")) == set(contents(project.folder / "killed/model"))


def test_evaluation(project):
    models = {"M-TS": {"path": str(project.folder / "model"), "conditions": [{}, BOTH]}}
    run("evaluate", project.evaluate_args("results", models))
    args = project.evaluate_args("killed/results", models)
    partial = project.folder / "killed/results.partial"
    kill_when("evaluate", args, ready=lambda: any(partial.rglob("*.parquet")))
    run("evaluate", args)
    assert_same(project.folder, "results", "killed/results")
