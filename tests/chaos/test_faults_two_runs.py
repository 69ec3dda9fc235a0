"""Two runs on one output at the same time: one works, the other says so in one line; nothing is mixed."""

import pytest

from tests.chaos.commands import assert_one_clear_line

HALFWAY = {
    "dataset": "open data.partial/.stats.json.tmp",
    "training": "open model.partial/.training_curve.png.tmp",
    "evaluation": "mkdir results.partial/work/scored",
}
FIRST = {"dataset": "mkdir data.partial", "training": "mkdir model.partial"}


@pytest.mark.parametrize("stage", HALFWAY)
def test_the_second_is_refused_while_the_first_works(started, stage):
    run = started(stage)
    undisturbed = run.undisturbed()
    first = run.start(strike="pause", at=HALFWAY[stage])
    first.wait_until_paused()
    for flags in ([], ["--overwrite"]):
        assert "another run is writing" in run.go(*flags, expect=2).stderr
    ended = first.go_on()
    assert ended.code == 0, ended
    assert "already done" in run.go().stdout
    assert run.result() == undisturbed


@pytest.mark.parametrize("stage", FIRST)
def test_the_second_finds_done_what_the_first_published_in_between(started, stage):
    run = started(stage)
    second = run.start(strike="pause", at=FIRST[stage])
    second.wait_until_paused()
    run.go()
    ended = second.go_on()
    assert ended.code == 0, ended
    assert "already done" in ended.stdout
    run.result()


def test_both_at_once(started):
    run = started("evaluation")
    both = [run.start() for _ in range(2)]
    ended = [one.wait() for one in both]
    assert sorted(one.code for one in ended) in ([0, 0], [0, 2])
    for one in ended:
        if one.code == 2:
            assert_one_clear_line(one)
            assert "another run is writing" in one.stderr
    disturbed = run.result()
    run.go()
    assert run.result() == disturbed
