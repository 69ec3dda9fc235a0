"""The sides of the training comparison: ours, transformers' Trainer, the paper's recipe, the peak."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scripts.benchmark_parts.turns import Turn

PAPER_LENGTH = 64
LEARNING_RATE = 5e-4  # the paper's
PEAK_SHAPES = ((2048, 768, 3072), (4096, 4096, 4096), (1920, 768, 50304))
# What our allocator keeps has settled after eight steps (page faults seen); the peers, whose allocator gives
# memory back at each step, have nothing to settle.
WARM_UP_STEPS = {"ours": 8, "trainer": 2, "paper": 1}


def ours(
    turn: Turn, model: str, dataset: str, work: str, device: str, sizes: tuple[int, int, int]
) -> None:
    """Stage 2 as `main_train.py` runs it, its steps in turns."""
    from src.runtime.cpu_memory import keep_freed_memory
    from src.runtime.cpu_threads import share_the_cores

    keep_freed_memory()
    share_the_cores()
    from src.config.training import TrainingArgs
    from src.training.loop import prepare_training, remaining_steps, take_step
    from src.training.make_model import prepare_sentences
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
    plan = preflight(args)
    training = prepare_training(args, plan, prepare_sentences(args, plan, folder))
    turns = _Turns(turn, steps_per_turn, WARM_UP_STEPS["ours"])
    for epoch, rows in remaining_steps(training):
        take_step(training, epoch, rows)
        _finish(plan.device)
        useful = training.examples.n_targets(rows)
        # Of a sentence, the start and the tokens of both attributes are read, and its end is not.
        if not turns.step_done(useful, useful + 2 * len(rows), len(rows)):
            return


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
    import transformers as hf

    steps_per_turn, batch_sentences, max_steps = sizes
    tokenizer, examples, control = _examples(model, Path(dataset), pad_to)
    network = hf.AutoModelForCausalLM.from_pretrained(model)
    network.resize_token_embeddings(max(len(tokenizer), network.config.vocab_size))
    arguments = hf.TrainingArguments(
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
    )
    trainer = hf.Trainer(
        model=network,
        args=arguments,
        train_dataset=examples,
        data_collator=hf.DataCollatorForLanguageModeling(tokenizer, mlm=False),
    )

    def targets(batch: dict[str, Any]) -> Any:
        ids = batch["input_ids"]
        wanted = (ids != tokenizer.pad_token_id) & (ids < min(control))
        return ids.where(wanted, -100)

    turns = _Turns(turn, steps_per_turn, WARM_UP_STEPS[Path(output).name])
    _train_in_turns(trainer, turns, targets)


def _examples(model: str, dataset: Path, pad_to: int | None) -> tuple[Any, list[Any], list[int]]:
    """(tokenizer, tokenised sentences with their control tokens and end-of-text, control ids)."""
    from src.artifacts.manifest import read_manifest
    from src.attributes.attribute import from_manifest
    from src.models.control_tokens import control_ids, load_tokenizer, render
    from src.published.data_set import rows_of

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


class _Turns:
    """After a few steps, which warm up, every few steps are a turn."""

    def __init__(self, turn: Turn, steps_per_turn: int, warm_up_steps: int) -> None:
        self._turn, self._per_turn = turn, steps_per_turn
        self._steps, self._started = -warm_up_steps, 0.0
        self._counted: list[tuple[int, int, int]] = []

    def step_done(self, useful: int, read: int, sentences: int) -> bool:
        """Count a step; returns whether there is to be another one."""
        self._counted.append((useful, read, sentences))
        self._steps += 1
        if self._steps == self._per_turn:
            seconds = time.perf_counter() - self._started
            useful, read, sentences = (sum(column) for column in zip(*self._counted, strict=True))
            self._turn.done(useful / seconds, useful=useful, read=read, sentences=sentences)
            self._steps = 0
        if self._steps != 0:
            return True
        self._counted.clear()
        goes_on = self._turn.wait()
        self._started = time.perf_counter()
        return goes_on


def _train_in_turns(trainer: Any, turns: _Turns, targets: Any) -> None:
    """Train with transformers' Trainer, in turns."""
    from transformers import PrinterCallback, TrainerCallback

    class Callback(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            _finish(args.device)
            control.should_training_stop = not turns.step_done(*counted)

    counted: tuple[int, int, int] = (0, 0, 0)
    inner = trainer.compute_loss

    def compute_loss(model: Any, inputs: Any, *rest: Any, **options: Any) -> Any:
        nonlocal counted
        wanted, read = targets(inputs) != -100, inputs["attention_mask"]
        counted = (int(wanted.sum()), int(read.sum()), len(wanted))
        return inner(model, inputs, *rest, **options)

    trainer.compute_loss = compute_loss
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(Callback())
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
