"""Rows of metrics survive a kill, and none is written twice."""

import pytest

from src.training.metrics_log import MetricsLog


def row(step, split="train"):
    return {"step": step, "split": split, "loss": 1.0 / step}


def test_rows_are_cut_back_to_the_step_that_a_run_goes_on_from(tmp_path):
    log = MetricsLog(tmp_path / "metrics.jsonl")
    assert log.rows() == []
    for step in (1, 2, 3):
        log.add(row(step))
    log.add(row(2, "validation"))
    with log.path.open("a") as handle:
        handle.write('{"step": 4, "spl')  # killed while writing
    assert [r["step"] for r in log.rows()] == [1, 2, 3, 2]
    log.cut_after(2)
    assert log.rows() == [row(1), row(2), row(2, "validation")]
    log.add(row(3))
    assert log.path.read_text().count("\n") == 4


def test_a_validation_row_is_found_by_its_step(tmp_path):
    log = MetricsLog(tmp_path / "metrics.jsonl")
    log.add(row(2))
    log.add(row(2, "validation"))
    assert log.validation(2) == row(2, "validation")
    assert log.validation(1) is None


def test_a_loss_that_is_no_number_is_never_written(tmp_path):
    log = MetricsLog(tmp_path / "metrics.jsonl")
    with pytest.raises(ValueError, match="not JSON compliant"):
        log.add({"step": 1, "loss": float("nan")})
    assert log.rows() == []
