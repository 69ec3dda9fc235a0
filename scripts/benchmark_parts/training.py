"""Training speed: useful tokens a second of a GPT-2 124 M, and its share of the machine's peak.

A useful token is one that the loss asks for: a token of a sentence, or its end. Padding and control tokens
are none. All sides train a model of GPT-2's shape (random weights: their values cost no time) on the
demo's sentences, conditioned on both attributes, 64 sentences a step as the paper's device had at a time.

Model FLOP/s as in PaLM (Chowdhery et al. 2022, appendix B), without padding: 6·N + 12·L·d·T for each token
read, control tokens too, and 6·H for each useful token. N are the weights of the blocks (no embedding
table), L blocks of width d, T the mean number of tokens read of a sentence, H the weights of the output
head, which is computed where the loss asks for a token only. The peak is the fastest of a few bf16 matrix
products, measured in turn with the training.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scripts.benchmark_parts.pairs import Pair, pair_of
from scripts.benchmark_parts.part import BASE_MODEL, DATA_SET, Options
from scripts.benchmark_parts.training_sides import PAPER_LENGTH
from scripts.benchmark_parts.turns import Readings, Side, interleave

BATCH_SENTENCES = 64  # the paper's, a device
STEPS_PER_TURN = 2
MODULE = "scripts.benchmark_parts.training_sides"


def measure(
    options: Options,
    dataset: Path = DATA_SET,
    base: Path = BASE_MODEL,
    steps_per_turn: int = STEPS_PER_TURN,
    batch_sentences: int = BATCH_SENTENCES,
    **shape: Any,
) -> list[Pair]:
    """The three pairs of training. `shape` makes the model smaller, for tests."""
    model = options.work / "gpt2"
    facts = write_gpt2(model, base, **shape)
    common = {
        "model": str(model),
        "dataset": str(dataset),
        "work": str(options.work),
        "device": options.device,
        "sizes": (steps_per_turn, batch_sentences, 9 + steps_per_turn * options.repetitions),
    }
    sides = [
        Side("ours", f"{MODULE}:ours", common),
        Side("trainer", f"{MODULE}:trainers_recipe", common),
        Side("paper", f"{MODULE}:papers_recipe", common),
        Side("peak", f"{MODULE}:matrix_products", {"device": options.device}),
    ]
    return _pairs(options, interleave(sides, options.repetitions), facts)


def _pairs(options: Options, read: dict[str, Readings], facts: dict[str, Any]) -> list[Pair]:
    on_cpu = options.device == "cpu"
    achieved = Readings(
        tuple(
            speed * flops_per_useful_token(said, facts) / 1e9
            for speed, said in zip(read["ours"].values, read["ours"].facts, strict=True)
        )
    )
    speeds = {"unit": "tokens/s", "better": "more", "device": options.device_name}
    return [
        pair_of(
            "training",
            "training, useful tokens/s, GPT-2 124 M",
            f"the paper's recipe (padded to {PAPER_LENGTH}, fp32)",
            read["ours"],
            read["paper"],
            floor=7.0 if on_cpu else None,
            **speeds,
        ),
        pair_of(
            "training",
            "training, useful tokens/s, GPT-2 124 M",
            "transformers' Trainer (padded to the longest, bf16)",
            read["ours"],
            read["trainer"],
            floor=1.3 if on_cpu else None,
            **speeds,
        ),
        pair_of(
            "training",
            "training, model FLOP/s",
            "bf16 matrix-product peak",
            achieved,
            read["peak"],
            unit="GFLOP/s",
            better="more",
            floor=0.65 if on_cpu else None,
            device=options.device_name,
            facts={**facts, "turns": list(read["ours"].facts)},
        ),
    ]


def flops_per_useful_token(said: Mapping[str, Any], facts: Mapping[str, int]) -> float:
    """FLOPs of a forward and backward pass per useful token, by the formula above.

    Args:
        said: of a turn: `useful`, `read` (tokens) and `sentences`.
        facts: from `write_gpt2`.
    """
    length = said["read"] / said["sentences"]
    per_read = 6 * facts["block_weights"] + 12 * facts["layers"] * facts["width"] * length
    return per_read * said["read"] / said["useful"] + 6 * facts["head_weights"]


def write_gpt2(folder: Path, base: Path, **shape: Any) -> dict[str, Any]:
    """A model of GPT-2's shape with random weights and the base model's tokenizer.

    Returns:
        What its FLOPs are counted from.
    """
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    from src.models.control_tokens import load_tokenizer

    config = GPT2Config(**shape)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = GPT2LMHeadModel(config)
    model.save_pretrained(folder)
    load_tokenizer(str(base)).save_pretrained(folder)
    tables = model.transformer.wte.weight.numel() + model.transformer.wpe.weight.numel()
    return {
        "parameters": model.num_parameters(),
        "block_weights": model.num_parameters() - tables,
        "head_weights": config.n_embd * config.vocab_size,
        "layers": config.n_layer,
        "width": config.n_embd,
    }
