"""A small labelled data set as stage 1 publishes it, written by hand: no scorer has to run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from src.artifacts.run_folder import Run
from src.attributes.attribute import Attribute, attributes_from_args, to_manifest
from src.config.attributes import AttributeArgs
from src.config.training import TrainingArgs
from src.models.control_tokens import load_tokenizer, tokenizer_fingerprint
from src.models.token_counts import sentence_length
from tests.builders import sentence
from tests.demo_attributes import SENTIMENT, toxicity


def small_attributes() -> dict[str, Attribute]:
    return attributes_from_args(
        {
            "toxicity": AttributeArgs(
                **toxicity(0.2), words={"nontoxic": ("polite",), "toxic": ("stupid", "fool")}
            ),
            "sentiment": AttributeArgs(
                **SENTIMENT, words={"neg": ("terrible",), "pos": ("wonderful",)}
            ),
        }
    )


def rows(split: str, n: int) -> list[dict[str, Any]]:
    """Sentences whose mood and rudeness are their labels: a model can learn what the tokens mean."""
    made = []
    for i in range(n):
        rude, positive = bool(i % 2), bool(i // 2 % 2)
        text = sentence(f"{split}/{i}", "positive" if positive else "negative", rude)
        made.append(
            {
                "id": f"{split}-{i}",
                "document_id": f"{split}-{i // 4}",
                "source": "Pile-CC",
                "text": text,
                "scores": {"toxicity": 0.9 * rude, "sentiment": 0.5 if positive else -0.5},
                "labels": {
                    "toxicity": "toxic" if rude else "nontoxic",
                    "sentiment": "pos" if positive else "neg",
                },
                "untagged": split == "train" and i % 40 == 0,
            }
        )
    return made


def small_data_set(folder: Path, base: Path, *, train: int = 120, validation: int = 40) -> Path:
    """Publish a data set for the tokenizer of a base model.

    Args:
        folder: of the finished data set.
        base: folder of the base model.
        train: training sentences, in two shards.
        validation: validation sentences, as many of each label combination.
    """
    attributes = small_attributes()
    tokenizer = load_tokenizer(str(base), attributes)
    counts = {"train": train, "validation": validation}
    with Run(folder, "dataset", {"output": str(folder)}) as run:
        for split, n in counts.items():
            made = rows(split, n)
            for row, length in zip(
                made, sentence_length(tokenizer, [row["text"] for row in made]), strict=True
            ):
                row["n_tokens"] = length
            for shard, start in enumerate(range(0, n, max(1, n // 2))):
                part = made[start : start + max(1, n // 2)]
                pq.write_table(
                    pa.Table.from_pylist(part), run.partial / f"{split}-{shard:05d}.parquet"
                )
        run.publish(
            attributes=to_manifest(attributes),
            cleaning="gentle",
            context_length=64,
            seed=0,
            scorers={},
            tokenizer={
                "name": str(base),
                "base": str(base),
                "fingerprint": tokenizer_fingerprint(tokenizer),
            },
            rows=counts,
        )
    return folder


def training_args(output: Path, data: Path, base: Path, **changes: Any) -> TrainingArgs:
    """Args of a run of 16 steps on the CPU; `changes` replace whole groups."""
    content: dict[str, Any] = {
        "output": output,
        "dataset": data,
        "model": {"name": str(base)},
        "condition_on": ("toxicity", "sentiment"),
        "control_tokens": {"learning_rate": 1e-2},
        "optimisation": {"learning_rate": 3e-3, "batch_sentences": 8, "max_steps": 16},
        "checkpoints": {"every_steps": 5, "evaluation_sentences": 16},
        "device": "cpu",
    }
    return TrainingArgs(**(content | changes))


def interrupted(args: TrainingArgs, *, at_step: int) -> None:
    """Train until a step, as if the user pressed Ctrl-C in it."""
    from src.training import loop
    from src.training.run import train

    plain_step = loop.take_step

    def step(training: loop.Training, *arguments: Any) -> Any:
        if training.step == at_step:
            raise KeyboardInterrupt
        return plain_step(training, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "take_step", step)
        with pytest.raises(KeyboardInterrupt):
            train(args)
