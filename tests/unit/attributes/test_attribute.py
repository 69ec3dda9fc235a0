"""Labels from scores, opposites, conditions, and the way through a manifest."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.attributes.attribute import (
    Attribute,
    attributes_from_args,
    check_condition,
    from_manifest,
    target_labels,
    to_manifest,
)
from src.config.attributes import AttributeArgs, JudgeArgs, ScorerArgs
from src.errors import ArtifactError, DataError, ScorerError, UserError

VADER = ScorerArgs(name="vader")


def attribute(n_labels: int = 2, desired: int = 0, **changes: object) -> Attribute:
    labels = tuple(f"l{i}" for i in range(n_labels))
    edges = tuple(float(i) for i in range(n_labels - 1))
    given = {"name": "a", "labels": labels, "edges": edges, "desired": labels[desired]}
    return Attribute(**{**given, "scorer": VADER, **changes})


ARGS = {
    "toxicity": AttributeArgs(
        scorer=ScorerArgs(name="profanity_check"),
        labels=("nontoxic", "toxic"),
        edges=(0.001,),
        desired="nontoxic",
        words={"toxic": ("rude", "vile")},
        judge=JudgeArgs(
            scorer=ScorerArgs(name="detoxify", model="unbiased", batch_size=8), edges=(0.01,)
        ),
    ),
    "sentiment": AttributeArgs(
        scorer=ScorerArgs(name="vader", value="compound"),
        labels=("neg", "neutral", "pos"),
        quantiles=(0.3, 0.7),
        desired="pos",
        exclude_within=1e-9,
    ),
}
EDGES = {"sentiment": (-0.1 + 0.3, math.nextafter(0.7, 1))}


@pytest.mark.parametrize(
    "score,label",
    [(-math.inf, "l0"), (0.0, "l0"), (-0.0, "l0"), (5e-324, "l1"), (1, "l1"), (1.5, "l2")],
)
def test_a_score_at_an_edge_takes_the_lower_label(score: float, label: str) -> None:
    assert attribute(3).label_of(score) == label


@given(
    st.lists(st.floats(allow_nan=False), min_size=1, max_size=4, unique=True),
    st.lists(st.floats(allow_nan=False), max_size=20),
)
def test_labels_of_is_label_of_for_each(edges: list[float], scores: list[float]) -> None:
    one = attribute(len(edges) + 1, edges=tuple(sorted(edges)))
    scores = scores + edges
    expected = [one.labels[sum(edge < score for edge in edges)] for score in scores]
    assert one.labels_of(np.array(scores)) == expected
    assert [one.label_of(score) for score in scores] == expected


def test_what_is_no_number_has_no_label() -> None:
    with pytest.raises(ScorerError, match="not a number"):
        attribute().label_of(math.nan)
    with pytest.raises(ScorerError, match="1 of 2"):
        attribute().labels_of(np.array([0.0, math.nan]))
    assert attribute().labels_of(np.array([])) == []


def test_near_edge() -> None:
    assert not attribute().near_edge(0.0)
    ties = attribute(exclude_within=1e-9)
    assert ties.near_edge(0.0)
    assert ties.near_edge(-9e-10)
    assert not ties.near_edge(0.001)
    assert attribute(3, exclude_within=0.1).near_edge(0.95)
    assert not attribute(3, exclude_within=0.5).near_edge(0.5)  # nearer, not as near


@pytest.mark.parametrize(
    "n_labels,desired,opposites",
    [
        (2, 0, ["l1", "l0"]),
        (3, 2, ["l2", "l0", "l0"]),
        (3, 0, ["l2", "l2", "l0"]),
        (3, 1, ["l2", "l0", "l0"]),
        (4, 3, ["l3", "l3", "l0", "l0"]),
        (5, 4, ["l4", "l4", "l0", "l0", "l0"]),
    ],
)
def test_opposite_is_the_far_end(n_labels: int, desired: int, opposites: list[str]) -> None:
    one = attribute(n_labels, desired)
    assert [one.opposite(label) for label in one.labels] == opposites


def test_contradiction_is_at_the_far_end_only() -> None:
    one = attribute(3, 2)
    contradicting = [(a, b) for a in one.labels for b in one.labels if one.is_opposite_end(a, b)]
    assert contradicting == [("l0", "l2"), ("l2", "l0")]
    two = attribute(2)
    assert two.is_opposite_end("l0", "l1")
    assert not two.is_opposite_end("l0", "l0")
    with pytest.raises(UserError, match="allowed: l0, l1"):
        two.opposite("neutral")


def test_attributes_keep_the_order_of_the_args() -> None:
    attributes = attributes_from_args(ARGS, EDGES)
    assert list(attributes) == ["toxicity", "sentiment"]
    assert attributes["toxicity"].edges == (0.001,)
    assert attributes["sentiment"].edges == EDGES["sentiment"]
    assert attributes["sentiment"].quantiles == (0.3, 0.7)


@pytest.mark.parametrize(
    "edges,match",
    [
        (None, "not known yet"),
        ({"sentiment": (0.0, 0.0)}, "rising edges"),
        ({"sentiment": (0.0,)}, "rising edges"),
        ({"sentiment": (0.0, math.nan)}, "rising edges"),
    ],
)
def test_quantiles_need_rising_edges(edges: dict | None, match: str) -> None:
    with pytest.raises(DataError, match=match):
        attributes_from_args(ARGS, edges)


def test_a_manifest_gives_equal_attributes_back() -> None:
    attributes = attributes_from_args(ARGS, EDGES)
    text = json.dumps(to_manifest(attributes), allow_nan=False)
    assert from_manifest(json.loads(text)) == attributes
    assert list(from_manifest(json.loads(text))) == ["toxicity", "sentiment"]


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_edges_come_back_exactly(edge: float) -> None:
    one = attribute(edges=(edge,))
    text = json.dumps(to_manifest({"a": one}))
    assert from_manifest(json.loads(text))["a"].edges[0].hex() == edge.hex()


@pytest.mark.parametrize(
    "change",
    [{"edges": [1, 0]}, {"desired": "x"}, {"scorer": {"name": "nobody"}}, {"extra": 1}],
)
def test_a_spoilt_manifest_is_refused(change: dict) -> None:
    recorded = to_manifest({"a": attribute()})
    recorded["a"].update(change)
    with pytest.raises(ArtifactError, match="cannot be read"):
        from_manifest(recorded)
    with pytest.raises(ArtifactError, match="cannot be read"):
        from_manifest({"a": 3})


def test_conditions() -> None:
    attributes = attributes_from_args(ARGS, EDGES)
    check_condition({}, attributes)
    assert target_labels({}, attributes) == {"toxicity": "nontoxic", "sentiment": "pos"}
    assert target_labels({"sentiment": "neg"}, attributes) == {
        "toxicity": "nontoxic",
        "sentiment": "neg",
    }
    with pytest.raises(UserError, match="Did you mean 'toxicity'"):
        check_condition({"toxcity": "toxic"}, attributes)
    with pytest.raises(UserError, match=r"allowed: neg, neutral, pos.*Did you mean 'neutral'"):
        target_labels({"sentiment": "neutrl"}, attributes)


def test_a_judge_gives_the_same_labels_by_its_own_edges_and_survives_the_manifest():
    args = AttributeArgs.model_validate(
        {
            "scorer": {"name": "vader"},
            "labels": ["neg", "pos"],
            "edges": [0.0],
            "desired": "pos",
            "exclude_within": 0.1,
            "judge": {"scorer": {"name": "vader", "value": "compound"}, "edges": [0.5]},
        }
    )
    attributes = attributes_from_args({"sentiment": args})
    judge = attributes["sentiment"].by_judge()
    assert (judge.scorer.options, judge.edges) == ({"value": "compound"}, (0.5,))
    assert judge.labels_of(np.array([0.5, 0.6])) == ["neg", "pos"]
    assert (judge.judge, judge.exclude_within) == (None, 0.0)
    recorded = json.loads(json.dumps(to_manifest(attributes)))
    assert from_manifest(recorded) == attributes
    assert (
        from_manifest({"sentiment": recorded["sentiment"] | {"judge": None}})["sentiment"].judge
        is None
    )
    with pytest.raises(ValueError, match="has no judge"):
        judge.by_judge()
