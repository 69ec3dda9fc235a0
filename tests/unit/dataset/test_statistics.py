import json
import math

import numpy as np
import pyarrow as pa
import pytest

from src.dataset.labelling import label_batch
from src.dataset.statistics import ScoreFigures, ScoreRange, cramers_v
from tests.unit.dataset.test_labelling import ATTRIBUTES


@pytest.fixture(scope="module")
def scores():
    angles = np.arange(1000) * 0.7
    mood = np.round(np.sin(angles), 2)
    return {"mood": mood, "tone": np.round(0.5 * mood + 0.3 * np.cos(angles * 1.3), 2)}


@pytest.fixture(scope="module")
def figures(scores):
    ranges = {name: ScoreRange() for name in scores}
    for start in range(0, 1000, 300):
        for name, values in scores.items():
            ranges[name].add(values[start : start + 300])
    counted = ScoreFigures(ATTRIBUTES, ranges)
    rows = [{"mood": a, "tone": b} for a, b in zip(scores["mood"], scores["tone"], strict=True)]
    for start in range(0, 1000, 300):
        table = pa.table(
            {
                "scores": rows[start : start + 300],
                "reason": pa.nulls(len(rows[start : start + 300]), pa.string()),
            }
        )
        counted.add(label_batch(table, ATTRIBUTES))
    return counted


def test_figures_agree_with_numpy(scores, figures):
    found = figures.to_json({name: [0.0] * 9 for name in scores})
    for name, values in scores.items():
        one = found["attributes"][name]
        assert one["scores"]["n"] == 1000
        assert one["scores"]["lowest"] == values.min()
        assert one["scores"]["highest"] == values.max()
        assert one["scores"]["mean"] == pytest.approx(values.mean())
        assert one["scores"]["standard_deviation"] == pytest.approx(values.std())
        counts, edges = np.histogram(values, 50, (values.min(), values.max()))
        assert one["histogram"]["counts"] == counts.tolist()
        assert one["histogram"]["bin_edges"] == edges.tolist()
        on_edge = np.isin(values, ATTRIBUTES[name].edges).sum()
        assert on_edge > 0
        assert one["scores"]["exactly_on_an_edge"]["sentences"] == on_edge
    [pair] = found["pairs"]
    expected = np.corrcoef(scores["mood"], scores["tone"])[0, 1]
    assert pair["correlation_of_scores"] == pytest.approx(expected)


def test_labels_are_counted_without_what_is_near_an_edge(scores, figures):
    used = [
        (ATTRIBUTES["mood"].label_of(a), ATTRIBUTES["tone"].label_of(b))
        for a, b in zip(scores["mood"], scores["tone"], strict=True)
        if not (ATTRIBUTES["mood"].near_edge(a) or ATTRIBUTES["tone"].near_edge(b))
    ]
    found = figures.to_json({name: [0.0] * 9 for name in scores})
    assert 0 < len(used) < 1000
    for combination, facts in found["label_combinations"].items():
        n = used.count(tuple(combination.split(" + ")))
        assert facts == {"sentences": n, "share": n / len(used)}
    [pair] = found["pairs"]
    assert pair["sentences"]["good"]["warm"] == used.count(("good", "warm"))
    warm = found["attributes"]["tone"]["labels"]["warm"]
    assert warm["sentences"] == sum(labels[1] == "warm" for labels in used)
    json.dumps(found, allow_nan=False)


def test_cramers_v_of_known_tables():
    assert cramers_v(np.array([[10, 0], [0, 10]])) == pytest.approx(1.0)
    assert cramers_v(np.array([[5, 5], [5, 5]])) == pytest.approx(0.0)
    assert cramers_v(np.array([[5, 5], [0, 0]])) is None
    # phi = (ad - bc) / sqrt of the product of the margins
    table = np.array([[30, 10], [15, 45]])
    phi = (30 * 45 - 10 * 15) / math.sqrt(40 * 60 * 45 * 55)
    assert cramers_v(table) == pytest.approx(phi)
    assert cramers_v(np.array([[8, 0, 0], [0, 8, 0]])) == pytest.approx(1.0)
