"""A disk that fills up, or may no longer be written, in the middle of a run, for each stage."""

import pytest

from tests.chaos.commands import assert_nothing_half_published
from tests.chaos.small_disk import FILLER

# Steps before which the disk fills up, and the bytes that are left then; one after the other in one run, each
# time resumed after some space was made.
FULL = {
    "dataset": [
        ("open data.partial/.args.json.tmp", 0),
        ("mkdir data.partial/scored", 0),
        ("mkdir data.partial/work/pass_N/completions", 0),
        ("open data.partial/.stats.json.tmp", 0),
        ("open data.partial/.audit.png.tmp", 8 << 10),
        ("open data.partial/.manifest.json.tmp", 0),
    ],
    "training": [
        ("mkdir model.partial/work/checkpoint-N", 0),
        ("mkdir model.partial/work/checkpoint-N", 64 << 10),
        ("open model.partial/work/checkpoint-N/model/config.json", 0),
        ("open model.partial/work/checkpoint-N/.complete.json.tmp", 0),
        ("open model.partial/.training_curve.png.tmp", 4 << 10),
        ("open model.partial/.manifest.json.tmp", 0),
    ],
    "evaluation": [
        ("open results.partial/.args.json.tmp", 0),
        ("mkdir results.partial/work/written", 0),
        ("mkdir results.partial/work/scored", 4 << 10),
        ("open results.partial/.metrics.json.tmp", 0),
        ("open results.partial/.report.html.tmp", 8 << 10),
        ("open results.partial/.manifest.json.tmp", 0),
    ],
}
READ_ONLY = {
    "dataset": "open data.partial/.audit.json.tmp",
    "training": "open model.partial/work/checkpoint-N/.complete.json.tmp",
    "evaluation": "open results.partial/.tables.md.tmp",
}


@pytest.mark.parametrize("stage", FULL)
def test_a_disk_that_fills_up(on_small_disk, commands, stage):
    run = on_small_disk(stage)
    undisturbed = run.undisturbed()
    disk = {"strike": "fill", "target": str(commands.disk_inside)}
    for step, room in FULL[stage]:
        ended = run.go(expect=1, at=step, room=room, **disk)
        assert "No space left on device" in ended.stderr, (step, str(ended))
        assert not run.run.exists(), step
        (commands.disk / FILLER).unlink()
    run.go()
    assert_nothing_half_published(run.run, stage)
    assert run.result() == undisturbed


@pytest.mark.parametrize("stage", READ_ONLY)
def test_a_disk_that_can_no_longer_be_written(on_small_disk, commands, stage):
    run = on_small_disk(stage)
    undisturbed = run.undisturbed()
    ended = run.go(
        expect=1, at=READ_ONLY[stage], strike="read_only", target=str(commands.disk_inside)
    )
    assert "Read-only file system" in ended.stderr
    assert not run.run.exists()
    # From the start it cannot be written now, and a dry run says so too.
    for flags in ([], ["--dry-run"]):
        assert "cannot be written" in run.go(*flags, expect=1).stderr
    commands.set_read_only(False)
    run.go()
    assert run.result() == undisturbed


@pytest.mark.parametrize("stage", READ_ONLY)
def test_a_disk_that_is_too_small_is_told_before_the_work(on_small_disk, commands, stage):
    run = on_small_disk(stage)
    commands.run("tests/chaos/fill_disk.py", commands.disk_inside)
    for flags in ([], ["--dry-run"]):
        assert "not enough disk space" in run.go(*flags, expect=1).stderr
    assert list(run.parent.iterdir()) == []
