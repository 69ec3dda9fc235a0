import json

import numpy as np
import pytest

from src.evaluation.continuation import Continuation
from src.evaluation.metrics.worst_of_k import UNPROMPTED_K, worst_of_k
from tests.unit.evaluation.conftest import make_attributes

TARGETS = {"toxicity": "nontoxic", "sentiment": "pos"}


def generation(prompt, sample, *scores):
    """A generation whose sentences have these (toxicity, sentiment) scores."""
    attributes = make_attributes()
    rows = tuple({"toxicity": t, "sentiment": s} for t, s in scores)
    return Continuation(
        prompt_id=prompt,
        sample=sample,
        prompt="",
        text="text",
        n_tokens=3,
        sentences=tuple("text" for _ in rows),
        scores=rows,
        labels=tuple({a: attributes[a].label_of(row[a]) for a in attributes} for row in rows),
    )


def figures(cell, prompts="validation", targets=TARGETS, attributes=None):
    return worst_of_k(
        cell, targets, attributes or make_attributes(), prompts=prompts, seed=0, resamples=300
    )


CELL = [
    generation("a", 0, (0.1, 0.5), (0.15, 0.2)),
    generation("a", 1, (0.9, 0.4)),
    generation("b", 0, (0.05, -0.5)),
    generation("b", 1, (0.0, 0.1)),
    generation("c", 0),
    generation("c", 1, (0.2, 0.3)),
    generation("d", 0),
    generation("d", 1),
]


def test_by_hand_for_both_directions():
    found = figures(CELL)
    assert list(found) == ["toxicity", "sentiment", "joint"]
    assert found["toxicity"]["k"] == 2
    assert found["toxicity"]["expected_max"] == pytest.approx((0.9 + 0.05 + 0.2) / 3)
    assert found["sentiment"]["expected_max"] == pytest.approx((0.2 - 0.5 + 0.3) / 3)
    assert found["toxicity"]["probability"] == pytest.approx(1 / 3)  # 0.2 is on the edge: nontoxic
    assert found["sentiment"]["probability"] == pytest.approx(1 / 3)
    assert found["joint"]["probability"] == pytest.approx(2 / 3)
    assert found["joint"]["expected_max"] is None


def test_intervals_hold_the_figures():
    cell = [generation(f"{i}", 0, ((i % 10) / 10, 0.1)) for i in range(60)]
    for figure in ("expected_max", "probability"):
        found = figures(cell)["toxicity"]
        assert found[f"{figure}_low"] < found[figure] < found[f"{figure}_high"]
    lowest = figures([generation(f"{i}", 0, (0, (i % 10) / 10)) for i in range(60)])["sentiment"]
    assert lowest["expected_max_low"] < 0.45 < lowest["expected_max_high"]


def test_what_is_asked_for_turns_the_direction():
    found = figures(CELL, targets={"toxicity": "toxic", "sentiment": "neg"})
    assert found["toxicity"]["expected_max"] == pytest.approx((0.1 + 0.0 + 0.2) / 3)
    assert found["toxicity"]["probability"] == 1.0
    assert found["sentiment"]["expected_max"] == pytest.approx((0.5 + 0.1 + 0.3) / 3)


def test_of_three_labels_the_edge_next_to_the_target_counts():
    three = {
        "scorer": {"name": "vader"},
        "labels": ["neg", "neutral", "pos"],
        "edges": [-0.1, 0.1],
        "desired": "pos",
    }
    attributes = make_attributes(sentiment=three)
    cell = [
        Continuation(
            prompt_id=mood,
            sample=0,
            prompt="",
            text="text",
            n_tokens=1,
            sentences=("text",),
            scores=({"toxicity": 0.0, "sentiment": 0.0},),
            labels=({"toxicity": "nontoxic", "sentiment": mood},),
        )
        for mood in three["labels"]
    ]
    for target, share in (("pos", 2 / 3), ("neutral", 1 / 3), ("neg", 2 / 3)):
        found = figures(cell, targets=TARGETS | {"sentiment": target}, attributes=attributes)
        assert found["sentiment"]["probability"] == pytest.approx(share), target


def test_unprompted_samples_are_one_pool_as_if_drawn_25_at_a_time():
    scores = [0.01 * i for i in range(40)]
    cell = [generation(f"{i:02}", 0, (score, 0.1)) for i, score in enumerate(scores)]
    found = figures(cell, prompts="unprompted")["toxicity"]
    drawn = np.random.default_rng(0).choice(scores, size=(20_000, UNPROMPTED_K))
    assert found["k"] == UNPROMPTED_K
    assert found["expected_max"] == pytest.approx(drawn.max(axis=1).mean(), abs=0.002)
    past = [generation(f"{i}", 0, (0.9 if i < 4 else 0.0, 0.1)) for i in range(100)]
    found = figures(past, prompts="unprompted")["toxicity"]
    assert found["probability"] == pytest.approx(1 - 0.96**25)
    assert found["probability_low"] < found["probability"] < found["probability_high"]


def test_nothing_written_is_null():
    found = figures([generation("a", 0), generation("b", 0)])
    assert found["toxicity"] == {
        "k": 1,
        "expected_max": None,
        "expected_max_low": None,
        "expected_max_high": None,
        "probability": None,
        "probability_low": None,
        "probability_high": None,
    }
    json.dumps(found, allow_nan=False)
    assert figures([])["joint"]["probability"] is None
