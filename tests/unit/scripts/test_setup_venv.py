"""The set-up script itself, in a copy whose requirement files ask for nothing."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
STAMP = ".venv/requirements.installed"
UNFINISHED = ".venv/.set-up-unfinished"


@pytest.fixture
def copy(tmp_path):
    """A repository of that one script, in a folder with a space in its name."""
    root = tmp_path / "a repository"
    (root / "scripts").mkdir(parents=True)
    (root / "tests").mkdir()
    shutil.copy(ROOT / "scripts" / "setup_venv.sh", root / "scripts")
    for name in (
        "requirements.txt",
        "scripts/requirements.lock",
        "tests/requirements.lock",
        "scripts/requirements_playground.lock",
        "scripts/requirements_ray.lock",
    ):
        (root / name).write_text("# nothing\n")
    return root


def set_up(root, *options, **environment):
    # From another working folder, and without the network.
    return subprocess.run(
        ["/bin/bash", str(root / "scripts" / "setup_venv.sh"), *options],
        cwd="/",
        env={**os.environ, "PYTHON": sys.executable, "PIP_NO_INDEX": "1", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_only_what_changed_is_installed(copy):
    first = set_up(copy)
    assert first.returncode == 0, first.stderr
    assert "making" in first.stderr
    assert (copy / STAMP).read_text() == "# nothing\n"
    assert not (copy / UNFINISHED).exists()

    second = set_up(copy)
    assert (second.returncode, second.stdout, second.stderr) == (0, "", "")

    (copy / "requirements.txt").write_text("# nothing more\n")
    third = set_up(copy, "--tests")
    assert third.returncode == 0, third.stderr
    assert "making" not in third.stderr
    assert "installing requirements.txt" in third.stderr
    assert "installing scripts/requirements.lock" not in third.stderr
    assert "installing tests/requirements.lock" in third.stderr
    assert "installing scripts/requirements_playground.lock" in third.stderr


def stub(folder, name, version, has_venv=True, pip="true"):
    """An interpreter that answers the script's questions, and makes environments of itself."""
    folder.mkdir(exist_ok=True)
    major, minor = version.split(".")[:2]
    path = folder / name
    path.write_text(
        "#!/bin/sh\n"
        'case "$*" in\n'
        f"  *platform*) echo {version} ;;\n"
        f"  *version_info*) [ {major} -eq 3 ] && [ {minor} -ge 11 ] && [ {minor} -le 14 ] ;;\n"
        f"  *ensurepip*) {'true' if has_venv else 'false'} ;;\n"
        '  *"-m venv"*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;\n'
        f'  *"pip install"*) {pip} ;;\n'
        "esac\n"
    )
    path.chmod(0o755)
    return str(path)


def test_an_interrupted_set_up_is_done_anew(copy, tmp_path):
    failed = set_up(copy, PYTHON=stub(tmp_path, "failing", "3.12.1", pip="exit 1"))
    assert failed.returncode == 1
    assert "error: pip could not install" in failed.stderr.splitlines()[-1]
    assert not (copy / STAMP).exists()
    assert (copy / UNFINISHED).exists()

    (copy / ".venv" / "left-over").touch()
    again = set_up(copy, PYTHON=stub(tmp_path, "working", "3.12.1"))
    assert again.returncode == 0, again.stderr
    assert "making" in again.stderr
    assert (copy / STAMP).exists()
    assert not (copy / ".venv" / "left-over").exists()
    assert not (copy / UNFINISHED).exists()


def test_a_broken_environment_is_made_anew(copy, tmp_path):
    python = stub(tmp_path, "working", "3.12.1")
    assert set_up(copy, PYTHON=python).returncode == 0
    (copy / ".venv" / "bin" / "python").unlink()
    again = set_up(copy, PYTHON=python)
    assert "making" in again.stderr
    assert "installing requirements.txt" in again.stderr
    assert again.returncode == 0, again.stderr


@pytest.mark.parametrize(
    "interpreters, found",
    [
        ({"python3": ("3.9.18", True)}, "python3 3.9.18"),
        ({"python3": ("3.12.4", False)}, "python3 3.12.4 without the venv module"),
        ({"python3": ("3.15.0", True), "python3.12": ("3.12.1", False)}, "python3 3.15.0"),
        ({}, "python3 not there"),
    ],
)
def test_no_suitable_python_is_said(copy, tmp_path, interpreters, found):
    binaries = tmp_path / "bin"
    binaries.mkdir()
    (binaries / "dirname").symlink_to(shutil.which("dirname"))
    (binaries / "cat").symlink_to(shutil.which("cat"))
    for name, (version, has_venv) in interpreters.items():
        stub(binaries, name, version, has_venv)
    done = set_up(copy, PYTHON="", PATH=str(binaries))
    assert done.returncode == 1
    assert "error: Python 3.11 to 3.14 is needed" in done.stderr
    assert found in done.stderr
    assert not (copy / ".venv").exists()


def test_a_python_that_is_named_is_the_only_one_tried(copy):
    done = set_up(copy, PYTHON="/nowhere/python3")
    assert done.returncode == 1
    assert "found: /nowhere/python3 not there" in done.stderr
