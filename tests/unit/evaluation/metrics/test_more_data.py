"""The curve of misalignment over the amount of training."""

from src.artifacts.manifest import Manifest
from src.evaluation.metrics.more_data import draw_more_data, lines_of
from src.evaluation.plan.inputs import recipe_of


def metrics_of(tokens, attributes=("toxicity", "sentiment")):
    """Models a, b, … trained on so many tokens, each asked for nothing and for pos."""
    models = {
        name: {
            "trainings": [{"path": "models/x", "seed": 0}],
            "condition_on": ["sentiment"],
            "tokens_trained": n,
        }
        for name, n in zip("abcd", tokens, strict=False)
    }
    rows = [
        {
            "model": name, "condition": condition, "decoding": "sample", "prompts": "unprompted",
            "attribute": attribute, "misalignment": 0.5 - i / 10, "ci_low": 0.1, "ci_high": 0.6,
        }
        for i, name in enumerate(models)
        for condition in ({}, {"sentiment": "pos"})
        for attribute in (*attributes, "joint")
    ]  # fmt: skip
    return {"attributes": dict.fromkeys(attributes), "models": models, "rows": rows}


def test_checkpoints_of_one_run_are_a_line_by_rising_tokens():
    lines = lines_of(metrics_of([300, 100, 200]))
    assert [line.tokens for line in lines] == [(100, 200, 300)] * 2
    assert [point["model"] for point in lines[0].points] == ["b", "c", "a"]
    assert {line.attribute for line in lines} == {"joint"}


def test_models_trained_equally_long_are_no_line():
    assert lines_of(metrics_of([100, 100])) == []
    assert lines_of(metrics_of([None, 100])) == []


def test_ends_of_runs_that_differ_in_their_amount_alone_are_a_line():
    metrics = metrics_of([100, 200, 300, 400])
    for name, run in zip("abcd", "wxyz", strict=True):
        trainings = [{"path": f"models/{run}", "seed": 0}]
        metrics["models"][name] |= {"trainings": trainings, "recipe": "one", "checkpoint": "final"}
    metrics["models"]["c"]["recipe"] = "another learning rate"
    metrics["models"]["d"]["checkpoint"] = "step-000004"  # half way on a schedule of its own
    lines = lines_of(metrics)
    assert [line.tokens for line in lines] == [(100, 200)] * 2
    assert lines[0].title == "w, x: no condition, sample, unprompted"
    assert [metrics["rows"][i]["model"] for i in lines[0].places] == ["a", "b"]
    assert [metrics["rows"][i] for i in lines[0].places] == list(lines[0].points)


def test_two_runs_of_unlike_or_unknown_recipes_are_no_line():
    metrics = metrics_of([100, 200])
    metrics["models"]["b"]["trainings"] = [{"path": "models/y", "seed": 0}]
    assert lines_of(metrics) == []
    for name, recipe in (("a", "one"), ("b", "two")):
        metrics["models"][name] |= {"recipe": recipe, "checkpoint": "final"}
    assert lines_of(metrics) == []


def test_trainings_with_other_seeds_are_no_shorter_or_longer_ones():
    metrics = metrics_of([100, 200])
    for i, name in enumerate("ab"):
        trainings = [{"path": f"models/{name}", "seed": i}]
        metrics["models"][name] |= {"trainings": trainings, "recipe": "one", "checkpoint": "final"}
    assert lines_of(metrics) == []


def test_the_recipe_of_a_run_is_all_but_its_amount_and_its_seed(tmp_path):
    def recipe(where="a", amount=100, rate=1e-3, data="d", **rest):
        optimisation = {
            "max_sentences": amount,
            "epochs": 1.0,
            "max_steps": None,
            "learning_rate": rate,
        }
        content = {
            "args": {"output": where, "condition_on": [], "optimisation": optimisation, **rest},
            "made_from": {"dataset_manifest_sha256": data},
            "base_model": {"weights_sha256": "w"},
        }
        return recipe_of(Manifest(tmp_path, content))

    assert recipe() == recipe(where="b", amount=900, device="cuda", dataset="other/spelling")
    assert recipe(seed=1) == recipe(seed=2)
    assert len({recipe(), recipe(rate=2e-3), recipe(data="e")}) == 3
    assert recipe_of(Manifest(tmp_path, {"args": {}})) is None


def test_the_picture_is_the_same_twice(tmp_path):
    lines = lines_of(metrics_of([100, 200]))
    for name in ("one.png", "two.png"):
        draw_more_data(lines, tmp_path / name)
    first, second = ((tmp_path / name).read_bytes() for name in ("one.png", "two.png"))
    assert first == second
    assert first.startswith(b"\x89PNG")
