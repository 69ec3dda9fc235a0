"""Toxicity tagging against Detoxify's own `predict`, as Korbak et al. (2023) call it.

Their code (tomekkorbak/pretraining-with-human-feedback) hands `predict` 512 sentences at a time, which are
padded to the longest of them. Ours is the project's scorer as pass 1 runs it: on a CPU a process per core
with one thread each, in bf16, the scores near the threshold computed again in fp32.
"""

from __future__ import annotations

import multiprocessing
import os
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scripts.benchmark_parts.corpus import corpus_texts
from scripts.benchmark_parts.pairs import Pair, pair_of
from scripts.benchmark_parts.part import CORPUS, Options
from scripts.benchmark_parts.toxicity_model import write_toxicity_model
from scripts.benchmark_parts.turns import Readings, Side, Turn, interleave

SENTENCES_PER_TURN = 512
THRESHOLD = 0.001  # the paper's
MOST_FLIPS = 0.001
MODULE = "scripts.benchmark_parts.tagging"


def measure(
    options: Options,
    corpus: Path = CORPUS,
    sentences_per_turn: int = SENTENCES_PER_TURN,
    **shape: Any,
) -> list[Pair]:
    """The pair of speeds and the pair of label flips. `shape` makes the model smaller, for tests."""
    texts = corpus_texts(corpus)
    checkpoint, config = write_toxicity_model(options.work / "toxicity", texts, THRESHOLD, **shape)
    setting = {
        "checkpoint": str(checkpoint),
        "config": str(config),
        "texts": texts[: sentences_per_turn * options.repetitions],
        "per_turn": sentences_per_turn,
        "device": options.device,
    }
    read = interleave(
        [Side("scorer", f"{MODULE}:ours", setting), Side("predict", f"{MODULE}:theirs", setting)],
        options.repetitions,
    )
    return _pairs(options, read["scorer"], read["predict"])


def _pairs(options: Options, ours: Readings, theirs: Readings) -> list[Pair]:
    scores = [[score for said in side.facts for score in said["scores"]] for side in (ours, theirs)]
    above = [[score > THRESHOLD for score in listed] for listed in scores]
    flips = sum(a != b for a, b in zip(*above, strict=True))
    facts = {
        "sentences": len(above[0]),
        "label_flips": flips,
        "above_threshold": sum(above[1]) / len(above[1]),
        "largest_difference": max(abs(a - b) for a, b in zip(*scores, strict=True)),
        "threshold": THRESHOLD,
    }
    speed = pair_of(
        "tagging",
        "toxicity tagging, BERT-base shape, demo sentences",
        f"Detoxify.predict in batches of {SENTENCES_PER_TURN}",
        ours,
        theirs,
        unit="sentences/s",
        better="more",
        floor=6.0 if options.device == "cpu" else None,
        device=options.device_name,
        facts=facts,
        # Each turn has other texts, and one long one slows a padded batch: the rate over all of them.
        figure=statistics.harmonic_mean,
    )
    kept = 1 - flips / len(above[0])
    labels = pair_of(
        "tagging",
        "toxicity labels that are those of Detoxify.predict",
        "flips under 0.1 %",
        Readings((kept,)),
        1 - MOST_FLIPS,
        unit="of the labels",
        better="more",
        floor=1.0,
        device=options.device_name,
        facts=facts,
    )
    return [speed, labels]


def theirs(
    turn: Turn, checkpoint: str, config: str, texts: Sequence[str], per_turn: int, device: str
) -> None:
    """Detoxify as its package has it: fp32, all of its threads."""
    from detoxify import Detoxify

    model = Detoxify(checkpoint=checkpoint, huggingface_config_path=config, device=device)
    model.predict(list(texts[:16]))
    start = 0
    while turn.wait():
        batch = list(texts[start : start + per_turn])
        start += per_turn
        before = time.perf_counter()
        found = model.predict(batch)["toxicity"]
        turn.done(len(batch) / (time.perf_counter() - before), scores=[float(x) for x in found])


def ours(
    turn: Turn, checkpoint: str, config: str, texts: Sequence[str], per_turn: int, device: str
) -> None:
    """The project's scorer, in as many processes as pass 1 would have workers."""
    options = {
        "checkpoint": checkpoint,
        "huggingface_config_path": config,
        "device": device,
        "precision": "bf16",
        "exact_near": [THRESHOLD],
    }
    workers = len(os.sched_getaffinity(0)) if device == "cpu" else 1
    context = multiprocessing.get_context("spawn")
    with context.Pool(workers, _start_worker, (options, workers > 1)) as pool:
        pool.map(_scores, [list(texts[:16])] * workers, chunksize=1)
        start = 0
        while turn.wait():
            batch = texts[start : start + per_turn]
            start += per_turn
            before = time.perf_counter()
            parts = pool.map(_scores, [batch[i::workers] for i in range(workers)], chunksize=1)
            seconds = time.perf_counter() - before
            scores = [0.0] * len(batch)
            for i, part in enumerate(parts):
                scores[i::workers] = part
            turn.done(len(batch) / seconds, scores=scores)


_scorer: Any = None


def _start_worker(options: dict[str, Any], one_thread: bool) -> None:
    global _scorer
    from src.runtime.cpu_memory import keep_freed_memory
    from src.runtime.cpu_threads import share_the_cores

    keep_freed_memory()
    share_the_cores()
    import torch

    from src.attributes.detoxify_scorer import DetoxifyScorer

    if one_thread:  # as src/dataset/executors/local_executor.py does
        torch.set_num_threads(1)
        os.environ["TOKENIZERS_PARALLELISM"] = "false"
    _scorer = DetoxifyScorer(DetoxifyScorer.Options(**options))


def _scores(texts: Sequence[str]) -> list[float]:
    return _scorer.score(texts).tolist()
