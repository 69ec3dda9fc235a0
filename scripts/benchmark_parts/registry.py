"""The parts of the benchmark, in the order of its table."""

from __future__ import annotations

from scripts.benchmark_parts import (
    contrast,
    generation,
    memory,
    pass_one,
    start_up,
    tagging,
    training,
)
from scripts.benchmark_parts.part import BASE_MODEL, CORPUS, DATA_SET, MODEL, Part

PARTS = (
    Part(
        "tagging",
        "toxicity tagging against Detoxify's own predict",
        (CORPUS,),
        tagging.measure,
    ),
    Part(
        "pass_one",
        "pass 1 with 2 workers against 1, and its time outside of scorers and splitting",
        (CORPUS, BASE_MODEL),
        pass_one.measure,
    ),
    Part(
        "training",
        "training against the paper's recipe, transformers' Trainer, and the machine's peak",
        (BASE_MODEL, DATA_SET),
        training.measure,
    ),
    Part(
        "generation",
        "sampling against transformers' generate",
        (DATA_SET, MODEL),
        generation.measure,
    ),
    Part(
        "contrast",
        "contrast decoding against plain sampling of the same code",
        (DATA_SET, MODEL),
        contrast.measure,
    ),
    Part(
        "memory",
        "peak memory of the data stage for ten times the input",
        (CORPUS, BASE_MODEL),
        memory.measure,
    ),
    Part("start_up", "--help and a config error of the three mains", (), start_up.measure),
)
