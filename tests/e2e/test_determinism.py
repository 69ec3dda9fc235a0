"""One seed, one machine: the same bytes twice, in all three stages, with one worker or two.

The second run is at the same place as the first, which is moved away: cards and manifests carry names and
paths. Its data pass has two workers instead of one.
"""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest

from src.published.trained_model import TIMING
from tests.e2e.project import Project, contents, run

RUNS = ("data", "model", "results")


@pytest.fixture(scope="module")
def twice(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two folders with all three stages done by the same args at the same place."""
    place = tmp_path_factory.mktemp("place")
    for workers in (1, 2):
        project = Project(place, "gpt2")
        run("dataset_create", project.dataset_args(executor={"workers": workers, "tasks": 3}))
        run("train", project.train_args("model", ["toxicity", "sentiment"]))
        both = {"toxicity": "nontoxic", "sentiment": "pos"}
        models = {"M-TS": {"path": str(place / "model"), "conditions": [{}, both]}}
        run("evaluate", project.evaluate_args("results", models))
        if workers == 1:
            first = place.with_name("first")
            first.mkdir()
            for name in RUNS:
                shutil.move(place / name, first / name)
    return first, place


def hashes(folder: Path, run_name: str) -> dict[str, str]:
    """sha256 of every file of a run but the one that tells how fast it went."""
    found = contents(folder / run_name)
    return {name: hashlib.sha256(raw).hexdigest() for name, raw in found.items() if name != TIMING}


@pytest.mark.parametrize("run_name", RUNS)
def test_every_file_is_the_same(twice, run_name):
    one, two = (hashes(folder, run_name) for folder in twice)
    assert one.keys() == two.keys()
    assert [name for name in one if one[name] != two[name]] == []


def test_the_comparison_sees_a_single_bit(twice):
    weights = twice[0] / "model" / "final" / "model.safetensors"
    raw, before = weights.read_bytes(), hashes(twice[0], "model")
    weights.write_bytes(raw[:-1] + bytes([raw[-1] ^ 1]))
    changed = hashes(twice[0], "model")
    weights.write_bytes(raw)
    assert [name for name in before if before[name] != changed[name]] == [
        "checkpoints/step-000012/model.safetensors",  # the same file on the disk
        "final/model.safetensors",
    ]
