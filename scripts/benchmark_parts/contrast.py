"""Contrast decoding against plain sampling of the same code: what it costs to steer.

Two attributes, flipped together: each step computes the condition and the condition with both labels
flipped, so twice the work; what else it costs is what the floor leaves room for. Flipping each on its own
is three times the work, and is shown without a floor.
"""

from __future__ import annotations

from pathlib import Path

from scripts.benchmark_parts.generation import N_PROMPTS
from scripts.benchmark_parts.pairs import Pair, pair_of
from scripts.benchmark_parts.part import DATA_SET, MODEL, Options
from scripts.benchmark_parts.turns import Side, interleave

TOP_P = 0.9
NEW_TOKENS = 12
WEIGHT = 2.0
MOST_TIMES_SLOWER = 2.2
ATTRIBUTES = ("toxicity", "sentiment")


def measure(
    options: Options,
    dataset: Path = DATA_SET,
    run: Path = MODEL,
    n_prompts: int = N_PROMPTS,
    new_tokens: int = NEW_TOKENS,
) -> list[Pair]:
    """Both ways of flipping."""
    read = interleave(_sides(options, dataset, run, n_prompts, new_tokens), options.repetitions)
    return [
        pair_of(
            "contrast",
            f"contrast decoding, two attributes flipped {title}",
            "plain sampling of the same code",
            read[name],
            read["plain"],
            unit="tokens/s",
            better="more",
            floor=floor,
            device=options.device_name,
            facts={"times_slower": read["plain"].median / read[name].median},
        )
        for name, title, floor in (
            ("together", "together", 1 / MOST_TIMES_SLOWER),
            ("each", "each on its own", None),
        )
    ]


def _sides(
    options: Options, dataset: Path, run: Path, n_prompts: int, new_tokens: int
) -> list[Side]:
    """Plain sampling, and both ways of flipping."""
    # As many tokens for all: what is written differs, and with it when it ends.
    plain = {"top_p": TOP_P, "min_length": new_tokens, "max_length": new_tokens}
    contrast = {**plain, "contrast_weights": dict.fromkeys(ATTRIBUTES, WEIGHT)}
    decodings = {
        "plain": plain,
        "together": {**contrast, "contrast_flip": "together"},
        "each": {**contrast, "contrast_flip": "each"},
    }
    common = {
        "dataset": str(dataset),
        "run": str(run),
        "n_prompts": n_prompts,
        "device": options.device,
    }
    return [
        Side(name, "scripts.benchmark_parts.generation:ours", {**common, "decoding": decoding})
        for name, decoding in decodings.items()
    ]
