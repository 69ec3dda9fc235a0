import json
import math
from dataclasses import replace

import numpy as np
import pytest

from src.evaluation.continuation import Continuation
from src.evaluation.metrics.cell_metrics import cell_rows, cell_summary, sum_by_prompt
from src.evaluation.metrics.perplexity import perplexity
from tests.unit.evaluation.conftest import make_attributes

FACTS = {"model": "M", "condition": {}, "decoding": "sample", "prompts": "validation"}


def continuation(prompt, *labels, text="some words here", nll=6.0, tokens=3, sample=0):
    """A continuation whose sentences have these (toxicity, sentiment) labels."""
    return Continuation(
        prompt_id=prompt,
        sample=sample,
        prompt="",
        text=text if labels else "",
        n_tokens=tokens,
        sentences=tuple(f"sentence {i}" for i in range(len(labels))),
        scores=({"toxicity": 0.0, "sentiment": 0.0},) * len(labels),
        labels=tuple({"toxicity": toxicity, "sentiment": mood} for toxicity, mood in labels),
        reference_nll=nll if labels else 0.0,
        reference_tokens=tokens if labels else 0,
    )


CELL = [
    continuation("a", ("nontoxic", "pos"), ("toxic", "pos")),
    continuation("a", ("nontoxic", "neg"), sample=1),
    continuation("b"),
    continuation("c", ("toxic", "neg"), ("toxic", "neg"), ("nontoxic", "pos")),
]


def rows_of(condition, cell=CELL, attributes=None):
    rows = cell_rows(
        FACTS | {"condition": condition},
        cell,
        attributes or make_attributes(),
        seed=0,
    )
    return {row["attribute"]: row for row in rows}


def test_without_a_condition_the_desired_label_is_the_target():
    rows = rows_of({})
    assert list(rows) == ["toxicity", "sentiment", "joint"]
    assert rows["toxicity"]["misalignment"] == pytest.approx(3 / 6)
    assert rows["sentiment"]["misalignment"] == pytest.approx(3 / 6)
    assert rows["joint"]["misalignment"] == pytest.approx(4 / 6)
    assert rows["joint"]["targets"] == {"toxicity": "nontoxic", "sentiment": "pos"}
    assert not rows["joint"]["asked"]


def test_with_a_condition_what_is_asked_for_is_the_target():
    rows = rows_of({"toxicity": "toxic"})
    assert rows["toxicity"]["misalignment"] == pytest.approx(3 / 6)
    assert rows["toxicity"]["targets"] == {"toxicity": "toxic"}
    assert rows["toxicity"]["asked"]
    assert not rows["sentiment"]["asked"]
    assert not rows["joint"]["asked"]
    assert rows["joint"]["targets"] == {"toxicity": "toxic", "sentiment": "pos"}
    assert rows["joint"]["misalignment"] == pytest.approx(5 / 6)
    assert rows_of({"toxicity": "toxic", "sentiment": "neg"})["joint"]["asked"]


def test_empty_continuations_are_counted_and_never_aligned():
    row = rows_of({})["joint"]
    assert (row["n_prompts"], row["n_continuations"], row["n_empty"]) == (3, 4, 1)
    assert row["n_sentences"] == 6
    silent = rows_of({}, [continuation("a"), continuation("b")])["joint"]
    assert silent["misalignment"] is None
    assert silent["ci_low"] is None
    assert silent["ci_high"] is None
    assert silent["contradiction"] is None
    assert silent["perplexity"] is None
    assert silent["n_empty"] == 2
    json.dumps([row, silent], allow_nan=False)


def test_sums_are_kept_by_prompt():
    sums = sum_by_prompt(CELL, {"toxicity": "nontoxic", "sentiment": "pos"}, make_attributes())
    assert sums.prompt_ids == ("a", "b", "c")
    assert sums.n_sentences.tolist() == [[3, 0, 3]]
    assert sums.misaligned["toxicity"].tolist() == [[1, 0, 2]]
    assert sums.misaligned["joint"].tolist() == [[2, 0, 2]]


def test_contradiction_differs_with_three_labels():
    three = {
        "scorer": {"name": "vader"},
        "labels": ["neg", "neutral", "pos"],
        "edges": [-0.1, 0.1],
        "desired": "pos",
    }
    cell = [
        continuation(str(i), ("nontoxic", mood)) for i, mood in enumerate(["neg", "neutral", "pos"])
    ]
    attributes = make_attributes(sentiment=three)
    row = rows_of({}, cell, attributes)["sentiment"]
    assert row["misalignment"] == pytest.approx(2 / 3)
    assert row["contradiction"] == pytest.approx(1 / 3)
    middle = rows_of({"sentiment": "neutral"}, cell, attributes)["sentiment"]
    assert middle["misalignment"] == pytest.approx(2 / 3)
    assert middle["contradiction"] == 0.0


def scored(prompt, *moods, toxicity=0.0):
    """A continuation whose sentences have these sentiment scores, labelled as the attribute labels them."""
    labels = make_attributes()["sentiment"].labels_of(np.array(moods))
    return replace(
        continuation(prompt, *[("nontoxic", label) for label in labels]),
        scores=tuple({"toxicity": toxicity, "sentiment": mood} for mood in moods),
    )


def test_a_tie_contradicts_nothing_and_is_aligned_with_nothing():
    """VADER's 0, in which it finds no word that it knows, falls to `neg` as in the paper."""
    cell = [scored("a", 0.5, 0.0, 0.0, -0.5), scored("b", 0.3, 0.0)]
    row = rows_of({}, cell)["sentiment"]
    assert row["misalignment"] == pytest.approx(4 / 6)
    assert (row["aligned"], row["neither"]) == (pytest.approx(2 / 6), pytest.approx(3 / 6))
    assert row["contradiction"] == pytest.approx(1 / 6)
    assert row["contradiction_ci_low"] < 1 / 6 < row["contradiction_ci_high"]
    asked_neg = rows_of({"sentiment": "neg"}, cell)["sentiment"]
    assert asked_neg["misalignment"] == pytest.approx(2 / 6)
    assert (asked_neg["aligned"], asked_neg["neither"]) == (
        pytest.approx(1 / 6),
        pytest.approx(3 / 6),
    )
    joint = rows_of({}, cell)["joint"]
    assert (joint["aligned"], joint["contradiction"]) == (
        pytest.approx(2 / 6),
        pytest.approx(1 / 6),
    )


def test_a_score_in_a_margin_that_training_left_out_is_neither():
    given = make_attributes()
    attributes = given | {"toxicity": replace(given["toxicity"], exclude_within=0.1)}
    cell = [scored("a", 0.5, toxicity=0.15), scored("b", 0.5), scored("c", 0.5, toxicity=0.25)]
    row = rows_of({}, cell, attributes)["toxicity"]
    assert (row["aligned"], row["neither"], row["contradiction"]) == (
        pytest.approx(1 / 3),
        pytest.approx(2 / 3),
        0.0,
    )
    assert rows_of({}, cell)["toxicity"]["neither"] == 0.0


def test_several_trainings_are_rows_of_one_cell_and_clusters_of_its_interval():
    def training(number, share):
        return [
            replace(
                continuation(str(i), ("toxic" if i < 60 * share else "nontoxic", "pos")),
                training=number,
            )
            for i in range(60)
        ]

    apart = rows_of({}, training(0, 0.2) + training(1, 0.4) + training(2, 0.6))["toxicity"]
    alone = rows_of({}, training(0, 0.4))["toxicity"]
    assert (apart["n_trainings"], alone["n_trainings"]) == (3, 1)
    assert apart["misalignment"] == pytest.approx(alone["misalignment"]) == pytest.approx(0.4)
    assert apart["ci_high"] - apart["ci_low"] > 2 * (alone["ci_high"] - alone["ci_low"])
    assert apart["n_prompts"] == 60


def test_intervals_hold_the_share_and_repeat():
    cell = [
        continuation(str(i), ("toxic" if i % 3 else "nontoxic", "pos"), ("nontoxic", "pos"))
        for i in range(60)
    ]
    row = rows_of({}, cell)["toxicity"]
    assert row["ci_low"] < row["misalignment"] < row["ci_high"]
    assert row["ci_method"] == "clustered wilson"
    assert 0.5 < row["design_effect"] < 2
    assert rows_of({}, cell)["toxicity"] == row
    never = rows_of({}, cell)["sentiment"]
    assert (never["misalignment"], never["ci_low"], never["ci_method"]) == (0.0, 0.0, "wilson")
    assert never["ci_high"] > 0.03


def test_perplexity_is_all_nats_over_all_tokens():
    cell = [
        continuation("a", ("nontoxic", "pos"), nll=10.0, tokens=2),
        continuation("b", ("nontoxic", "pos"), nll=1.0, tokens=8),
        continuation("c"),
    ]
    assert perplexity(cell).value == pytest.approx(math.exp(11 / 10))
    assert perplexity([continuation("a", ("toxic", "neg"), nll=1e6)]).value is None


def test_the_summary_counts_words_of_what_was_written():
    cell = [
        continuation("a", ("nontoxic", "pos"), text="Don't stop, it’s fine!"),
        continuation("b", ("nontoxic", "pos"), text="stop stop"),
        continuation("c"),
    ]
    summary = cell_summary(cell, seed=0)
    assert summary["mean_words"] == pytest.approx(3.0)
    assert summary["distinct_1"] == pytest.approx(4 / 6)
    assert summary["tokens"] == 9
    assert np.isfinite(summary["perplexity"])


def test_the_design_effect_is_the_size_of_clusters_that_are_all_alike():
    alike = [
        continuation(str(i), *[("toxic" if i % 2 else "nontoxic", "pos")] * 4) for i in range(50)
    ]
    assert rows_of({}, alike)["toxicity"]["design_effect"] == pytest.approx(4, rel=0.05)
    assert rows_of({}, alike)["sentiment"]["design_effect"] is None
