"""What is recorded of the code that made a result."""

import os
import subprocess

import pytest

from src.artifacts import provenance


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A repository of one commit, in the place of this one."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(provenance, "REPOSITORY", tmp_path)
    (tmp_path / "code.py").write_text("1\n")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", "code.py")
    git(tmp_path, "-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "--quiet", "-m", "one")
    return tmp_path


def git(folder, *arguments):
    done = subprocess.run(
        ["git", "-C", folder, *arguments], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def test_the_commit_is_named_and_so_are_changes_to_it(repository):
    commit = git(repository, "rev-parse", "HEAD")
    assert len(commit) == 40
    assert provenance.git_commit() == commit
    (repository / "code.py").write_text("2\n")
    assert provenance.git_commit() == f"{commit}+changes"


def test_a_copy_without_its_repository_says_so(repository, monkeypatch):
    monkeypatch.setenv("GIT_DIR", str(repository / "none"))
    assert provenance.git_commit() == "unknown"


def test_the_versions_are_those_of_the_packages_that_run():
    import torch

    versions = provenance.package_versions()
    assert versions["torch"] == str(torch.__version__)
    assert set(versions) == {"python", *provenance.RECORDED_PACKAGES}
