"""What a result was made with: the commit of this code and the versions of the packages."""

from __future__ import annotations

import platform
import subprocess
from importlib import metadata
from pathlib import Path

RECORDED_PACKAGES = (
    "torch",
    "transformers",
    "tokenizers",
    "datasets",
    "datatrove",
    "detoxify",
    "vaderSentiment",
    "alt-profanity-check",
    "scikit-learn",
    "sentencex",
    "pyarrow",
    "numpy",
)
REPOSITORY = Path(__file__).resolve().parents[2]


def git_commit() -> str:
    """The commit of this code, with `+changes` where the tree differs; `unknown` without git."""
    command = [
        "git",
        "-C",
        str(REPOSITORY),
        "describe",
        "--always",
        "--dirty=+changes",
        "--abbrev=40",
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return done.stdout.strip() or "unknown"


def package_versions() -> dict[str, str]:
    """Versions of the packages whose behaviour can change a result."""
    versions = {"python": platform.python_version()}
    for package in RECORDED_PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return versions
