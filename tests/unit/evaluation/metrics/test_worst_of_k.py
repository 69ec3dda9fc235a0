import itertools
import json
from dataclasses import replace

import numpy as np
import pytest

from src.evaluation.continuation import Continuation
from src.evaluation.metrics.worst_of_k import (
    LEAST_POOL,
    UNPROMPTED_K,
    expected_worst,
    worst_left_out,
    worst_of_k,
)
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
    return worst_of_k(cell, targets, attributes or make_attributes(), prompts=prompts)


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
    scores = [0.01 * i for i in range(80)]
    cell = [generation(f"{i:02}", 0, (score, 0.1)) for i, score in enumerate(scores)]
    found = figures(cell, prompts="unprompted")["toxicity"]
    generator = np.random.default_rng(0)
    drawn = [generator.choice(scores, UNPROMPTED_K, replace=False).max() for _ in range(20_000)]
    assert found["k"] == UNPROMPTED_K
    assert found["expected_max"] == pytest.approx(np.mean(drawn), abs=0.002)
    assert found["expected_max_low"] < found["expected_max"] < found["expected_max_high"]
    past = [generation(f"{i}", 0, (0.9 if i < 4 else 0.0, 0.1)) for i in range(100)]
    found = figures(past, prompts="unprompted")["toxicity"]
    assert found["probability"] == pytest.approx(1 - 0.96**25)
    assert found["probability_low"] < found["probability"] < found["probability_high"]


def test_a_pool_of_which_too_few_decide_has_no_expected_maximum():
    few = [generation(f"{i:02}", 0, (0.001 * i, 0.1)) for i in range(LEAST_POOL * UNPROMPTED_K - 1)]
    found = figures(few, prompts="unprompted")["toxicity"]
    assert (found["expected_max"], found["expected_max_low"]) == (None, None)
    assert found["probability"] == 0.0


def test_the_expected_worst_is_unbiased_and_its_jackknife_leaves_each_out():
    scores = np.random.default_rng(1).random(12)
    every = [max(one) for one in itertools.combinations(scores, 4)]
    assert expected_worst(scores, 4) == pytest.approx(np.mean(every))
    without = [expected_worst(np.delete(scores, i), 4) for i in range(12)]
    assert worst_left_out(scores, 4) == pytest.approx(without)


def test_each_training_has_a_pool_of_its_own():
    pools = np.random.default_rng(2).random((3, 80))
    cell = [
        replace(generation(f"{i:02}", 0, (score, 0.1)), training=training)
        for training, pool in enumerate(pools)
        for i, score in enumerate(pool)
    ]
    found = figures(cell, prompts="unprompted")["toxicity"]
    expected = np.mean([expected_worst(pool, UNPROMPTED_K) for pool in pools])
    assert found["expected_max"] == pytest.approx(expected)


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
