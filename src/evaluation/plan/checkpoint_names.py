"""The checkpoints of a training run: their names, and where they lie. Imports no torch."""

from __future__ import annotations

from pathlib import Path

from src.artifacts.manifest import Manifest

FINAL = "final"
"""Name of a run's end, which is always there."""

SAVED = "checkpoints/"


def checkpoint_folder(checkpoint: str) -> str:
    """Where a checkpoint lies in its training run."""
    return checkpoint if checkpoint == FINAL else f"{SAVED}{checkpoint}"


def checkpoints_of(training: Manifest) -> list[str]:
    """Names of a run's checkpoints: those saved on the way, by their steps, and the end."""
    saved = {Path(file).parts[1] for file in training["files"] if file.startswith(SAVED)}
    return [*sorted(saved, key=lambda name: int(name.removeprefix("step-"))), FINAL]
