"""Rows of metrics survive a kill, and none is written twice."""

import pytest

from src.training.metrics_log import MetricsLog

SPEED = {"tokens_per_second": 123.45, "processes": 2}


def row(step, split="train"):
    return {"step": step, "split": split, "loss": 1.0 / step}


def test_rows_are_cut_back_to_the_step_that_a_run_goes_on_from(tmp_path):
    log = MetricsLog(tmp_path)
    assert log.rows() == []
    for step in (1, 2, 3):
        log.add(row(step), **SPEED)
    log.add(row(2, "validation"), **SPEED)
    with log.path.open("a") as handle:
        handle.write('{"step": 4, "spl')  # killed while writing
    assert [r["step"] for r in log.rows()] == [1, 2, 3, 2]
    log.cut_after(2)
    assert log.rows() == [row(1), row(2), row(2, "validation")]
    assert [(r["step"], r["split"]) for r in log.timing()] == [
        (1, "train"), (2, "train"), (2, "validation"),
    ]  # fmt: skip
    log.add(row(3), **SPEED)
    assert log.path.read_text().count("\n") == 4


def test_how_fast_it_was_is_no_metric(tmp_path):
    log = MetricsLog(tmp_path)
    log.add(row(2), **SPEED)
    assert log.rows() == [row(2)]
    assert log.timing() == [
        {"step": 2, "split": "train", "tokens_per_second": 123.5, "processes": 2}
    ]


def test_a_validation_row_is_found_by_its_step(tmp_path):
    log = MetricsLog(tmp_path)
    log.add(row(2), **SPEED)
    log.add(row(2, "validation"), **SPEED)
    assert log.validation(2) == row(2, "validation")
    assert log.validation(1) is None


def test_a_loss_that_is_no_number_is_never_written(tmp_path):
    log = MetricsLog(tmp_path)
    with pytest.raises(ValueError, match="not JSON compliant"):
        log.add({"step": 1, "split": "train", "loss": float("nan")}, **SPEED)
    assert log.rows() == log.timing() == []
