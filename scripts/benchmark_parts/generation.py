"""Sampling speed: new tokens a second of the project's writer and of transformers' own `generate`.

Both go on from the same 200 validation sentences with the same control tokens, in one batch, with the same
arguments (top_p, top_k 0, temperature 1, at most 24 new tokens, the same tokens banned). `generate` runs on
the checkpoint as `from_pretrained` loads it, in fp32; the writer in bf16 where the processor has it, its
default. A second peer, in bf16 too, says how much of the ratio that is; it has no floor.

That both draw from the same distribution is held by tests/unit/evaluation/generation/test_sampling.py.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from scripts.benchmark_parts.pairs import Pair, pair_of
from scripts.benchmark_parts.part import DATA_SET, MODEL, Options
from scripts.benchmark_parts.turns import Readings, Side, Turn, interleave

TOP_P = (0.7, 0.9)
N_PROMPTS = 200
NEW_TOKENS = 24
FLOOR = 2.5
MODULE = "scripts.benchmark_parts.generation"


def measure(
    options: Options,
    dataset: Path = DATA_SET,
    run: Path = MODEL,
    n_prompts: int = N_PROMPTS,
    new_tokens: int = NEW_TOKENS,
) -> list[Pair]:
    """A pair for each top_p, and for the last one another with the peer in bf16."""
    pairs = []
    for top_p in TOP_P:
        setting = {
            "dataset": str(dataset),
            "run": str(run),
            "n_prompts": n_prompts,
            "decoding": {"top_p": top_p, "max_length": new_tokens},
            "device": options.device,
        }
        sides = [
            Side("writer", f"{MODULE}:ours", setting),
            Side("generate", f"{MODULE}:theirs", setting),
        ]
        peers: list[tuple[str, float | None]] = [("generate", FLOOR)]
        if top_p == TOP_P[-1]:
            bf16 = {**setting, "dtype": "bfloat16"}
            sides.append(Side("generate, in bf16", f"{MODULE}:theirs", bf16))
            peers.append(("generate, in bf16", None))
        read = interleave(sides, options.repetitions)
        pairs += [_pair(options, top_p, n_prompts, read, *one) for one in peers]
    return pairs


def _pair(
    options: Options,
    top_p: float,
    n_prompts: int,
    read: dict[str, Readings],
    peer: str,
    floor: float | None,
) -> Pair:
    return pair_of(
        "generation",
        f"generation, top_p {top_p}, {n_prompts} prompts",
        f"transformers' {peer}",
        read["writer"],
        read[peer],
        unit="tokens/s",
        better="more",
        floor=floor if options.device == "cpu" else None,
        device=options.device_name,
        facts={"tokens": [said["tokens"] for said in read["writer"].facts]},
    )


def ours(
    turn: Turn, dataset: str, run: str, n_prompts: int, decoding: dict[str, Any], device: str
) -> None:
    """The writer of stage 3, as `main_evaluate.py` runs it; other samples at each turn."""
    from src.runtime.cpu_memory import keep_freed_memory
    from src.runtime.cpu_threads import share_the_cores

    keep_freed_memory()
    share_the_cores()
    from src.config.evaluation import DecodingArgs

    writer, prompts, condition = writer_of(Path(dataset), Path(run), n_prompts, device)
    chosen = DecodingArgs(**decoding)
    short = chosen.model_copy(update={"min_length": 0, "max_length": 4})
    writer.write(task_of(prompts, 0), condition, short, "warming up")
    seed = 0
    while turn.wait():
        seed += 1
        before = time.perf_counter()
        written = writer.write(task_of(prompts, seed), condition, chosen, "writing")
        seconds = time.perf_counter() - before
        tokens = sum(one.n_tokens for one in written)
        turn.done(tokens / seconds, tokens=tokens)


def writer_of(dataset: Path, run: Path, n_prompts: int, device: str) -> tuple[Any, Any, Any]:
    """(writer, prompts, condition): each attribute asked for at its desired label."""
    import torch

    from src.artifacts.manifest import read_manifest
    from src.attributes.attribute import from_manifest
    from src.config.prompts import ValidationPrompts
    from src.evaluation.generation.writer import Writer
    from src.evaluation.plan.prompts import load_prompts

    manifest = read_manifest(dataset, "dataset", verify=False)
    attributes = from_manifest(manifest["attributes"])
    fingerprint = manifest["tokenizer"]["fingerprint"]
    writer = Writer(run / "final", attributes, fingerprint, torch.device(device))
    source = ValidationPrompts(kind="validation", count=n_prompts)
    prompts = load_prompts(source, dataset, attributes, seed=0)
    return writer, prompts, {name: one.desired for name, one in attributes.items()}


def task_of(prompts: Any, seed: int) -> Any:
    """All prompts in one batch."""
    from src.evaluation.generation.writer import Task

    return Task("validation", prompts, 1, "after_prompt", len(prompts), seed)


def theirs(
    turn: Turn,
    dataset: str,
    run: str,
    n_prompts: int,
    decoding: dict[str, Any],
    device: str,
    dtype: str = "float32",
) -> None:
    """transformers' own `generate` on the same checkpoint, prompts and arguments."""
    import torch
    from transformers import AutoModelForCausalLM

    tokenizer, inputs, banned = _same_start(Path(dataset), Path(run), n_prompts, device)
    model = AutoModelForCausalLM.from_pretrained(f"{run}/final", dtype=getattr(torch, dtype))
    model = model.to(device).eval()
    end, width = tokenizer.eos_token_id, inputs["input_ids"].shape[1]

    def write(new_tokens: int) -> int:
        out = model.generate(
            **inputs,
            do_sample=True,
            top_p=decoding["top_p"],
            top_k=0,
            temperature=1.0,
            max_new_tokens=new_tokens,
            suppress_tokens=banned,
            pad_token_id=tokenizer.pad_token_id,
        )
        # Of each row what stands before its end; the rest is padding.
        ended = (out[:, width:] == end).cumsum(-1) > 0
        return int((~ended).sum())

    write(min(4, decoding["max_length"]))
    torch.manual_seed(0)
    while turn.wait():
        before = time.perf_counter()
        tokens = write(decoding["max_length"])
        turn.done(tokens / (time.perf_counter() - before), tokens=tokens)


def _same_start(dataset: Path, run: Path, n_prompts: int, device: str) -> tuple[Any, Any, Any]:
    """(tokenizer, the writer's prompts as one batch, ids of control tokens)."""
    from transformers import AutoTokenizer

    from src.models.control_tokens import control_ids, encode_prompt

    writer, prompts, condition = writer_of(dataset, run, n_prompts, device)
    rows = [
        encode_prompt(writer.tokenizer, one.text, condition, writer.attributes, "after_prompt")
        for one in prompts
    ]
    tokenizer = AutoTokenizer.from_pretrained(run / "final")
    tokenizer.padding_side = "left"
    inputs = tokenizer.pad({"input_ids": rows}, return_tensors="pt").to(device)
    return tokenizer, inputs, control_ids(writer.tokenizer, writer.attributes)
