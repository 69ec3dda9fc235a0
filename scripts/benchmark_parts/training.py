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

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from scripts.benchmark_parts.pairs import Pair, pair_of
from scripts.benchmark_parts.part import BASE_MODEL, DATA_SET, Options
from scripts.benchmark_parts.turns import Readings, Side, Turn, interleave

BATCH_SENTENCES = 64  # the paper's, a device
STEPS_PER_TURN = 2
# What our allocator keeps has settled after eight steps (page faults seen); the peers, whose allocator gives
# memory back at each step, have nothing to settle.
WARM_UP_STEPS = {"ours": 8, "trainer": 2, "paper": 1}
PAPER_LENGTH = 64
LEARNING_RATE = 5e-4  # the paper's
PEAK_SHAPES = ((2048, 768, 3072), (4096, 4096, 4096), (1920, 768, 50304))
MODULE = "scripts.benchmark_parts.training"


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

    from src.control_tokens import load_tokenizer

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


def ours(
    turn: Turn, model: str, dataset: str, work: str, device: str, sizes: tuple[int, int, int]
) -> None:
    """Stage 2 as `main_train.py` runs it, its steps in turns."""
    from src.cpu_memory import keep_freed_memory

    keep_freed_memory()
    from src.config.training import TrainingArgs
    from src.training.checkpoints import Checkpoints
    from src.training.layout import METRICS
    from src.training.making import make_trainer
    from src.training.metrics_log import MetricsLog
    from src.training.preflight import preflight

    steps_per_turn, batch_sentences, max_steps = sizes
    args = TrainingArgs.model_validate(
        {
            "output": Path(work) / "ours",
            "dataset": Path(dataset),
            "model": {"name": model},
            "condition_on": ("toxicity", "sentiment"),
            "optimisation": {
                "learning_rate": LEARNING_RATE,
                "batch_sentences": batch_sentences,
                "max_steps": max_steps,
            },
            "checkpoints": {"evaluation_sentences": 0},
            "device": device,
        }
    )
    folder = Path(work) / "ours.partial"
    folder.mkdir()
    log = MetricsLog(folder / METRICS)
    trainer = make_trainer(args, preflight(args), Checkpoints(folder, None), log)
    warm_up = WARM_UP_STEPS["ours"]
    _train_in_turns(trainer, turn, steps_per_turn, warm_up, lambda batch: batch["shift_labels"])


def trainers_recipe(
    turn: Turn, model: str, dataset: str, work: str, device: str, sizes: tuple[int, int, int]
) -> None:
    """transformers' Trainer as its example scripts use it: padding to the longest, bf16."""
    _peer(turn, model, dataset, f"{work}/trainer", device, sizes, pad_to=None, bf16=True)


def papers_recipe(
    turn: Turn, model: str, dataset: str, work: str, device: str, sizes: tuple[int, int, int]
) -> None:
    """The paper's: every sentence padded to 64 tokens, fp32 (it had fp16, on a GPU)."""
    _peer(turn, model, dataset, f"{work}/paper", device, sizes, pad_to=PAPER_LENGTH, bf16=False)


def _peer(
    turn: Turn,
    model: str,
    dataset: str,
    output: str,
    device: str,
    sizes: tuple[int, int, int],
    *,
    pad_to: int | None,
    bf16: bool,
) -> None:
    from transformers import (
        AutoModelForCausalLM,
        DataCollatorForLanguageModeling,
        Trainer,
        TrainingArguments,
    )

    steps_per_turn, batch_sentences, max_steps = sizes
    tokenizer, examples, control = _examples(model, Path(dataset), pad_to)
    network = AutoModelForCausalLM.from_pretrained(model)
    network.resize_token_embeddings(max(len(tokenizer), network.config.vocab_size))
    trainer = Trainer(
        model=network,
        args=TrainingArguments(
            output_dir=output,
            use_cpu=device == "cpu",
            bf16=bf16,
            per_device_train_batch_size=batch_sentences,
            max_steps=max_steps,
            learning_rate=LEARNING_RATE,
            weight_decay=0.1,
            lr_scheduler_type="cosine",
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
        ),
        train_dataset=examples,
        data_collator=DataCollatorForLanguageModeling(tokenizer, mlm=False),
    )

    def targets(batch: dict[str, Any]) -> Any:
        ids = batch["input_ids"]
        wanted = (ids != tokenizer.pad_token_id) & (ids < min(control))
        return ids.where(wanted, -100)

    warm_up = WARM_UP_STEPS[Path(output).name]
    _train_in_turns(trainer, turn, steps_per_turn, warm_up, targets)


def _examples(model: str, dataset: Path, pad_to: int | None) -> tuple[Any, list[Any], list[int]]:
    """(tokenizer, tokenised sentences with their control tokens and end-of-text, control ids)."""
    from src.artifacts import read_manifest
    from src.attributes.attribute import from_manifest
    from src.control_tokens import control_ids, load_tokenizer, render
    from src.training.sentences import rows_of

    attributes = from_manifest(read_manifest(dataset, "dataset", verify=False)["attributes"])
    tokenizer = load_tokenizer(model, attributes)
    control = control_ids(tokenizer, attributes)
    if tokenizer.pad_token_id in (None, tokenizer.eos_token_id):
        tokenizer.add_special_tokens({"pad_token": "<|pad|>"})
    texts = [
        render(row["text"], row["labels"], attributes) + tokenizer.eos_token
        for row in rows_of(dataset, "train", ["text", "labels"])
    ]
    padding = {"padding": "max_length"} if pad_to else {}
    encoded = tokenizer(texts, truncation=True, max_length=pad_to or PAPER_LENGTH, **padding)
    rows = zip(encoded["input_ids"], encoded["attention_mask"], strict=True)
    return tokenizer, [{"input_ids": i, "attention_mask": m} for i, m in rows], control


def _train_in_turns(
    trainer: Any, turn: Turn, steps_per_turn: int, warm_up_steps: int, targets: Any
) -> None:
    """Train; after a few steps, which warm up, every few steps are a turn."""
    from transformers import PrinterCallback, TrainerCallback

    class Turns(TrainerCallback):
        steps, started = -warm_up_steps, 0.0

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            self.steps += 1
            _finish(args.device)
            if self.steps == steps_per_turn:
                seconds = time.perf_counter() - self.started
                useful, read, sentences = (sum(column) for column in zip(*counted, strict=True))
                turn.done(useful / seconds, useful=useful, read=read, sentences=sentences)
                self.steps = 0
            if self.steps == 0:
                counted.clear()
                control.should_training_stop = not turn.wait()
                self.started = time.perf_counter()

    counted: list[tuple[int, int, int]] = []
    inner = trainer.compute_loss

    def compute_loss(model: Any, inputs: Any, *rest: Any, **options: Any) -> Any:
        wanted, read = targets(inputs) != -100, inputs["attention_mask"]
        counted.append((int(wanted.sum()), int(read.sum()), len(wanted)))
        return inner(model, inputs, *rest, **options)

    trainer.compute_loss = compute_loss
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(Turns())
    trainer.train()


def matrix_products(turn: Turn, device: str) -> None:
    """GFLOP/s of the fastest bf16 matrix product."""
    import torch

    tensors = [
        (
            torch.randn(n, k, device=device, dtype=torch.bfloat16),
            torch.randn(m, k, device=device, dtype=torch.bfloat16),
        )
        for n, k, m in PEAK_SHAPES
    ]
    list(_speeds(tensors))
    while turn.wait():
        turn.done(max(_speeds(tensors)))


def _speeds(tensors: Any, seconds: float = 0.5) -> Iterator[float]:
    """Of each product, repeated for a while, the fastest one."""
    import torch

    for a, b in tensors:
        end, best = time.perf_counter() + seconds, float("inf")
        while time.perf_counter() < end:
            before = time.perf_counter()
            torch.nn.functional.linear(a, b)
            _finish(a.device)
            best = min(best, time.perf_counter() - before)
        yield 2 * a.shape[0] * a.shape[1] * b.shape[0] / best / 1e9


def _finish(device: Any) -> None:
    if device.type == "cuda":
        import torch

        torch.cuda.synchronize()
