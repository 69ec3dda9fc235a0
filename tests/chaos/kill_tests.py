"""The two tests that each stage goes through; `test_<stage>.py` names the stage and takes them in."""

from tests.chaos.killing import KILLS_IN_CI, report


def test_kills_at_random_moments(chaos, kills, figures_folder, record_property):
    report(chaos.kill_at_moments(kills), figures_folder, record_property)


def test_a_kill_before_every_step_on_the_file_system(
    chaos, kills, tmp_path, figures_folder, record_property
):
    figures = chaos.kill_before_steps(tmp_path / "steps.txt", each_file=kills > KILLS_IN_CI)
    report(figures, figures_folder, record_property)
    steps = (tmp_path / "steps.txt").read_text().splitlines()
    assert figures.kills == len(steps)
    assert f"rename {chaos.run.name}.partial" in steps
    if chaos.stage == "training":
        assert "rename model.partial/work" in steps
