"""The grid of an evaluation: one cell per model, condition, decoding and source of prompts.

Imports neither torch nor transformers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from src.artifacts.atomic_files import json_sha256
from src.artifacts.manifest_schema import SCHEMA_VERSIONS
from src.config.evaluation import Condition, DecodingArgs, EvaluationArgs
from src.runtime.randomness import keyed_hash

NO_CONDITION = "no condition"

# Raise it when the code changes what is written, or how it is split, for the same settings.
WRITING_VERSION = 2


@dataclass(frozen=True)
class Cell:
    """One model, asked one thing, decoded one way, given one source of prompts.

    Attributes:
        model: its name in the args.
        condition: attribute → label asked for, in the attributes' order.
        decoding: its name in the args.
        prompts: name of the source of prompts.
        work_keys: for each training of the model, what its continuations depend on, hashed: equal for what
            writes the same, and different as soon as a checkpoint, the prompts or a setting differs.
    """

    model: str
    condition: Condition
    decoding: str
    prompts: str
    work_keys: tuple[str, ...]

    @property
    def facts(self) -> dict[str, Any]:
        """The four that name the cell, as they stand in every result."""
        return {
            "model": self.model,
            "condition": dict(self.condition),
            "decoding": self.decoding,
            "prompts": self.prompts,
        }

    def __str__(self) -> str:
        parts = (self.model, condition_title(self.condition), self.decoding, self.prompts)
        return ", ".join(parts)


def condition_title(condition: Mapping[str, str]) -> str:
    """A condition as it stands in tables: `nontoxic + pos`, or `no condition`."""
    return " + ".join(condition.values()) or NO_CONDITION


def seed_of(seed: int, training: int) -> int:
    """The seed of what a training draws: each its own, so that several are independent draws as well."""
    return seed if training == 0 else keyed_hash(seed, "training", str(training)) % 2**31


def samples_of(source: str, args: EvaluationArgs) -> int:
    """Continuations of each prompt; unprompted samples are each a prompt of their own."""
    return 1 if source == "unprompted" else args.samples_per_prompt


def active_weights(decoding: DecodingArgs, condition: Mapping[str, str]) -> dict[str, float]:
    """The contrast weights that act under a condition: only what is asked for can be flipped."""
    return {
        name: decoding.contrast_weights[name]
        for name in condition
        if decoding.contrast_weights.get(name)
    }


def has_cells(decoding: DecodingArgs, condition: Mapping[str, str]) -> bool:
    """Whether a decoding means anything under a condition.

    Contrast decoding with nothing to contrast would be plain sampling under another name: no cell.
    """
    return not decoding.contrast_weights or bool(active_weights(decoding, condition))


def build_cells(
    args: EvaluationArgs,
    attribute_order: tuple[str, ...],
    models: Mapping[str, Sequence[Any]],
    prompts: Mapping[str, Any],
) -> list[Cell]:
    """Every cell, in the order of the args: model, condition, decoding, prompts.

    Args:
        args: of the run.
        attribute_order: names of the attributes, which orders each condition.
        models: name → for each of its trainings what tells its weights from any other's, as JSON.
        prompts: name → what tells one list of prompts from another, as JSON.

    Returns:
        The cells, none twice.
    """
    cells = {}
    for name, condition, decoding in _asked(args, attribute_order):
        chosen = args.decodings[decoding]
        for source in prompts:
            settings = {
                # Work of an older version of this program is not gone on with.
                "schema": SCHEMA_VERSIONS["evaluation"],
                "version": WRITING_VERSION,
                "prompts": prompts[source],
                "condition": list(condition.items()),
                "decoding": chosen.model_dump(mode="json", exclude={"contrast_weights"}),
                "contrast_weights": active_weights(chosen, condition),
                "samples_per_prompt": args.samples_per_prompt,
                "placement": args.placement,
                "batch_size": args.batch_size,
                "precision": args.precision,
                "device": args.device,
            }
            keys = tuple(
                json_sha256({**settings, "model": model, "seed": seed_of(args.seed, training)})[:32]
                for training, model in enumerate(models[name])
            )
            cell = Cell(name, condition, decoding, source, keys)
            cells[(name, tuple(condition.items()), decoding, source)] = cell
    return list(cells.values())


def _asked(
    args: EvaluationArgs, attribute_order: tuple[str, ...]
) -> Iterator[tuple[str, Condition, str]]:
    for name, entry in args.models.items():
        for condition in entry.conditions:
            ordered = {a: condition[a] for a in attribute_order if a in condition}
            for decoding in entry.decodings or args.decodings:
                if has_cells(args.decodings[decoding], ordered):
                    yield name, ordered, decoding
