"""The label audit, with real VADER and profanity_check on sentences of our own."""

import csv
import io
import json

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import cohen_kappa_score, roc_auc_score

from src.attributes.attribute import attributes_from_args
from src.attributes.scorer import cached_scorer
from src.config.attributes import AttributeArgs
from src.config.dataset import AuditArgs, DatasetArgs
from src.dataset.audit.audit_picture import draw_audit
from src.dataset.audit.audit_sample import Sampled, Smallest
from src.dataset.audit.card_section import audit_section
from src.dataset.audit.hand_check import COLUMNS, hand_check_sheet
from src.dataset.audit.label_audit import Audit, phi
from src.dataset.labelling import label_batch
from src.dataset.statistics import ScoreFigures, ScoreRange
from src.errors import ScorerError
from tests import builders
from tests.demo_attributes import SENTIMENT, toxicity
from tests.failing_scorers import NO_NUMBERS

N = 600
ATTRIBUTES = {
    "toxicity": toxicity(0.3),
    "sentiment": {
        **SENTIMENT,
        "exclude_within": 0.1,
        "judge": {"scorer": {"name": "vader", "value": "compound"}, "edges": [0.2]},
    },
}


def make_args(rated=True, attributes=ATTRIBUTES, **audit):
    ratings = {"human_ratings": {"sentiment": "meta.rating"}} if rated else {}
    return DatasetArgs.model_validate(
        {
            "output": "unused",
            "source": {"kind": "files", "path": "unused", **ratings},
            "attributes": attributes,
            "tokenizer": {"base": "unused"},
            "validation": {"document_share": 0.1, "sentences": 4},
            "audit": {"hand_check": 10, "judge_sentences": 200, "resamples": 200, **audit},
        }
    )


def raw_rows():
    """Sentences of 200 documents in two sources; two of three have a person's rating."""
    texts = [f"{builders.sentence(f'audit/{i}')} ({i})" for i in range(N)]
    mood = {name: (i % 7) - 3 for i, name in enumerate(texts)}
    ratings = [
        cached_scorer(make_args().attributes["sentiment"].scorer).score(texts) * 5
        + np.array(list(mood.values())) / 2
    ][0]
    scored = {
        name: cached_scorer(one.scorer).score(texts) for name, one in make_args().attributes.items()
    }
    return [
        {
            "id": f"{i:04d}",
            "document_id": f"document {i // 3}",
            "source": "reviews" if i < 400 else "=tweets",
            "text": text,
            "n_words": 9,
            "scores": {name: float(values[i]) for name, values in scored.items()},
            "human": {"sentiment": float(ratings[i])} if i % 3 else None,
            "reason": None,
        }
        for i, text in enumerate(texts)
    ]


@pytest.fixture(scope="module")
def rows():
    return raw_rows()


def audited(rows, args, batch_rows=250):
    """The audit and its JSON, as pass 2 makes them."""
    attributes = attributes_from_args(args.attributes)
    batches = []
    for start in range(0, len(rows), batch_rows):
        batches.append(
            label_batch(pa.Table.from_pylist(rows[start : start + batch_rows]), attributes)
        )
    ranges = {name: ScoreRange() for name in attributes}
    for batch in batches:
        for name, scores in batch.scores.items():
            ranges[name].add(scores)
    audit = Audit(args, attributes, ranges)
    figures = ScoreFigures(attributes, ranges)
    for batch in batches:
        figures.add(batch)
        audit.add(batch)
    stats = figures.to_json({name: np.linspace(0.1, 0.9, 9).tolist() for name in attributes})
    return audit, audit.to_json(stats)


@pytest.fixture(scope="module")
def made(rows):
    return audited(rows, make_args())


@pytest.fixture(scope="module")
def used(rows):
    return [row for row in rows if abs(row["scores"]["sentiment"]) >= 0.1]


def label(row):
    return "pos" if row["scores"]["sentiment"] > 0 else "neg"


def test_ties_margins_and_labels_are_counted_by_source_too(rows, used, made):
    found = made[1]
    assert found["sentences"] == {
        "scored": N, "outside_all_margins": len(used), "sampled": N,
    }  # fmt: skip
    one = found["attributes"]["sentiment"]
    scores = np.array([row["scores"]["sentiment"] for row in rows])
    ties = int((scores == 0).sum())
    assert ties > 20
    assert one["on_an_edge"] == {"sentences": ties, "share": ties / N}
    assert one["at_the_neutral_score"] == one["on_an_edge"]
    assert one["within_margin"]["sentences"] == N - len(used)
    assert one["labels"]["pos"]["sentences"] == sum(label(row) == "pos" for row in used)
    assert one["mean_score"] == pytest.approx(scores.mean())
    tweets = one["by_source"]["=tweets"]
    assert tweets["sentences"] == 200
    assert tweets["on_an_edge"]["sentences"] == int((scores[400:] == 0).sum())
    assert found["attributes"]["toxicity"]["at_the_neutral_score"] is None
    counts, bin_edges = np.histogram(scores, 50, (scores.min(), scores.max()))
    assert one["histogram"] == counts.tolist()
    assert one["bin_edges"] == bin_edges.tolist()
    of_sources = [of["histogram"] for of in one["by_source"].values()]
    assert np.sum(of_sources, axis=0).tolist() == counts.tolist()


def test_people_s_ratings_against_scores_and_labels(rows, used, made):
    found = made[1]["human"]["sentiment"]
    rated = [row for row in rows if row["human"]]
    score = [row["scores"]["sentiment"] for row in rated]
    rating = np.array([row["human"]["sentiment"] for row in rated])
    assert found["rated_sentences"] == found["compared_sentences"] == len(rated) == 400
    assert found["spearman"]["value"] == pytest.approx(spearmanr(score, rating).statistic)
    [auc] = found["auc"]
    assert auc["value"] == pytest.approx(roc_auc_score(rating > 0, score))
    assert auc["sentences_above"] + auc["sentences_not_above"] == 400
    assert auc["low"] < auc["value"] < auc["high"]
    clear = [r for r in rated if abs(r["scores"]["sentiment"]) >= 0.1]
    populations = (
        (rated, "labels_of_all"),
        (clear, "labels_where_decided"),
        (used, "labels_of_the_data_set"),
    )
    for population, key in populations:
        mine = [label(row) for row in population if row["human"]]
        theirs = ["pos" if r["human"]["sentiment"] > 0 else "neg" for r in population if r["human"]]
        same = sum(a == b for a, b in zip(mine, theirs, strict=True))
        assert found[key]["sentences"] == len(mine)
        assert found[key]["agreement"]["value"] == pytest.approx(same / len(mine))
        assert found[key]["kappa"]["value"] == pytest.approx(cohen_kappa_score(mine, theirs))
        both = sum(a == "pos" and b == "neg" for a, b in zip(mine, theirs, strict=True))
        assert found[key]["confusion"]["pos"]["neg"] == both
    # VADER cannot tell which way a tie goes: without the ties the labels agree better.
    assert (
        found["labels_of_the_data_set"]["agreement"]["value"]
        > found["labels_of_all"]["agreement"]["value"]
    )
    assert found["by_source"]["=tweets"]["sentences"] == sum(
        r["source"] == "=tweets" for r in rated
    )


def test_the_judge_scores_a_sample_of_the_data_set_with_its_own_edges(used, made):
    found = made[1]["judges"]["sentiment"]
    assert list(made[1]["judges"]) == ["sentiment"]
    assert (found["sentences"], found["edges"]) == (200, [0.2])
    assert found["same_kind_of_scorer"]
    judge = cached_scorer(make_args().attributes["sentiment"].judge.scorer)
    compound = dict(
        zip((r["id"] for r in used), judge.score([r["text"] for r in used]), strict=True)
    )
    rows = [row for row in made[0].samples.any_kept.items() if row.used][:200]
    mine = [row.labels["sentiment"] for row in rows]
    theirs = ["pos" if compound[row.id] > 0.2 else "neg" for row in rows]
    assert found["kappa"]["value"] == pytest.approx(cohen_kappa_score(mine, theirs))
    assert found["agreement"]["low"] <= found["agreement"]["value"] <= found["agreement"]["high"]


def test_attributes_are_correlated_by_ranks_and_labels(rows, made):
    [pair] = made[1]["pairs"]
    scores = [[row["scores"][name] for row in rows] for name in ATTRIBUTES]
    assert pair["spearman"]["value"] == pytest.approx(spearmanr(*scores).statistic)
    assert pair["pearson"] == pytest.approx(np.corrcoef(scores)[0, 1])
    assert abs(pair["phi_of_labels"]) == pytest.approx(pair["cramers_v_of_labels"])
    assert phi(np.array([[10, 0], [0, 5]])) == pytest.approx(1.0)
    assert phi(np.array([[0, 5], [5, 0]])) == pytest.approx(-1.0)
    assert phi(np.array([[5, 5], [0, 0]])) is None
    small = np.array([[7, 2], [3, 8]])
    assert phi(10**9 * small) == pytest.approx(phi(small)), "as in a data set of the Pile's size"


def _without_sums(found):
    """Without what sums up in the order of the batches, and so rounds differently."""
    plain = {
        name: one | {"mean_score": 0, "by_source": 0} for name, one in found["attributes"].items()
    }
    pairs = [pair | {"pearson": 0} for pair in found["pairs"]]
    return found | {"attributes": plain, "pairs": pairs}


def test_batches_do_not_matter_and_samples_are_bounded(rows, made):
    audit, found = audited(rows, make_args(), batch_rows=77)
    assert _without_sums(found) == _without_sums(made[1])
    sheet = [hand_check_sheet(attributes_from_args(make_args().attributes), one.samples, 10)
             for one in (audit, made[0])]  # fmt: skip
    assert sheet[0] == sheet[1]
    small, fewer = audited(rows, make_args(sentences=200))
    assert fewer["sentences"]["sampled"] == fewer["human"]["sentiment"]["compared_sentences"] == 200
    assert fewer["human"]["sentiment"]["rated_sentences"] == 400
    whole = [row.id for row in made[0].samples.any_kept.items()]
    assert [row.id for row in small.samples.any_kept.items()] == whole[:200]


def test_the_smallest_stay_whatever_their_order():
    def item(i):
        return Sampled(str(i), "", "", "", {}, {}, True, {})

    for order in (range(50), reversed(range(50))):
        kept = Smallest(5)
        for i in order:
            if kept.takes(i % 25, i):
                kept.add(item(i), i % 25, i)
        assert [row.id for row in kept.items()] == ["0", "25", "1", "26", "2"]
        assert kept.limit() == 2
    nothing = Smallest(0)
    assert nothing.limit() < 0 < Smallest(1).limit()
    assert not nothing.takes(1)


def test_the_hand_check_sheet_has_the_nearest_sentences_of_both_sides_and_random_ones(used, made):
    attributes = attributes_from_args(make_args().attributes)
    text = hand_check_sheet(attributes, made[0].samples, 10)
    lines = list(csv.DictReader(io.StringIO(text)))
    assert tuple(lines[0]) == COLUMNS
    assert len(lines) == 2 * (10 + 10)
    mine = [line for line in lines if line["attribute"] == "sentiment"]
    around = [line for line in mine if line["edge"]]
    below = sorted(abs(r["scores"]["sentiment"]) for r in used if label(r) == "neg")[:5]
    above = sorted(abs(r["scores"]["sentiment"]) for r in used if label(r) == "pos")[:5]
    assert [float(one["score"]) for one in around] == pytest.approx(
        [-b for b in below[::-1]] + above
    )
    assert [one["label"] for one in around] == ["neg"] * 5 + ["pos"] * 5
    assert all(one["your_label"] == one["your_note"] == "" for one in lines)
    assert {one["source"] for one in lines} == {
        "reviews",
        "'=tweets",
    }  # no formula in a spreadsheet
    assert len({line["id"] for line in mine if line["chosen"] == "at random"}) == 10


def test_the_card_s_section_and_the_picture_say_the_same(made, rows, tmp_path):
    _, found = audited(rows, make_args())
    text = audit_section(found)
    people, judge = found["human"]["sentiment"], found["judges"]["sentiment"]
    for part in (
        "## Label audit",
        "Not an independent judge",
        f"{people['labels_of_all']['agreement']['value']:.3f} [",
        f"{judge['kappa']['value']:.3f} [{judge['kappa']['low']:.3f}, ",
        "| sentiment | all | 600 |",
        "### People's ratings of sentiment",
    ):
        assert part in text, part
    json.dumps(found, allow_nan=False)
    for name in ("a.png", "b.png"):
        draw_audit(found, tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert (tmp_path / "a.png").read_bytes()[:4] == b"\x89PNG"


def test_without_ratings_and_judges_the_audit_is_shorter(rows):
    bare = {name: one | {"judge": None} for name, one in ATTRIBUTES.items()}
    without = [{k: v for k, v in row.items() if k != "human"} for row in rows]
    _, found = audited(without, make_args(rated=False, attributes=bare))
    assert found["human"] == found["judges"] == {}
    assert "People" not in audit_section(found)
    nobody = [row | {"human": None} for row in rows]
    for row in nobody[:1]:
        row["human"] = {"sentiment": None}
    _, found = audited(nobody, make_args(attributes=bare))
    assert found["human"]["sentiment"]["rated_sentences"] == 0
    assert found["human"]["sentiment"]["spearman"]["value"] is None
    assert "0 scored sentences have a rating" in audit_section(found)
    json.dumps(found, allow_nan=False)


def test_a_failing_judge_raises(rows):
    broken = {"scorer": {"name": NO_NUMBERS}, "edges": [0.0]}
    attributes = ATTRIBUTES | {"sentiment": ATTRIBUTES["sentiment"] | {"judge": broken}}
    with pytest.raises(ScorerError, match="no finite number"):
        audited(rows, make_args(attributes=attributes))


# ------------------------------------------------------------------------------------ args


@pytest.mark.parametrize(
    "judge,says",
    [
        ({"scorer": {"name": "vader", "value": "compound"}}, "edges"),
        (
            {"scorer": {"name": "vader", "value": "compound"}, "edges": [0.1, 0.2]},
            "need 1 judge.edges",
        ),
        (
            {"scorer": {"name": "vader", "value": "pos_minus_neg"}, "edges": [0.0]},
            "the scorer itself",
        ),
        ({"scorer": {"name": "vader", "value": "none"}, "edges": [0.0]}, "compound"),
    ],
)
def test_a_judge_needs_edges_of_its_own_and_is_another_scorer(judge, says):
    with pytest.raises(ValueError, match=says):
        AttributeArgs.model_validate(ATTRIBUTES["sentiment"] | {"judge": judge})


def test_ratings_are_of_attributes_there_are_and_three_labels_need_edges():
    with pytest.raises(ValueError, match="human_edges names 'mood'"):
        make_args(human_edges={"mood": [0.0]})
    three = {"labels": ["neg", "neutral", "pos"], "edges": [-0.2, 0.2], "judge": None}
    attributes = ATTRIBUTES | {"sentiment": ATTRIBUTES["sentiment"] | three}
    with pytest.raises(ValueError, match=r"need 2 rising audit.human_edges.sentiment"):
        make_args(attributes=attributes)
    args = make_args(attributes=attributes, human_edges={"sentiment": [-1.0, 1.0]})
    assert args.human_edges("sentiment") == (-1.0, 1.0)
    with pytest.raises(ValueError, match="fewer than judge_sentences"):
        AuditArgs(sentences=100, judge_sentences=101)
