"""How soon the three mains answer `--help` and a mistake in the args."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from scripts.benchmark_parts.pairs import Pair, pair_of
from scripts.benchmark_parts.part import Options
from scripts.benchmark_parts.turns import Readings, Side, Turn, interleave
from src.errors import ProjectError

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 1.0
MISTAKE = "optput=somewhere"
# Each main with an args file of its own.
MAINS = {
    "main_dataset_create.py": "args/args_dataset_demo",
    "main_train.py": "args/args_train_demo_toxsen",
    "main_evaluate.py": "args/args_evaluate_demo",
}


def measure(options: Options) -> list[Pair]:
    """Two pairs: the slowest main of each."""
    sides = [
        Side(
            f"{main} {kind}",
            "scripts.benchmark_parts.start_up:answer",
            {"main": main, "kind": kind},
        )
        for kind in ("--help", "config error")
        for main in MAINS
    ]
    read = interleave(sides, options.repetitions)
    return [_pair(options, kind, read) for kind in ("--help", "config error")]


def _pair(options: Options, kind: str, read: dict[str, Readings]) -> Pair:
    medians = {main: read[f"{main} {kind}"].median for main in MAINS}
    slowest = max(medians, key=medians.__getitem__)
    return pair_of(
        "start_up",
        f"{kind}, the slowest main ({slowest})",
        f"{SECONDS} s",
        read[f"{slowest} {kind}"],
        SECONDS,
        unit="s",
        better="less",
        floor=1.0,
        device=options.device_name,
        facts={"medians": medians},
    )


def answer(turn: Turn, main: str, kind: str) -> None:
    """Start a main anew each turn; the first start, which fills the file cache, does not count."""
    command, expected = [sys.executable, main, "--help"], 0
    if kind != "--help":
        command, expected = [sys.executable, main, MAINS[main], MISTAKE], 2
    _seconds(command, expected)
    while turn.wait():
        turn.done(_seconds(command, expected))


def _seconds(command: list[str], expected: int) -> float:
    before = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - before
    if done.returncode != expected:
        raise ProjectError(
            f"{' '.join(command[1:])} ended otherwise than expected: {done.stderr[-500:]}",
            got=done.returncode,
            allowed=expected,
        )
    return seconds
