"""What the three entry scripts share."""

import os
import subprocess
import sys

import pytest

from src.errors import EXIT_DONE
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
