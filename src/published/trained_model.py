"""What a trained model's folder holds: the names of its files, and its checkpoints. Imports no torch."""

from __future__ import annotations

from pathlib import Path

from src.artifacts.manifest import Manifest

METRICS = "metrics.jsonl"
TIMING = "timing.jsonl"
CURVE = "training_curve.png"
FINAL = "final"
"""Name of a run's end, which is always there."""

CHECKPOINTS = "checkpoints"
"""Folder of those saved on the way."""


def checkpoint_folder(checkpoint: str) -> str:
    """Where a checkpoint lies in its training run."""
    return checkpoint if checkpoint == FINAL else f"{CHECKPOINTS}/{checkpoint}"


def checkpoints_of(training: Manifest) -> list[str]:
    """Names of a run's checkpoints: those saved on the way, by their steps, and the end."""
    saved = {
        Path(file).parts[1] for file in training["files"] if file.startswith(f"{CHECKPOINTS}/")
    }
    return [*sorted(saved, key=lambda name: int(name.removeprefix("step-"))), FINAL]
