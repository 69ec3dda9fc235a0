"""What an unfinished training is worth, and where it works."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

# Only while the run is made: what it goes on from.
WORK = "work"


def nothing_saved_yet(before: Mapping[str, Any], partial: Path) -> tuple[()] | None:
    """An unfinished run of other args gives way as long as it has no weights: no step would be lost."""
    return None if any(partial.rglob("*.safetensors")) else ()
