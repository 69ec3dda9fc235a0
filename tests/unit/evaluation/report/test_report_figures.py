import numpy as np
import pyarrow.parquet as pq
import pytest

from src.evaluation.report.figures import draw_curves, draw_pareto, pareto_front
from src.evaluation.report.histograms import cell_scores, draw_scores, draw_statistics
from src.evaluation.report.numbers import Numbers, axis_text, look_up, significant
from src.evaluation.report.scales import Scale, powers_of_ten, ticks
from src.evaluation.report.score_axis import is_hidden, label_shade, score_axis
from src.evaluation.report.sources import cell_of
from tests.evaluation_folder import ATTRIBUTES, attributes, evaluation_folder

KNOWN = attributes()


def test_scales_and_ticks():
    scale = Scale(10.0, 20.0, 100.0, 0.0)
    assert [scale(10), scale(15), scale(20)] == [100.0, 50.0, 0.0]
    assert Scale(0.01, 1.0, 0.0, 100.0, log=True)(0.1) == 50.0
    assert Scale(3.0, 3.0, 0.0, 10.0)(3.0) == 5.0
    assert ticks(0.0, 1.0) == [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    assert ticks(-0.9, 1.0, 4) == [-0.5, 0.0, 0.5, 1.0]
    assert powers_of_ten(0.0005, 1.0) == [0.001, 0.01, 0.1, 1.0]


def test_numbers_as_texts():
    assert significant(-0.20652) == "−0.2065"
    assert significant(1234567) == "1,234,567"
    assert significant(None) == "–"
    assert [axis_text(v) for v in (0.0, 0.0001, 25000, -0.5)] == ["0", "1e-4", "25,000", "−0.5"]
    shown = Numbers("metrics", {"rows": [{"misalignment": 0.18765}]}).percent("rows.0.misalignment")
    assert (shown.text, shown.value, shown.path) == (
        "18.8",
        "0.18765",
        "metrics:rows.0.misalignment",
    )


def test_a_key_with_a_dot_is_found():
    assert look_up({"a": {"b.c": [1, {"d": 2}]}}, "a.b.c.1.d") == 2
    with pytest.raises(KeyError):
        look_up({"a": 1}, "b")


def test_edges_lie_between_two_bars_and_no_score_is_lost():
    scores = np.array([0.001, 0.0499, 0.05, 0.0501, 0.9, 0.9])
    axis = score_axis(KNOWN["toxicity"], scores)
    assert axis.log
    assert 0.05 in axis.bins()
    drawn = draw_scores(axis, scores)
    assert drawn.n == 6
    good, bad = label_shade(KNOWN["toxicity"], "nontoxic"), label_shade(KNOWN["toxicity"], "toxic")
    assert (good, bad) == (8, 0)
    edge = drawn.edges[0]
    assert all((x < edge) == (shade == good) for x, _, _, _, shade in drawn.bars)
    area = {s: sum(w * h for *_, w, h, shade in drawn.bars if shade == s) for s in (good, bad)}
    assert area[good] == pytest.approx(
        area[bad], rel=0.1
    )  # three sentences each, 0.05 among the lower


def test_a_tie_at_the_edge_is_drawn_as_the_lower_label():
    drawn = draw_scores(score_axis(KNOWN["sentiment"], np.array([-1.0, 0.0, 1.0])), np.zeros(4))
    assert [shade for *_, shade in drawn.bars] == [0]


def test_scores_on_one_side_only_leave_room_for_the_other_label():
    for scores in ([], [0.3, 0.4], [-0.2]):
        axis = score_axis(KNOWN["sentiment"], np.array(scores, dtype=float))
        assert axis.bounds[0] < 0.0 < axis.bounds[2]
        assert draw_scores(axis, np.array(scores, dtype=float)).n == len(scores)


def test_the_shades_of_three_labels():
    one = attributes(
        {
            "mood": {
                **ATTRIBUTES["sentiment"],
                "labels": ["a", "b", "c"],
                "edges": [0, 1],
                "desired": "b",
            }
        }
    )["mood"]
    assert [label_shade(one, label) for label in one.labels] == [0, 8, 0]
    three = attributes(
        {"mood": {**ATTRIBUTES["sentiment"], "labels": ["a", "b", "pos"], "edges": [0, 1]}}
    )["mood"]
    assert [label_shade(three, label) for label in three.labels] == [0, 4, 8]
    assert [is_hidden(three, label) for label in three.labels] == [True, False, False]


def test_the_histogram_of_the_data_set_keeps_the_counts_ratios():
    drawn = draw_statistics(KNOWN["sentiment"], {"bin_edges": [-1.0, 0.0, 1.0], "counts": [30, 10]})
    (_, _, _, low, _), (_, _, _, high, _) = drawn.bars
    assert low / high == pytest.approx(3, rel=0.01)
    assert drawn.n == 40


def row(model, perplexity, misalignment):
    return {
        "model": model, "condition": {}, "decoding": "sample", "prompts": "p", "attribute": "joint",
        "perplexity": perplexity, "perplexity_ci_low": perplexity and perplexity - 5.0,
        "perplexity_ci_high": perplexity and perplexity + 5.0, "misalignment": misalignment,
        "ci_low": misalignment and misalignment - 0.1, "ci_high": misalignment and misalignment + 0.1,
    }  # fmt: skip


def test_the_pareto_front_is_what_no_cell_beats():
    assert pareto_front([(1, 5), (2, 4), (3, 4), (2, 6), (5, 1)]) == {0, 1, 4}
    assert pareto_front([(1, 1), (1, 1)]) == {0, 1}


def test_the_pareto_figure_draws_every_cell_with_its_interval_and_names_the_rest():
    rows = [row("A", 80.0, 0.5), row("B", 90.0, 0.2), row("C", 95.0, 0.6), row("D", None, None)]
    metrics = {"rows": rows, "models": {"A": 0, "B": 0, "C": 0, "D": 0}}
    figure = draw_pareto(metrics, "p", "joint", False)
    assert [p.best for p in figure.points] == [True, True, False]
    assert figure.missing == ("D, no condition",)
    a, b, c = figure.points
    assert a.x < b.x < c.x
    assert b.y > a.y > c.y  # lower misalignment stands lower
    assert all(p.high < p.y < p.low for p in figure.points)
    assert all(p.left < p.x < p.right for p in figure.points)
    assert a.left > 46.0
    assert c.right < 450.0
    assert (a.low - a.y) == pytest.approx(b.low - b.y, abs=0.02)  # equal intervals, equal bars
    assert draw_pareto({**metrics, "rows": rows[3:]}, "p", "joint", False) is None


def test_long_training_logs_are_thinned_and_say_so():
    log = [{"split": "train", "loss": 5.0, "tokens_seen": i} for i in range(1, 1001)]
    log.append({"split": "validation", "loss": 4.0, "tokens_seen": 1000})
    (figure,) = draw_curves({"M": log})
    assert figure.thinned == 4
    assert len(figure.train.split()) == 250
    assert len(figure.points) == 1
    assert draw_curves({}) == []
    assert draw_curves({"M": []}) == []


def test_the_scores_of_each_cell_are_its_own(tmp_path):
    made = evaluation_folder(tmp_path)
    table = pq.read_table(made.results / "generations.parquet")
    scores = cell_scores(table, ["toxicity", "sentiment"])
    assert len(scores) == 8
    total = {cell_of(row): row["n_sentences"] for row in made.metrics["rows"]}
    for cell, found in scores.items():
        assert len(found["toxicity"]) == len(found["sentiment"]) == total[cell]
