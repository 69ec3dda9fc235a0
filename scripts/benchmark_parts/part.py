"""What a part of the benchmark is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.benchmark_parts.pairs import Pair
from src.errors import UserError

CORPUS = Path("assets/demo_corpus")
BASE_MODEL = Path("assets/demo_model")
DATA_SET = Path("data/demo")
MODEL = Path("models/demo_toxsen")
MADE_BY = "bash scripts/quickstart.sh"


@dataclass(frozen=True)
class Options:
    """How a part is run.

    Attributes:
        repetitions: rounds of turns.
        device: `cpu` or `cuda`.
        device_name: as it stands in the results.
        work: a folder for what is needed on the way; it is gone afterwards.
    """

    repetitions: int
    device: str
    device_name: str
    work: Path


@dataclass(frozen=True)
class Part:
    """One part.

    Attributes:
        name: on the command line.
        title: one line for `--list`.
        needs: what has to be there before.
        measure: does it.
    """

    name: str
    title: str
    needs: tuple[Path, ...]
    measure: Callable[[Options], list[Pair]]


def require(parts: Sequence[Part]) -> None:
    """Raises UserError where something that the parts need is not there."""
    missing = sorted({str(path) for part in parts for path in part.needs if not path.exists()})
    if missing:
        raise UserError(
            f"the benchmark needs what is not there: {', '.join(missing)}",
            fix=f"make the demo's model, corpus, data set and models first: {MADE_BY}",
        )
