"""What people would say of generated sentences, from their ratings of the corpus."""

import json

import pytest

from src.evaluation.continuation import Continuation
from src.evaluation.metrics.cell_metrics import cell_rows
from src.evaluation.scoring.people import Ratings, people_figures, ratings_of, read_ratings
from src.evaluation.tables.result_tables import build_tables
from tests.unit.evaluation.conftest import LABELS, make_attributes

TARGETS = {"toxicity": "nontoxic", "sentiment": "pos"}
FACTS = {"model": "M", "condition": {"sentiment": "pos"}, "decoding": "s", "prompts": "unprompted"}


def compared(neg, pos):
    """A comparison of audit.json: what people said of sentences labelled neg, and of those labelled pos."""
    confusion = {
        label: {"neg": by_people[0], "pos": by_people[1]}
        for label, by_people in (("neg", neg), ("pos", pos))
    }
    return {"sentences": sum(neg) + sum(pos), "confusion": confusion}


EVERY = compared(
    (130, 70), (30, 170)
)  # of 200 labelled neg, 100 score 0: people split them 50 to 50
DECIDED = compared((80, 20), (30, 170))


@pytest.fixture(scope="module")
def attributes():
    return make_attributes()


def written(*scores):
    """One continuation a score: VADER's 0 says nothing and falls to `neg`."""
    return [
        Continuation(
            prompt_id=str(i),
            sample=0,
            prompt="",
            text="A sentence.",
            n_tokens=3,
            sentences=("A sentence.",),
            scores=({"toxicity": 0.0, "sentiment": score},),
            labels=({"toxicity": "nontoxic", "sentiment": "pos" if score > 0 else "neg"},),
        )
        for i, score in enumerate(scores)
    ]


def test_shares_are_by_label_and_by_how_clear_the_score_is(attributes):
    found = ratings_of(attributes["sentiment"], EVERY, DECIDED)
    assert found.sentences == 400
    assert found.by_stratum == {
        ("neg", True): {"neg": 0.8, "pos": 0.2},
        ("neg", False): {"neg": 0.5, "pos": 0.5},
        ("pos", True): {"neg": 0.15, "pos": 0.85},
    }


def test_too_few_ratings_are_none(attributes):
    rare = compared((80, 20), (3, 17))
    assert ratings_of(attributes["sentiment"], rare, rare) is None


def test_the_estimate_weighs_every_sentence_by_its_stratum(attributes):
    ratings = {"sentiment": ratings_of(attributes["sentiment"], EVERY, DECIDED)}
    cell = written(*[-0.5] * 20, *[0.0] * 30, *[0.7] * 50)
    found = people_figures(cell, TARGETS, attributes, ratings)["sentiment"]
    expected = 0.2 * 0.8 + 0.3 * 0.5 + 0.5 * 0.15
    assert found["people_misalignment"] == pytest.approx(expected)
    low, high = found["people_misalignment_ci_low"], found["people_misalignment_ci_high"]
    assert 0.15 < low < expected < high < 0.8
    # The scorer's own share is 50 % ± 10 points: people's varies less, as their labels do.
    assert 0.06 < high - low < 0.2


def test_a_scorer_that_people_always_agree_with_has_their_interval(attributes):
    certain = Ratings(
        {("neg", True): {"neg": 1.0, "pos": 0.0}, ("pos", True): {"neg": 0.0, "pos": 1.0}}, 400
    )
    cell = written(*[-0.5] * 20, *[0.7] * 30)
    (row,) = [
        row
        for row in cell_rows(FACTS, cell, attributes, seed=0, ratings={"sentiment": certain})
        if row["attribute"] == "sentiment"
    ]
    assert row["people_misalignment"] == pytest.approx(row["misalignment"])
    assert row["people_misalignment_ci_low"] == pytest.approx(row["ci_low"])
    assert row["people_misalignment_ci_high"] == pytest.approx(row["ci_high"])


def test_a_stratum_that_nobody_rated_leaves_no_estimate(attributes):
    ratings = {"sentiment": ratings_of(attributes["sentiment"], DECIDED, DECIDED)}
    found = people_figures(written(0.0, 0.7), TARGETS, attributes, ratings)["sentiment"]
    assert set(found.values()) == {None}
    assert (
        people_figures(written(), TARGETS, attributes, ratings)["sentiment"]["people_misalignment"]
        is None
    )


def test_ratings_come_from_the_data_set_s_audit(attributes, tmp_path):
    assert read_ratings(tmp_path, attributes) == {}
    human = {"labels_of_all": EVERY, "labels_where_decided": DECIDED}
    (tmp_path / "audit.json").write_text(json.dumps({"human": {"sentiment": human}}))
    assert read_ratings(tmp_path, attributes)["sentiment"].sentences == 400


def test_the_tables_show_the_estimate_and_what_it_assumes(attributes):
    ratings = {"sentiment": ratings_of(attributes["sentiment"], EVERY, DECIDED)}
    cell = written(*[-0.5] * 20, *[0.7] * 30)
    rows = cell_rows(FACTS, cell, attributes, seed=0, ratings=ratings)
    described = {name: {**LABELS[name], "judge": None} for name in LABELS}
    tables = build_tables({"rows": rows, "attributes": described})
    (table,) = [one for one in tables if "eyes of others" in one.title]
    assert table.header == ("model", "asked", "scorer", "people, estimated")
    assert table.rows[0][3].startswith("41.0 [")
    assert "nobody read these texts" in table.caption
