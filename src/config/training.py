"""Args of stage 2, `main_train.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from src.config.strict import OutputFolder, Strict

Rate = Annotated[float, Field(ge=0.0, le=1.0)]


class BaseModelArgs(Strict):
    """The model that is fine-tuned."""

    name: str = Field(description="name on the hub or local folder of any causal language model")
    revision: str | None = Field(default=None, description="commit, tag or branch to pin")
    from_scratch: bool = Field(
        default=False,
        description="random weights of the same shape, as the paper's code had by accident",
    )


class ControlTokenArgs(Strict):
    """How the new embedding rows start and learn (their own, larger rate teaches them faster)."""

    learning_rate: float = Field(default=3e-2, gt=0.0, description="learning rate of the new rows")
    initialisation: Literal["words", "mean"] = Field(
        default="words",
        description="words: mean embedding of the attribute's words for the label; "
        "mean: mean of all embeddings plus small noise",
    )


class ObjectiveArgs(Strict):
    """What is minimised beside the negative log-likelihood of the sentences."""

    discrimination: float = Field(
        default=0.0,
        ge=0.0,
        description="weight of GeDi's discriminative loss: a sentence shall be likelier behind its own "
        "tokens than with one of them exchanged; a step then takes twice the time; 0: off, as in the paper",
    )


class OptimisationArgs(Strict):
    """How the weights are moved."""

    learning_rate: float = Field(gt=0.0, description="peak learning rate of the model's weights")
    batch_sentences: int = Field(
        default=16,
        ge=1,
        description="sentences per forward pass; a process never takes more at once",
    )
    gradient_accumulation_steps: int = Field(
        default=1,
        ge=1,
        description="forward passes per optimiser step, all processes together: a step is always "
        "batch_sentences * gradient_accumulation_steps sentences, which the processes share evenly",
    )
    epochs: float = Field(default=1.0, gt=0.0, description="passes over the training sentences")
    max_steps: int | None = Field(
        default=None,
        ge=0,
        description="optimiser steps; where set, epochs is ignored; 0 publishes the base model as it is, the "
        "row that says what training alone did",
    )
    max_sentences: int | None = Field(
        default=None, ge=1, description="train on this many sentences, drawn by the seed; null: all"
    )
    draw: Literal["natural", "balanced"] = Field(
        default="natural",
        description="natural: sentences as they come; balanced: equally from every combination of labels, so "
        "that rare ones are learned too; the same draw for all models of a data set",
    )
    most_repeats: int = Field(
        default=4,
        ge=1,
        description="with balanced, how often a sentence is drawn at most in an epoch",
    )
    weight_decay: float = Field(default=0.1, ge=0.0, description="AdamW weight decay")
    warmup_ratio: Rate = Field(
        default=0.01,
        description="share of the steps in which the rate rises, from 0 in the first of them",
    )
    lr_scheduler: Literal["cosine", "linear", "constant", "constant_with_warmup"] = Field(
        default="cosine", description="how the rate falls"
    )
    max_grad_norm: float = Field(
        default=1.0, gt=0.0, description="gradient norm above which it is clipped"
    )
    precision: Literal["auto", "bf16", "fp16", "fp32"] = Field(
        default="auto", description="auto: bf16 where the device computes it natively, else fp32"
    )
    gradient_checkpointing: bool = Field(
        default=False, description="less memory for about a third more time"
    )


class ParallelArgs(Strict):
    """How a step is shared by the processes that a launcher starts: how, never what is trained."""

    strategy: Literal["data_parallel", "fsdp"] = Field(
        default="data_parallel",
        description="data_parallel: every process holds the whole model; fsdp: weights, gradients and "
        "optimiser state are sharded over the processes (PyTorch's fully_shard)",
    )


class CheckpointArgs(Strict):
    """What is saved and measured on the way."""

    every_steps: int | None = Field(
        default=None, ge=1, description="optimiser steps between checkpoints; null: the end only"
    )
    keep: int | None = Field(
        default=None, ge=1, description="checkpoints kept, the newest; null: all of them"
    )
    evaluation_sentences: int = Field(
        default=200,
        ge=0,
        description="validation sentences for loss and control AUC at each checkpoint; 0: none",
    )


class TrainingArgs(Strict):
    """Stage 2: labelled sentences → a model that follows control tokens."""

    output: OutputFolder = Field(description="folder of the finished model")
    dataset: Path = Field(description="folder made by main_dataset_create.py")
    model: BaseModelArgs = Field(description="the model that is fine-tuned")
    condition_on: tuple[str, ...] = Field(
        description="attributes whose tokens stand before the sentences; [] trains M-B"
    )
    token_dropout: dict[str, Rate] = Field(
        default_factory=dict,
        description="per attribute, the share of sentences in which its token is left out",
    )
    hold_out: tuple[dict[str, str], ...] = Field(
        default=(),
        description="combinations of labels that are never trained on, such as [{toxicity: toxic, sentiment: "
        "pos}]: an evaluation that asks for them says how far the tokens can be combined anew",
    )
    control_tokens: ControlTokenArgs = Field(
        default=ControlTokenArgs(), description="how the tokens' embeddings start and learn"
    )
    objective: ObjectiveArgs = Field(default=ObjectiveArgs(), description="what is minimised")
    optimisation: OptimisationArgs = Field(description="how the weights are moved")
    checkpoints: CheckpointArgs = Field(
        default=CheckpointArgs(), description="what is saved and measured on the way"
    )
    parallel: ParallelArgs = Field(
        default=ParallelArgs(),
        description="how the processes share a step, started by `torchrun --nproc_per_node 8 main_train.py "
        "<args>`; the training is the same for any number of them, and an "
        "unfinished run may go on with another number or strategy",
    )
    seed: int = Field(default=0, ge=0, description="seed of data order, dropout and new rows")
    device: str = Field(default="auto", description="auto, cpu, cuda or mps")
    report_to: tuple[str, ...] = Field(
        default=(),
        description="accelerate's trackers (tensorboard, wandb, mlflow, …); none by default",
    )

    @model_validator(mode="after")
    def _fits_together(self) -> TrainingArgs:
        if len(set(self.condition_on)) != len(self.condition_on):
            raise ValueError(f"condition_on names an attribute twice: {list(self.condition_on)}")
        if {} in self.hold_out:
            raise ValueError("hold_out: {} would hold out every sentence")
        for name in self.token_dropout:
            if name not in self.condition_on:
                raise ValueError(
                    f"token_dropout names {name!r}, which is not in condition_on {list(self.condition_on)}"
                )
        if (self.parallel.strategy, self.optimisation.precision) == ("fsdp", "fp16"):
            raise ValueError("strategy fsdp computes in bf16 or fp32, not in fp16")
        return self

    def what_is_trained(self) -> dict[str, Any]:
        """The args that decide about the model, as JSON: a run is resumed only with equal ones.

        What decides on nothing is left out: runs from before there was such a key are still what they were.
        """
        unused: dict[str, Any] = {"parallel": True}
        if self.optimisation.draw == "natural":
            unused["optimisation"] = {"draw", "most_repeats"}
        if not self.discriminates:
            unused["objective"] = True
        if not self.hold_out:
            unused["hold_out"] = True
        return self.model_dump(mode="json", exclude=unused)

    @property
    def discriminates(self) -> bool:
        """Whether the discriminative loss takes part; a model without tokens has none to exchange."""
        return self.objective.discrimination > 0 and bool(self.condition_on)
