"""Pass 1 without a neural scorer: 2 workers against 1 and against what the machine gives; where time goes.

The args are the demo's (VADER and profanity_check), its corpus twenty times over. Each turn is a whole pass 1
into an empty folder, the start of its workers included; what a real run does before and after (the
scorers' fingerprints, pass 2) is not.

What the machine gives: two whole runs of one worker at the same time, which share nothing. Two processors
that share a memory bus, a cache or a clock do less than twice the work of one, whatever the program.

The share outside of scorers and splitting is measured in a turn of one worker: two stop-watches run inside
`Scorer.score` and `split_sentences`, a third one around it all; what they leave is reading, records,
cleaning, tokenising, writing. The stop-watches cost two calls of the clock a sentence.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scripts.benchmark_parts.larger_corpus import write_copies
from scripts.benchmark_parts.pairs import Pair, pair_of
from scripts.benchmark_parts.part import CORPUS, Options
from scripts.benchmark_parts.turns import Readings, Side, Turn, interleave

ARGS = "args/args_dataset_demo"
TIMES = 20
TASKS = 32
TWO_RUNS = ("one_run", "another_run")
MODULE = "scripts.benchmark_parts.pass_one"


def measure(
    options: Options,
    corpus: Path = CORPUS,
    args_file: str = ARGS,
    times: int = TIMES,
    overrides: tuple[str, ...] = (),
) -> list[Pair]:
    """The three pairs."""
    copies = write_copies(corpus, options.work / "corpus", times)

    def side(name: str, function: str, workers: int) -> Side:
        changed = {
            "source.path": copies,
            "output": options.work / name,
            "executor.workers": workers,
            "executor.tasks": TASKS,
        }
        listed = [*overrides, *(f"{key}={value}" for key, value in changed.items())]
        return Side(name, f"{MODULE}:{function}", {"args_file": args_file, "overrides": listed})

    read = interleave(
        [
            side("two_workers", "documents_per_second", 2),
            side("one_worker", "documents_per_second", 1),
            tuple(side(name, "documents_per_second", 1) for name in TWO_RUNS),
            side("one_worker_watched", "share_outside", 1),
        ],
        options.repetitions,
    )
    return _pairs(read)


def _pairs(read: dict[str, Readings]) -> list[Pair]:
    facts = read["one_worker_watched"].facts[0]
    return [
        pair_of(
            "pass_one",
            "pass 1 without a neural scorer, 2 workers",
            "1 worker",
            read["two_workers"],
            read["one_worker"],
            unit="documents/s",
            better="more",
            floor=1.8,
            device="cpu",
        ),
        pair_of(
            "pass_one",
            "pass 1 without a neural scorer, 2 workers",
            "two runs of 1 worker at the same time",
            read["two_workers"],
            Readings(tuple(map(sum, zip(*(read[name].values for name in TWO_RUNS), strict=True)))),
            unit="documents/s",
            better="more",
            floor=None,
            device="cpu",
        ),
        pair_of(
            "pass_one",
            "pass 1, time outside of scorers and splitting",
            "25 % of the time",
            read["one_worker_watched"],
            0.25,
            unit="of the time",
            better="less",
            floor=1.0,
            device="cpu",
            facts=facts,
        ),
    ]


def documents_per_second(turn: Turn, args_file: str, overrides: list[str]) -> None:
    """Documents a second of a whole pass 1."""
    run = _pass_one(args_file, overrides)
    while turn.wait():
        seconds, documents = run()
        turn.done(documents / seconds)


def share_outside(turn: Turn, args_file: str, overrides: list[str]) -> None:
    """Share of the time outside of scorers and splitting."""
    from src.attributes.scorer import Scorer
    from src.dataset.pass_one import steps

    spent: dict[str, float] = {"scorers": 0.0, "splitting": 0.0}
    run = _pass_one(args_file, overrides)
    Scorer.score = _watched(Scorer.score, spent, "scorers")
    steps.split_sentences = _watched(steps.split_sentences, spent, "splitting")
    while turn.wait():
        spent.update(scorers=0.0, splitting=0.0)
        seconds, _ = run()
        shares = {name: value / seconds for name, value in spent.items()}
        turn.done(1 - sum(shares.values()), seconds=seconds, **shares)


def _watched(
    function: Callable[..., Any], spent: dict[str, float], name: str
) -> Callable[..., Any]:
    def timed(*args: Any, **options: Any) -> Any:
        before = time.perf_counter()
        try:
            return function(*args, **options)
        finally:
            spent[name] += time.perf_counter() - before

    return timed


def _pass_one(args_file: str, overrides: list[str]) -> Callable[[], tuple[float, int]]:
    """A function that runs pass 1 anew and says how long it took, for how many documents."""
    from src.runtime.cpu_memory import keep_freed_memory
    from src.runtime.cpu_threads import share_the_cores

    keep_freed_memory()
    share_the_cores()
    from src.attributes.scorer import cached_scorer
    from src.config.dataset import DatasetArgs
    from src.config.loading import load_args
    from src.dataset.pass_one.pass_one import describe_pass_one, run_pass_one
    from src.dataset.preflight import load_run_tokenizer
    from src.models.control_tokens import tokenizer_fingerprint

    args = load_args(DatasetArgs, args_file, overrides)
    made_from = describe_pass_one(args, tokenizer_fingerprint(load_run_tokenizer(args)))
    for attribute in args.attributes.values():
        cached_scorer(attribute.scorer).load()

    def run() -> tuple[float, int]:
        shutil.rmtree(args.output, ignore_errors=True)
        args.output.mkdir(parents=True)
        before = time.perf_counter()
        shards = run_pass_one(args, made_from, args.output, args.output / "no earlier run")
        return time.perf_counter() - before, shards.tally().documents_read

    return run
