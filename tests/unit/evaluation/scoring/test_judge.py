"""A second scorer judges what was written: VADER's compound beside its share of words."""

import json

import pyarrow.parquet as pq
import pytest

from src.attributes.scorer import cached_scorer
from src.errors import ArtifactError, ScorerError
from src.evaluation.continuation import Continuation
from src.evaluation.generation.generations_file import (
    read_generations,
    read_work,
    write_generations,
    write_work,
)
from src.evaluation.metrics.cell_metrics import cell_rows
from src.evaluation.plan.cells import Cell
from src.evaluation.run import evaluate
from src.evaluation.scoring.judge import judges_of
from src.evaluation.scoring.scored_sentences import check_judges, score_continuations
from src.evaluation.tables.formats import to_csv, to_markdown
from src.evaluation.tables.result_tables import build_tables
from tests.failing_scorers import NO_NUMBERS
from tests.unit.evaluation.conftest import LABELS, make_attributes, publish_dataset

JUDGE = {"scorer": {"name": "vader", "value": "compound"}, "edges": [0.5]}
FACTS = {"model": "M", "condition": {"sentiment": "pos"}, "decoding": "s", "prompts": "validation"}


@pytest.fixture(scope="module")
def judged():
    """The attributes, sentiment with a judge."""
    return make_attributes(sentiment=LABELS["sentiment"] | {"judge": JUDGE})


@pytest.fixture(scope="module")
def scored(judged):
    texts = {
        "a": "It was wonderful and we love it! It was good on the whole.",  # pos, and pos by words alone
        "b": "I hate it. It was awful.",
        "c": "",
        "d": "A wonderful, excellent day.",
    }
    written = [Continuation(p, 0, "prompt", text, 9) for p, text in texts.items()]
    return score_continuations(written, judged, "gentle")


def test_the_judge_has_scores_and_labels_of_its_own(judged, scored):
    judge = cached_scorer(judged["sentiment"].judge.scorer)
    for one in scored:
        assert len(one.judge_labels) == len(one.judge_scores) == len(one.sentences)
        values = judge.score(one.sentences).tolist()
        assert [row["sentiment"] for row in one.judge_scores] == values
        assert [row["sentiment"] for row in one.judge_labels] == [
            "pos" if value > 0.5 else "neg" for value in values
        ]
        assert all(set(row) == {"sentiment"} for row in one.judge_labels)
        assert all(set(row) == {"toxicity", "sentiment"} for row in one.labels)
    assert scored[0].labels[1]["sentiment"] == "pos"
    assert scored[0].judge_labels[1]["sentiment"] == "neg"


def rows_of(cell, attributes):
    rows = cell_rows(FACTS, cell, attributes, seed=0)
    return {row["attribute"]: row for row in rows}


def test_rows_have_both_opinions_where_there_is_a_judge(judged, scored):
    rows = rows_of(scored, judged)
    row = rows["sentiment"]
    assert row["misalignment"] == pytest.approx(2 / 5)
    assert row["judge_misalignment"] == pytest.approx(3 / 5)
    assert row["judge_disagreement"] == pytest.approx(1 / 5)
    for figure in ("judge_misalignment", "judge_disagreement"):
        assert row[f"{figure}_ci_low"] <= row[figure] <= row[f"{figure}_ci_high"]
    assert not any(key.startswith("judge") for name in ("toxicity", "joint") for key in rows[name])
    silent = rows_of([Continuation("a", 0, "", "", 0)], judged)["sentiment"]
    assert silent["judge_misalignment"] is silent["judge_disagreement_ci_low"] is None
    json.dumps(rows, allow_nan=False)


def test_a_judge_who_is_the_scorer_would_have_its_figures_and_never_disagree(scored):
    alike = make_attributes(
        sentiment=LABELS["sentiment"]
        | {"judge": {"scorer": {"name": "vader", "value": "compound"}, "edges": [0.0]}}
    )
    cell = score_continuations(scored, alike, "gentle")
    row = rows_of(cell, alike)["sentiment"]
    assert row["judge_misalignment"] == row["misalignment"]
    assert (row["judge_misalignment_ci_low"], row["judge_misalignment_ci_high"]) == (
        row["ci_low"],
        row["ci_high"],
    )
    assert row["judge_disagreement"] == 0.0


def test_without_a_judge_nothing_is_added(scored, tmp_path):
    plain = make_attributes()
    cell = score_continuations(scored, plain, "gentle")
    assert all(one.judge_scores == one.judge_labels == () for one in cell)
    assert not any(key.startswith("judge") for row in rows_of(cell, plain).values() for key in row)
    write_work(tmp_path / "work.parquet", cell, plain)
    assert read_work(tmp_path / "work.parquet") == cell


def test_the_judge_s_scores_are_kept_with_the_continuations(judged, scored, tmp_path):
    write_work(tmp_path / "work.parquet", scored, judged)
    assert read_work(tmp_path / "work.parquet") == scored
    cell = Cell("M", FACTS["condition"], "s", "validation", "key")
    write_generations(tmp_path / "g.parquet", [(cell, scored)], judged)
    rows = read_generations(tmp_path / "g.parquet")
    assert rows[0]["judge_labels"] == [{"sentiment": "pos"}, {"sentiment": "neg"}]
    assert rows[2]["judge_scores"] == []


def test_the_tables_show_both(judged, scored):
    rows = list(rows_of(scored, judged).values())
    described = {
        name: {**LABELS[name], "judge": JUDGE if name == "sentiment" else None} for name in LABELS
    }
    metrics = {"rows": rows, "attributes": described}
    tables = {table.title: table for table in build_tables(metrics)}
    table = tables["Misalignment in the eyes of others, sentiment (validation prompts, 4)"]
    assert table.header == ("model", "asked", "scorer", "judge", "disagree")
    assert table.rows[0][2].startswith("40.0 [")
    assert table.rows[0][3].startswith("60.0 [")
    assert table.rows[0][4].startswith("20.0 [")
    assert "Misalignment in the eyes of others, sentiment" in to_markdown(list(tables.values()))
    header, *lines = to_csv(metrics).splitlines()
    assert "pos: judge_disagreement_ci_high" in header
    assert ",0.6," in next(line for line in lines if ",sentiment," in line)
    without = {"rows": [r for r in rows if r["attribute"] != "sentiment"], "attributes": LABELS}
    assert "judge" not in to_csv(without).splitlines()[0]


def test_a_failing_judge_stops_the_run():
    judge = {"scorer": {"name": NO_NUMBERS}, "edges": [0.0]}
    attributes = make_attributes(sentiment=LABELS["sentiment"] | {"judge": judge})
    with pytest.raises(ScorerError, match="no finite number"):
        score_continuations([Continuation("p", 0, "", "A sentence.", 3)], attributes, "gentle")


def test_the_judge_has_to_be_the_data_set_s(judged):
    here = {
        name: cached_scorer(one.scorer).fingerprint() for name, one in judges_of(judged).items()
    }
    assert check_judges(judged, here) == here
    assert check_judges(make_attributes(), {}) == {}
    other = {"sentiment": here["sentiment"] | {"vaderSentiment": "0.1"}}
    with pytest.raises(ArtifactError, match=r"sentiment.vaderSentiment: was '0.1'"):
        check_judges(judged, other)


def test_a_whole_evaluation_with_a_judge_that_the_models_never_knew(project, judged, tmp_path):
    """Models trained before the data set had a judge fit: a judge makes no label."""
    data = publish_dataset(tmp_path / "data", judged, project.fingerprint)
    evaluate(project.args(tmp_path / "judged", dataset=data))
    tables = (tmp_path / "judged/tables.md").read_text(encoding="utf-8")
    assert "Misalignment in the eyes of others, sentiment (unprompted, 5 samples)" in tables
    metrics = json.loads((tmp_path / "judged/metrics.json").read_text())
    assert "compound" in metrics["judges"]["sentiment"]["options"]
    generations = read_generations(tmp_path / "judged/generations.parquet")
    for row in (row for row in metrics["rows"] if row["attribute"] == "sentiment"):
        cell = ("model", "condition", "decoding", "prompts")
        own = [one for one in generations if all(one[key] == row[key] for key in cell)]
        theirs = [label["sentiment"] for one in own for label in one["judge_labels"]]
        assert len(theirs) == row["n_sentences"]
        if theirs:
            share = sum(label != "pos" for label in theirs) / len(theirs)
            assert row["judge_misalignment"] == pytest.approx(share)
    plain = project.args(tmp_path / "plain")
    evaluate(plain)
    assert "judge_labels" not in pq.read_schema(tmp_path / "plain/generations.parquet").names
    unjudged = json.loads((tmp_path / "plain/metrics.json").read_text())
    for with_one, without in zip(metrics["rows"], unjudged["rows"], strict=True):
        assert {k: v for k, v in with_one.items() if not k.startswith("judge")} == without
