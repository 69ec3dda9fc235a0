"""Peak memory of the data stage: ten times the input may not need more.

`main_dataset_create.py` runs as a user's command on the demo's corpus and on ten copies of it. The peak is
the largest sum of resident memory over its process and all that it started, looked at fifty times a second.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from scripts.benchmark_parts.larger_corpus import write_copies
from scripts.benchmark_parts.pairs import Pair, pair_of
from scripts.benchmark_parts.part import CORPUS, Options
from scripts.benchmark_parts.turns import Side, Turn, interleave
from src.errors import ProjectError

ROOT = Path(__file__).resolve().parents[2]
ARGS = "args/args_dataset_demo"
TIMES = 10
MOST_TIMES_LARGER = 1.1
SECONDS_BETWEEN_LOOKS = 0.02


def measure(
    options: Options,
    corpus: Path = CORPUS,
    args_file: str = ARGS,
    times: int = TIMES,
    overrides: tuple[str, ...] = (),
) -> list[Pair]:
    """The one pair."""

    def side(name: str, copies: int) -> Side:
        folder = write_copies(corpus, options.work / f"corpus of {name}", copies)
        changed = [f"source.path={folder}", f"output={options.work / name}"]
        command = [sys.executable, "main_dataset_create.py", args_file, *overrides, *changed]
        setting = {"command": command, "output": str(options.work / name)}
        return Side(name, "scripts.benchmark_parts.memory:peak", setting)

    read = interleave([side("large", times), side("small", 1)], options.repetitions)
    return [
        pair_of(
            "memory",
            f"peak memory of the data stage, {times} × the demo's corpus",
            "the demo's corpus",
            read["large"],
            read["small"],
            unit="MB",
            better="less",
            floor=1 / MOST_TIMES_LARGER,
            device="cpu",
            facts={
                "times_larger": read["large"].median / read["small"].median,
                "seconds": [said["seconds"] for said in read["large"].facts],
            },
        )
    ]


def peak(turn: Turn, command: list[str], output: str) -> None:
    """Megabytes at the worst moment of a whole run."""
    while turn.wait():
        shutil.rmtree(output, ignore_errors=True)
        before = time.perf_counter()
        found = _peak_megabytes(command)
        turn.done(found, seconds=time.perf_counter() - before)


def _peak_megabytes(command: list[str]) -> float:
    import psutil

    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=said)
        watched, largest = psutil.Process(process.pid), 0
        while process.poll() is None:
            largest = max(largest, _resident(watched))
            time.sleep(SECONDS_BETWEEN_LOOKS)
        if process.returncode != 0:
            said.seek(0)
            raise ProjectError(f"the data stage failed: {said.read()[-800:]}")
    return largest / 1e6


def _resident(process: object) -> int:
    """Bytes of a process and its descendants; one that ends meanwhile counts no more."""
    import psutil

    total = 0
    try:
        family = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    for one in family:
        try:
            total += one.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total
