"""kill -9 while a model is trained, resumed by the same command: equal weights, nothing left behind."""

import pytest

from tests.chaos.killing import KILLS_IN_CI, Chaos, report


@pytest.fixture(scope="module")
def chaos(commands, project, tmp_path_factory):
    call, run = project.call("training", tmp_path_factory.mktemp("disturbed") / "here")
    return Chaos(commands, "training", call, run)


def test_kills_at_random_moments(chaos, kills, figures_folder, record_property):
    report(chaos.kill_at_moments(kills), figures_folder, record_property)


def test_a_kill_before_every_step_on_the_file_system(
    chaos, kills, tmp_path, figures_folder, record_property
):
    figures = chaos.kill_before_steps(tmp_path / "steps.txt", each_file=kills > KILLS_IN_CI)
    report(figures, figures_folder, record_property)
    steps = (tmp_path / "steps.txt").read_text().splitlines()
    assert figures.kills == len(steps)
    assert {"rename model.partial", "rename model.partial/work"} <= set(steps)
