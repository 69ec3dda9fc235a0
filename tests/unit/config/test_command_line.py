"""What the three entry scripts share."""

import os
import subprocess
import sys

import pytest

from src.config import command_line
from src.errors import EXIT_DONE
from src.runtime.cpu_threads import share_the_cores
from tests.e2e.project import ROOT, Project, environment


@pytest.fixture(scope="module")
def dry_run(tmp_path_factory):
    project = Project(tmp_path_factory.mktemp("project"), documents=4)
    return [str(project.dataset_args()), "--dry-run"]


@pytest.mark.parametrize("what", ["--help", "dry run"])
def test_a_reader_that_has_seen_enough_is_no_failure(dry_run, what):
    """As in `main_dataset_create.py --help | head -1`."""
    read, write = os.pipe()
    os.close(read)
    try:
        done = subprocess.run(
            [sys.executable, "main_dataset_create.py", *(dry_run if what == "dry run" else [what])],
            cwd=ROOT,
            env=environment(),
            stdout=write,
            stderr=subprocess.PIPE,
            text=True,
        )
    finally:
        os.close(write)
    assert done.returncode == EXIT_DONE, done.stderr
    assert "BrokenPipe" not in done.stderr
    assert "rror" not in done.stderr


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "koi8-r"])
@pytest.mark.parametrize("what", ["--help", "dry run", "misspelt"])
def test_a_terminal_of_any_encoding_is_printed_to(dry_run, what, encoding):
    given = {"--help": [what], "dry run": dry_run, "misspelt": ["args/ünbekannt→"]}[what]
    done = subprocess.run(
        [sys.executable, "main_dataset_create.py", *given],
        cwd=ROOT,
        env=environment() | {"PYTHONIOENCODING": encoding},
        capture_output=True,
    )
    assert done.returncode == (2 if what == "misspelt" else EXIT_DONE), done.stderr
    assert b"Traceback" not in done.stderr
    assert (done.stderr if what == "misspelt" else done.stdout).decode(encoding).strip()


def test_a_closed_terminal_is_no_failure(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    command_line._say("the result")


@pytest.mark.parametrize(
    "given,expected",
    [
        ({}, "1000"),
        ({"GOMP_SPINCOUNT": "7"}, "7"),
        ({"OMP_WAIT_POLICY": "active"}, None),
    ],
)
def test_waiting_threads_share_the_cores_unless_the_user_says_otherwise(
    monkeypatch, given, expected
):
    for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"):
        monkeypatch.setenv(name, "")  # so that it is undone after the test
        monkeypatch.delenv(name)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    share_the_cores()
    assert os.environ.get("GOMP_SPINCOUNT") == expected
