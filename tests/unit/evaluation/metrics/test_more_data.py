"""The curve of misalignment over the amount of training."""

from src.evaluation.metrics.more_data import draw_more_data, lines_of


def metrics_of(tokens, attributes=("toxicity", "sentiment")):
    """Models a, b, … trained on so many tokens, each asked for nothing and for pos."""
    models = {
        name: {"path": "models/x", "condition_on": ["sentiment"], "tokens_trained": n}
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


def test_two_runs_are_no_line():
    metrics = metrics_of([100, 200])
    metrics["models"]["b"]["path"] = "models/y"
    assert lines_of(metrics) == []


def test_the_picture_is_the_same_twice(tmp_path):
    lines = lines_of(metrics_of([100, 200]))
    for name in ("one.png", "two.png"):
        draw_more_data(lines, tmp_path / name)
    first, second = ((tmp_path / name).read_bytes() for name in ("one.png", "two.png"))
    assert first == second
    assert first.startswith(b"\x89PNG")
