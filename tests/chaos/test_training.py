"""kill -9 while a model is trained, resumed by the same command: equal weights, nothing left behind."""

import json

import pytest

from tests.chaos.killing import Chaos, report


def comparable(files):
    """All bytes but the speed, which no two runs share, and with it one file's size and hash."""
    rows = [json.loads(line) for line in files["metrics.jsonl"].splitlines()]
    manifest = json.loads(files["manifest.json"])
    del manifest["files"]["metrics.jsonl"]
    for row in rows:
        del row["tokens_per_second"]
    return files | {"metrics.jsonl": rows, "manifest.json": manifest}


@pytest.fixture(scope="module")
def chaos(commands, project, tmp_path_factory):
    call, run = project.call("training", tmp_path_factory.mktemp("disturbed") / "here")
    return Chaos(commands, "training", call, run, comparable)


def test_kills_at_random_moments(chaos, kills, figures_folder):
    report(chaos.kill_at_moments(kills), figures_folder)


def test_a_kill_before_every_step_on_the_file_system(chaos, tmp_path, figures_folder):
    figures = chaos.kill_before_steps(tmp_path / "steps.txt")
    report(figures, figures_folder)
    steps = (tmp_path / "steps.txt").read_text().splitlines()
    assert figures.kills == len(steps)
    assert {"rename model.partial", "rename model.partial/work"} <= set(steps)
