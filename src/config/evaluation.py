"""Args of stage 3, `main_evaluate.py` (design sections 4, 6, 8 and 9)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from src.config.strict import Strict

Condition = dict[str, str]
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _.,+=-]*")


class ValidationPrompts(Strict):
    """Sentences of the data set's validation split."""

    kind: Literal["validation"] = Field(description="sentences of the data set's validation split")
    count: int = Field(gt=0, description="prompts drawn, balanced over the label combinations")

    @property
    def name(self) -> str:
        """What the tables call these prompts."""
        return "validation"


class UnpromptedPrompts(Strict):
    """Nothing but the end-of-text token; each sample is a cluster of its own."""

    kind: Literal["unprompted"] = Field(description="no prompt: the model starts a text of its own")
    count: int = Field(gt=0, description="samples")

    @property
    def name(self) -> str:
        """What the tables call these prompts."""
        return "unprompted"


class FilePrompts(Strict):
    """A text file with a prompt per line, or a JSONL such as RealToxicityPrompts'."""

    kind: Literal["file"] = Field(description="prompts from a .txt or .jsonl file")
    path: Path = Field(description=".txt: one prompt a line; .jsonl: one object a line")
    text_key: str = Field(
        default="prompt.text", description="key of the prompt in a .jsonl, dots go into objects"
    )
    count: int | None = Field(
        default=None, gt=0, description="prompts drawn by the seed; null: all"
    )

    @property
    def name(self) -> str:
        """What the tables call these prompts."""
        return self.path.name


Prompts = Annotated[
    ValidationPrompts | UnpromptedPrompts | FilePrompts, Field(discriminator="kind")
]


class DecodingArgs(Strict):
    """How a continuation is drawn. With `contrast_weights`, contrast decoding (design section 9)."""

    top_p: float = Field(default=0.9, gt=0.0, le=1.0, description="mass of the nucleus kept")
    top_k: int = Field(default=0, ge=0, description="most likely tokens kept; 0: all")
    temperature: float = Field(default=1.0, gt=0.0, description="divides the logits")
    min_length: int = Field(default=0, ge=0, description="fewest new tokens of a continuation")
    max_length: int = Field(default=40, ge=1, description="most new tokens of a continuation")
    no_repeat_ngram_size: int = Field(
        default=0, ge=0, description="n-grams of this size never repeat; 0: off (1 wrecks the text)"
    )
    contrast_weights: dict[str, float] = Field(
        default_factory=dict,
        description="attribute: weight w of w · (log p(x|c) − log p(x|c with its label flipped)); "
        "{}: plain sampling",
    )
    contrast_top_p: float = Field(
        default=0.9,
        gt=0.0,
        le=1.0,
        description="contrast decoding draws only from this nucleus of p(x|c) itself, so that a token that "
        "nobody would write does not win by its contrast; 1: from all tokens",
    )

    @model_validator(mode="after")
    def _rising(self) -> DecodingArgs:
        if self.min_length > self.max_length:
            raise ValueError(f"min_length {self.min_length} is above max_length {self.max_length}")
        return self


class ModelEntry(Strict):
    """A trained run, and what it is asked."""

    path: Path = Field(description="folder made by main_train.py")
    checkpoint: str = Field(default="final", description="final, or step-NNNNNN of its checkpoints")
    conditions: tuple[Condition, ...] = Field(
        default=({},), description="attribute: label asked for; {} asks for nothing"
    )
    decodings: tuple[str, ...] | None = Field(
        default=None, description="names of decodings to use; null: all of them"
    )


class PerplexityArgs(Strict):
    """Fluency: perplexity of a continuation, given its prompt, under a reference model."""

    reference: str | None = Field(
        default=None, description="a model's name or folder; null: the base before fine-tuning"
    )


class EvaluationArgs(Strict):
    """Stage 3: what the models write when asked, and how often it contradicts what was asked."""

    output: Path = Field(description="folder of the results")
    dataset: Path = Field(description="folder made by main_dataset_create.py")
    models: dict[str, ModelEntry] = Field(
        min_length=1, description="models by the name in the tables"
    )
    prompts: tuple[Prompts, ...] = Field(min_length=1, description="what the models are given")
    decodings: dict[str, DecodingArgs] = Field(
        min_length=1, description="ways to draw a continuation, by the name in the tables"
    )
    samples_per_prompt: int = Field(default=1, ge=1, description="continuations of each prompt")
    placement: Literal["after_prompt", "before_prompt"] = Field(
        default="after_prompt",
        description="where the control tokens stand (paper: after the prompt)",
    )
    perplexity: PerplexityArgs = Field(
        default=PerplexityArgs(), description="the reference model that judges fluency"
    )
    bootstrap_resamples: int = Field(
        default=2000, ge=100, description="resamples of the prompts behind each 95 % interval"
    )
    model_cards: bool = Field(
        default=False,
        description="also write model_cards/NAME/README.md: a model card of each model, to copy beside it",
    )
    batch_size: int = Field(
        default=50, ge=1, description="continuations generated at the same time"
    )
    seed: int = Field(default=0, ge=0, description="seed of prompts, samples and intervals")
    device: str = Field(default="auto", description="auto, cpu, cuda or mps")

    @model_validator(mode="after")
    def _fits_together(self) -> EvaluationArgs:
        problems = []
        for name in (*self.models, *self.decodings):
            if not NAME.fullmatch(name):
                problems.append(f"name {name!r}: letters, digits, space and _ . , + = - only")
        for name, entry in self.models.items():
            for decoding in entry.decodings or ():
                if decoding not in self.decodings:
                    problems.append(
                        f"models.{name}.decodings: {decoding!r} is not one of {list(self.decodings)}"
                    )
        names = [prompts.name for prompts in self.prompts]
        if len(set(names)) != len(names):
            problems.append(f"two sources of prompts have the same name: {names}")
        if problems:
            raise ValueError("; ".join(problems))
        return self
