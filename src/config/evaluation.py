"""Args of stage 3, `main_evaluate.py`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from src.config.prompts import TRAINED_PLACEMENT, Placement, Prompts
from src.config.strict import OutputFolder, Strict
from src.config.sweep import ChooseArgs, SweepArgs

Condition = dict[str, str]
CHOSEN = "chosen"
ALL_CONDITIONS = "all"
# With tags, a mistake is told once, against what was meant, and not against both.
Conditions = Annotated[
    Annotated[tuple[Condition, ...], Tag("list")] | Annotated[Literal["all"], Tag("all")],
    Discriminator(lambda value: "all" if isinstance(value, str) else "list"),
]
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _.,+=-]*")


# Windows opens a device under these names, whatever follows a dot.
RESERVED = re.compile(r"(CON|PRN|AUX|NUL|COM[0-9]|LPT[0-9])(\..*)?", re.IGNORECASE)
LONGEST_NAME = 100


def unusable_as_folders(names: Iterable[str]) -> list[str]:
    """What is wrong with names that become folders of the results, on any file system."""
    problems = []
    folded: dict[str, str] = {}
    for name in names:
        if len(name) > LONGEST_NAME or name.endswith((".", " ")) or RESERVED.fullmatch(name):
            problems.append(
                f"name {name[:120]!r} cannot be a folder's everywhere: at most {LONGEST_NAME} characters, "
                "no dot or space at its end, no name of a Windows device"
            )
        other = folded.setdefault(name.casefold(), name)
        if other != name:
            problems.append(f"names {other!r} and {name!r} differ in upper and lower case alone")
    return problems


class DecodingArgs(Strict):
    """How a continuation is drawn. With `contrast_weights`, contrast decoding."""

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
    contrast_flip: Literal["each", "together"] = Field(
        default="each",
        description="each: one flipped variant per attribute of contrast_weights; together: one in which all "
        "of them are flipped, in two thirds of the time for two attributes; the weights must be equal",
    )
    contrast_against: Literal["flipped", "nothing"] = Field(
        default="flipped",
        description="flipped: what is compared is the text with its label flipped; nothing: the text without "
        "this label's token (classifier-free guidance); best with token_dropout in training",
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
        weights = {weight for weight in self.contrast_weights.values() if weight}
        if self.contrast_flip == "together" and len(weights) > 1:
            raise ValueError(
                "contrast_flip: together has one flipped variant and so one weight, "
                f"got {self.contrast_weights}"
            )
        return self


class ModelEntry(Strict):
    """A trained run, or several of one recipe, and what they are asked."""

    path: Path | None = Field(default=None, description="folder made by main_train.py")
    paths: tuple[Path, ...] = Field(
        default=(),
        description="in place of path: folders of several trainings that differ in their seed alone, so that "
        "figures and comparisons hold for the recipe; five are far better than three",
    )
    checkpoint: str = Field(default="final", description="final, or step-NNNNNN of its checkpoints")
    select: Literal["lowest_misalignment", "highest_control_auc", "lowest_loss"] | None = Field(
        default=None, description="evaluate the run's best checkpoint by this; null: `checkpoint`"
    )
    conditions: Conditions = Field(
        default=({},),
        description="attribute: label asked for; {} asks for nothing; all: every combination of the labels "
        "that the model was trained with, and of not asking",
    )
    decodings: tuple[str, ...] | None = Field(
        default=None, description="names of decodings to use; null: all of them"
    )

    @model_validator(mode="after")
    def _one_or_several(self) -> ModelEntry:
        if (self.path is None) == (not self.paths):
            raise ValueError("give either path, of one training, or paths, of several")
        if len({str(path) for path in self.trainings}) < len(self.trainings):
            raise ValueError("paths: the same training twice tells nothing of another one")
        return self

    @property
    def trainings(self) -> tuple[Path, ...]:
        """Folders of its trainings, one at least."""
        return self.paths if self.path is None else (self.path,)


class PerplexityArgs(Strict):
    """Fluency: perplexity of a continuation, given its prompt, under a reference model."""

    reference: str | None = Field(
        default=None, description="a model's name or folder; null: the base before fine-tuning"
    )


class EvaluationArgs(Strict):
    """Stage 3: what the models write when asked, and how often it misses what was asked for."""

    output: OutputFolder = Field(description="folder of the results")
    dataset: Path = Field(description="folder made by main_dataset_create.py")
    models: dict[str, ModelEntry] = Field(
        min_length=1, description="models by the name in the tables"
    )
    prompts: tuple[Prompts, ...] = Field(min_length=1, description="what the models are given")
    decodings: dict[str, DecodingArgs] = Field(
        min_length=1, description="ways to draw a continuation, by the name in the tables"
    )
    samples_per_prompt: int = Field(default=1, ge=1, description="continuations of each prompt")
    placement: Placement = Field(
        default=TRAINED_PLACEMENT,
        description="where the control tokens stand: before the prompt, as in training, or after it, as in "
        "the paper: what follows then reads as a new sentence",
    )
    perplexity: PerplexityArgs = Field(
        default=PerplexityArgs(), description="the reference model that judges fluency"
    )
    selection_prompts: Prompts | None = Field(
        default=None, description="what select: lowest_misalignment is measured on; never reported"
    )
    sweep: SweepArgs | None = Field(
        default=None,
        description="settings to try out on prompts of their own; the best is reported",
    )
    choose: ChooseArgs = Field(
        default=ChooseArgs(), description="what the best setting of the sweep has to keep to"
    )
    model_cards: bool = Field(
        default=False,
        description="also write model_cards/NAME/README.md: a model card of each model, to copy beside it",
    )
    batch_size: int = Field(
        default=50, ge=1, description="continuations generated at the same time"
    )
    seed: int = Field(default=0, ge=0, description="seed of prompts, samples and p-values")
    precision: Literal["auto", "bf16", "fp32"] = Field(
        default="auto",
        description="of what the models write; auto: bf16 where the device has it, twice as fast on a CPU; "
        "fp32 for contrast decoding without rounding",
    )
    device: str = Field(default="auto", description="auto, cpu, cuda or mps")

    @model_validator(mode="after")
    def _fits_together(self) -> EvaluationArgs:
        problems = []
        for name in (*self.models, *self.decodings):
            if not NAME.fullmatch(name):
                problems.append(f"name {name!r}: letters, digits, space and _ . , + = - only")
        problems += unusable_as_folders(self.models)
        for name, entry in self.models.items():
            for decoding in entry.decodings or ():
                if decoding not in self.decodings:
                    problems.append(
                        f"models.{name}.decodings: {decoding!r} is not one of {list(self.decodings)}"
                    )
        problems += self._sweep_problems() + self._selection_problems()
        names = [prompts.name for prompts in self.prompts]
        if len(set(names)) != len(names):
            problems.append(f"two sources of prompts have the same name: {names}")
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _sweep_problems(self) -> list[str]:
        """What the sweep names and these args do not have."""
        sweep = self.sweep
        if sweep is None:
            return []
        problems = [
            f"{key}: {name!r} is not one of {list(self.models)}"
            for key, name in (("sweep.model", sweep.model), ("choose.against", self.choose.against))
            if name is not None and name not in self.models
        ]
        if sweep.decoding not in self.decodings:
            problems.append(
                f"sweep.decoding: {sweep.decoding!r} is not one of {list(self.decodings)}"
            )
        elif self.decodings[sweep.decoding].contrast_weights and not sweep.condition:
            problems.append("sweep.condition: contrast decoding needs a label to ask for")
        else:
            problems += self._together_problems(sweep)
        if f"{sweep.model} {CHOSEN}" in self.models:
            problems.append(f"models: {sweep.model} {CHOSEN} is the name of what a sweep chooses")
        if CHOSEN in self.decodings:
            problems.append(f"decodings: {CHOSEN!r} is the name of what a sweep chooses")
        return problems

    def _together_problems(self, sweep: SweepArgs) -> list[str]:
        """Weights that a sweep would try apart, where one flipped variant has one weight."""
        decoding = self.decodings[sweep.decoding]
        own = {name: (weight,) for name, weight in decoding.contrast_weights.items()}
        tried = own | sweep.contrast_weights
        values = {value for one in tried.values() for value in one}
        if decoding.contrast_flip == "each" or len(tried) < 2 or len(values) < 2:
            return []
        return [
            "sweep.contrast_weights: contrast_flip: together has one weight for all attributes, which cannot "
            f"be tried apart: {tried}"
        ]

    def _selection_problems(self) -> list[str]:
        problems = [
            f"models.{name}: give either checkpoint or select"
            for name, entry in self.models.items()
            if entry.select is not None and entry.checkpoint != "final"
        ]
        problems += [
            f"models.{name}: select: lowest_misalignment needs its conditions written out"
            for name, entry in self.models.items()
            if entry.select == "lowest_misalignment" and entry.conditions == ALL_CONDITIONS
        ]
        problems += [
            f"models.{name}: select: {entry.select} was measured on validation sentences while training; "
            "report on other prompts"
            for name, entry in self.models.items()
            if entry.select in ("lowest_loss", "highest_control_auc")
            and any(prompts.kind == "validation" for prompts in self.prompts)
        ]
        measured = any(entry.select == "lowest_misalignment" for entry in self.models.values())
        if measured and self.selection_prompts is None:
            problems.append("select: lowest_misalignment needs selection_prompts")
        return problems
