"""A finished run that is replaced, or published by two at once, and kill -9 at every step of it."""

import json
import signal

import pytest

from tests.chaos.commands import assert_nothing_half_published, snapshot

SCRIPT = "tests/chaos/publish.py"


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "here" / "run"
    folder.parent.mkdir()
    return folder


def assert_old_or_new_is_there(run, old, new):
    """One of the two is on the disk, whole, whatever its name is in that moment."""
    assert_nothing_half_published(run, "dataset")
    whole = []
    for folder in (run, run.with_name("run.partial"), run.with_name("run.replaced")):
        if (folder / "manifest.json").exists():
            text = json.loads((folder / "manifest.json").read_text())["args"]["text"]
            files = [folder / "sub" / "rows.txt", folder / "stats.txt"]
            if all(file.exists() for file in files):
                assert [file.read_text() for file in files] == [text, text[::-1]]
                whole.append(text)
    assert whole
    assert set(whole) <= {old, new}


def known(steps):
    return steps.read_text().splitlines()


@pytest.mark.parametrize("again", ["with the flag", "without the flag"])
def test_killed_at_every_step_of_replacing_a_finished_run(light_commands, run, tmp_path, again):
    light_commands.run(SCRIPT, run, "new")
    wanted = snapshot(run)
    steps = tmp_path / "steps.txt"
    watch = {"below": str(run.parent), "strike": "kill", "seen": str(steps)}
    flags = ["--overwrite"]
    light_commands.run(SCRIPT, run, "old", *flags)
    kills = 0
    while (
        ended := light_commands.start(SCRIPT, run, "new", *flags, watch=watch).wait()
    ).code == -9:
        kills += 1
        assert_old_or_new_is_there(run, "old", "new")
        if again == "without the flag" and "mkdir run.partial/sub" in known(steps):
            flags = []
    assert ended.code == 0, ended
    assert kills == len(known(steps)) >= 10
    assert snapshot(run) == wanted
    assert [path.name for path in run.parent.iterdir()] == ["run"]


def test_what_was_left_of_the_replaced_run_goes_with_the_next_command(light_commands, run):
    light_commands.run(SCRIPT, run, "old")
    watch = {"below": str(run.parent), "strike": "kill", "at": "remove run.replaced/stats.txt"}
    ended = light_commands.start(SCRIPT, run, "new", "--overwrite", watch=watch).wait()
    assert ended.code == -signal.SIGKILL
    assert sorted(p.name for p in run.parent.iterdir()) == ["run", "run.replaced"]
    assert "already done" in light_commands.run(SCRIPT, run, "new").stdout
    assert [path.name for path in run.parent.iterdir()] == ["run"]


def test_a_run_that_another_publishes_just_before_is_found_done(light_commands, run):
    watch = {"below": str(run.parent), "strike": "pause", "at": "mkdir run.partial"}
    late = light_commands.start(SCRIPT, run, "text", watch=watch)
    late.wait_until_paused()
    light_commands.run(SCRIPT, run, "text")
    before = snapshot(run)
    ended = late.go_on()
    assert ended.code == 0, ended
    assert "already done" in ended.stdout
    assert snapshot(run) == before
    assert [path.name for path in run.parent.iterdir()] == ["run"]


def test_a_kill_before_anything_was_written_leaves_a_finished_run_done(light_commands, run):
    light_commands.run(SCRIPT, run, "text")
    before = snapshot(run)
    watch = {"below": str(run.parent), "strike": "kill", "at": "open run.partial/.args.json.tmp"}
    assert light_commands.start(SCRIPT, run, "text", "--overwrite", watch=watch).wait().code == -9
    assert "already done" in light_commands.run(SCRIPT, run, "text").stdout
    assert snapshot(run) == before
    assert [path.name for path in run.parent.iterdir()] == ["run"]
