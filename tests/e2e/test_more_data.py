"""The choice among checkpoints and the curve over more data, by the args files that ship, on a tiny model."""

import json

import pytest

from tests.e2e.project import ROOT, Project, run

SHARES = {25: "step-000020", 50: "step-000040", 75: "step-000060", 100: "final"}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The two files with nothing changed but where things are, and how large."""
    project = Project(tmp_path_factory.mktemp("more"), documents=120)
    run("dataset_create", project.dataset_args())
    run(
        "train",
        project.args(
            "train",
            {
                "extends": str(ROOT / "args/args_train_demo_toxsen_checkpoints.yaml"),
                "output": str(project.folder / "model"),
                "dataset": str(project.folder / "data"),
                "model": {"name": str(project.base)},
                "optimisation": {"max_steps": 80, "batch_sentences": 4, "max_sentences": None},
                "checkpoints": {"evaluation_sentences": 8},
            },
        ),
    )
    names = [*(f"M-TS at {share} percent" for share in SHARES), "M-TS selected"]
    run(
        "evaluate",
        project.args(
            "evaluate",
            {
                "extends": str(ROOT / "args/args_evaluate_demo_extra.yaml"),
                "output": str(project.folder / "results"),
                "dataset": str(project.folder / "data"),
                "models": {name: {"path": str(project.folder / "model")} for name in names},
                "prompts": [{"kind": "unprompted", "count": 12}],
                "selection_prompts": {"kind": "unprompted", "count": 10},
            },
        ),
    )
    return project


def test_the_checkpoints_are_a_curve_and_the_best_is_chosen_among_all(finished):
    results = finished.folder / "results"
    metrics = json.loads((results / "metrics.json").read_text())
    models = metrics["models"]
    for share, checkpoint in SHARES.items():
        assert models[f"M-TS at {share} percent"]["checkpoint"] == checkpoint
    tokens = [models[f"M-TS at {share} percent"]["tokens_trained"] for share in SHARES]
    assert tokens == sorted(set(tokens))
    selected = metrics["selected"]["M-TS selected"]
    assert {*SHARES.values()} < {*selected["candidates"]}
    assert models["M-TS selected"]["checkpoint"] == selected["checkpoint"]
    assert selected["candidates"][selected["checkpoint"]] == min(selected["candidates"].values())
    assert (results / "more_data.png").stat().st_size > 5000
    page = (results / "report.html").read_text(encoding="utf-8")
    curve = page.split('id="more-data"')[1].split("</section>")[0]
    assert curve.count("<circle") == 2 * 4
    assert 'data-path="metrics:selected.M-TS selected.candidates.final"' in page
