"""Pass 1 on Ray, started for real on this machine's loopback."""

import pytest

from src.dataset.pipeline import create_dataset
from src.errors import ScorerError, UnavailableError
from tests.unit.dataset.test_pipeline import RESULT, failing, files_of, same_files

RAY = {"kind": "ray", "workers": 2, "tasks": 3, "memory_gb": 1}


def test_a_failed_task_ends_the_run_and_the_same_command_ends_with_the_local_one_s_bytes(
    make_args, tmp_path
):
    attributes = failing(make_args, tmp_path, "scorer_error")
    with pytest.raises(ScorerError, match="the scorer gave up"):
        create_dataset(make_args(attributes=attributes, executor=RAY))
    partial = tmp_path / "run.partial"
    assert not (partial / "work/pass_1/completions/00001").exists()
    create_dataset(make_args(attributes=attributes, executor=RAY))
    assert not partial.exists()
    local = {"kind": "local", "tasks": 3}
    other = make_args(attributes=attributes, executor=local, output=str(tmp_path / "local" / "run"))
    create_dataset(other)
    names = files_of(tmp_path / "run")
    assert names == files_of(other.output)
    assert not same_files(tmp_path / "run", other.output, names - {"manifest.json"})
    assert names >= RESULT


def test_a_killed_worker_is_one_clear_line(make_args, tmp_path):
    attributes = failing(make_args, tmp_path, "kill_worker")
    with pytest.raises(UnavailableError, match="the worker of task 1 of pass 1 went away"):
        create_dataset(make_args(attributes=attributes, executor=RAY))
    assert not (tmp_path / "run").exists()


def test_a_cluster_that_is_not_there_is_one_clear_line(make_args):
    executor = {**RAY, "ray_address": "127.0.0.1:1"}
    with pytest.raises(UnavailableError, match=r"Ray cannot be reached at .*127\.0\.0\.1:1"):
        create_dataset(make_args(executor=executor))
