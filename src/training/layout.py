"""Names of what is in a trained model's folder; and what an unfinished one is worth."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

METRICS = "metrics.jsonl"
TIMING = "timing.jsonl"
CURVE = "training_curve.png"
FINAL = "final"
CHECKPOINTS = "checkpoints"
# Only while the run is made: what it goes on from.
WORK = "work"


def nothing_saved_yet(before: Mapping[str, Any], partial: Path) -> tuple[()] | None:
    """An unfinished run of other args gives way as long as it has no weights: no step would be lost."""
    return None if any(partial.rglob("*.safetensors")) else ()
