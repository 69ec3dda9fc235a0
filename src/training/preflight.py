"""What can be checked before training: every problem at once, no weights loaded, nothing written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from accelerate.tracking import get_available_trackers
from transformers import PretrainedConfig, PreTrainedTokenizerBase

from src.artifacts.manifest import Manifest, read_manifest
from src.artifacts.output_folder import check_disk_space, check_output
from src.attributes.attribute import (
    Attribute,
    check_attribute,
    check_condition,
    from_manifest,
)
from src.config.training import TrainingArgs
from src.errors import ArtifactError, UserError
from src.models.control_tokens import check_tokenizer, load_tokenizer
from src.models.language_model import (
    Precision,
    model_config,
    parameter_count,
    pick_precision,
)
from src.pretrained.context_length import context_length
from src.problems import Problems
from src.runtime.device import pick_device
from src.runtime.process_group import check_launcher
from src.runtime.processes import is_first_of_its_machine, world_size
from src.training.drawing import Drawing, plan_drawing
from src.training.layout import nothing_saved_yet
from src.training.schedule import Schedule, plan_schedule
from src.training.validation import ValidationSentences, choose_validation

BYTES_PER_WEIGHT = 4  # weights are kept in fp32
OPTIMISER_BYTES_PER_WEIGHT = 8  # AdamW's two moments in fp32


@dataclass(frozen=True)
class Plan:
    """What a run of training will use, all of it checked."""

    dataset: Manifest
    attributes: dict[str, Attribute]
    tokenizer: PreTrainedTokenizerBase
    device: torch.device
    precision: Precision
    schedule: Schedule
    validation: ValidationSentences | None
    disk_bytes: int
    strategy: str
    drawing: Drawing

    def describe(self, args: TrainingArgs) -> str:
        """What would be read and written, for `--dry-run`."""
        conditions = ", ".join(args.condition_on) or "nothing"
        return (
            f"would train {args.model.name} on {self.schedule.sentences} sentences of {args.dataset}, "
            f"conditioned on {conditions}: {self.schedule.steps} steps on {self.device} in "
            f"{self.precision}; would write {args.output} "
            f"(up to {self.disk_bytes / 1e9:.1f} GB while it runs)\n"
            + "\n".join([self._per_step(), *self.drawing.describe(), "nothing is missing"])
        )

    def _per_step(self) -> str:
        """How the processes share a step."""
        schedule, processes = self.schedule, world_size()
        step = f"a step: {schedule.sentences_per_step} sentences"
        if processes == 1:
            alone = " (one process: fsdp has nothing to shard, see torchrun)"
            hint = alone if self.strategy == "fsdp" else ""
            return f"{step}, {schedule.batch_sentences} at a time{hint}"
        return (
            f"{step} shared by {processes} processes ({self.strategy}), each {schedule.passes_per_step} x "
            f"{schedule.batch_sentences}"
        )


def preflight(args: TrainingArgs, *, overwrite: bool = False) -> Plan:
    """Check the data set, the base model, the tokenizer, the device, the trackers and the output.

    Args:
        args: of the run.
        overwrite: what is at the output will be replaced, so it may be another run.

    Raises:
        ProjectError: what is wrong; several problems are listed in one error.
    """
    problems = Problems()
    # The files are the same for all processes of a machine: one of them reads them through.
    verify = is_first_of_its_machine()
    dataset = problems.attempt(read_manifest, args.dataset, "dataset", verify=verify)
    attributes = problems.attempt(from_manifest, dataset["attributes"]) if dataset else None
    validation = None
    if attributes is not None:
        before = len(problems.found)
        problems.attempt(_check_condition_on, args, attributes)
        if args.checkpoints.evaluation_sentences and len(problems.found) == before:
            validation = problems.attempt(_validation, args, attributes)
    config = problems.attempt(model_config, args.model.name, args.model.revision)
    tokenizer = None
    if attributes is not None and config is not None:
        tokenizer = problems.attempt(_tokenizer, args, attributes, dataset)
        problems.attempt(_check_context, config, dataset, args)
    device = problems.attempt(pick_device, args.device)
    precision = None
    if device is not None:
        precision = problems.attempt(pick_precision, args.optimisation.precision, device)
    problems.attempt(_check_trackers, args)
    problems.attempt(check_launcher)
    drawing = schedule = None
    if attributes is not None:
        for one in args.hold_out:
            problems.attempt(check_condition, one, attributes)
        drawing = problems.attempt(
            plan_drawing, args.dataset, attributes, args.optimisation, args.hold_out
        )
    if drawing is not None:
        schedule = problems.attempt(plan_schedule, args, drawing.sentences, world_size())
    needed = 0
    if config is not None:
        needed = _disk_bytes(args, config, schedule)
        problems.attempt(check_disk_space, args.output, needed)
    problems.attempt(
        check_output,
        args.output,
        "training",
        args.what_is_trained(),
        overwrite=overwrite,
        fits=nothing_saved_yet,
    )
    problems.raise_all()
    assert dataset is not None and attributes is not None and tokenizer is not None
    assert device is not None and precision is not None
    assert drawing is not None and schedule is not None
    return Plan(
        dataset,
        attributes,
        tokenizer,
        device,
        precision,
        schedule,
        validation,
        needed,
        args.parallel.strategy,
        drawing,
    )


def _check_condition_on(args: TrainingArgs, attributes: dict[str, Attribute]) -> None:
    for name in args.condition_on:
        check_attribute("condition_on", name, attributes)


def _tokenizer(
    args: TrainingArgs, attributes: dict[str, Attribute], dataset: Manifest
) -> PreTrainedTokenizerBase:
    tokenizer = load_tokenizer(args.model.name, attributes, args.model.revision)
    check_tokenizer(tokenizer, dataset["tokenizer"]["fingerprint"], f"data set {args.dataset}")
    return tokenizer


def _check_context(config: PretrainedConfig, dataset: Manifest, args: TrainingArgs) -> None:
    context = context_length(config)
    longest = dataset["context_length"]
    if context is not None and context < longest:
        raise ArtifactError(
            f"sentences of {args.dataset} can be longer than the context of {args.model.name}",
            got=f"{longest} tokens",
            allowed=f"{context} tokens",
            fix="choose another base model, or create the data set with a smaller context_length",
        )


def _check_trackers(args: TrainingArgs) -> None:
    installed = [str(tracker) for tracker in get_available_trackers()]
    missing = [name for name in args.report_to if name not in installed]
    if missing:
        raise UserError(
            f"report_to names {', '.join(map(repr, missing))}, which is not installed",
            allowed=", ".join(sorted(installed)) or "none: no tracker is installed",
            fix="install the tracker's package, or set report_to: []",
        )


def _validation(args: TrainingArgs, attributes: dict[str, Attribute]) -> ValidationSentences:
    count = args.checkpoints.evaluation_sentences
    return choose_validation(args.dataset, attributes, args.condition_on, count, args.seed)


def _disk_bytes(args: TrainingArgs, config: PretrainedConfig, schedule: Any) -> int:
    """Bytes at the worst moment: all checkpoints that are kept, and two to go on from."""
    weights = parameter_count(config)
    kept = 1
    every = args.checkpoints.every_steps
    if schedule is not None and every is not None:
        kept += min(schedule.steps // every, args.checkpoints.keep or schedule.steps)
    per_checkpoint = BYTES_PER_WEIGHT * weights
    resumable = 0 if every is None else OPTIMISER_BYTES_PER_WEIGHT * weights
    return (kept + 1) * per_checkpoint + 2 * resumable
