"""What an evaluation reads, found and checked before any work: for `--dry-run`, and at every start."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from src.artifacts.atomic_files import json_sha256
from src.artifacts.manifest import Manifest, check_files, read_manifest
from src.attributes.attribute import Attribute, from_manifest
from src.attributes.hub_models import local_only
from src.config.evaluation import EvaluationArgs, ModelEntry
from src.errors import ArtifactError
from src.evaluation.plan.cells import Cell, build_cells
from src.evaluation.plan.checkpoints import checkpoint_folder, checkpoints_of
from src.evaluation.plan.checks import (
    check_output,
    misfits,
    missing_scorers,
    unknown_labels,
    unused_decodings,
    warn_of_other_attributes,
    warn_of_other_data,
)
from src.evaluation.plan.conditions import with_all_conditions
from src.evaluation.plan.prompts import Prompt, load_prompts
from src.evaluation.plan.room import prompts_without_room
from src.problems import Problems
from src.runtime import pick_device

AMOUNT = ("epochs", "max_steps", "max_sentences")
"""Training args that say how much a run is trained on."""


@dataclass(frozen=True)
class TrainedModel:
    """A checkpoint of a finished training run."""

    folder: Path
    manifest: Manifest
    checkpoint: str

    @property
    def facts(self) -> dict[str, Any]:
        """What tells its weights from any other's."""
        return {
            "path": str(self.manifest.folder),
            "manifest_sha256": self.manifest.sha256,
            "checkpoint": self.checkpoint,
            "tokens_trained": self._tokens_trained(),
            "recipe": recipe_of(self.manifest),
        }

    def _tokens_trained(self) -> int | None:
        """Targets trained on up to the checkpoint; None where its run did not say."""
        listed = self.manifest.get("checkpoints", [])
        found = [one.get("tokens_seen") for one in listed if one["name"] == self.checkpoint]
        return found[0] if found else None


def recipe_of(training: Manifest) -> str | None:
    """What a training run did, hashed, but for how long: equal for runs that differ in that alone.

    Where it writes, when it saves and what it computes on are no part of it.

    Returns:
        None where its manifest does not say.
    """
    args = dict(training.get("args") or {})
    if "optimisation" not in args:
        return None
    for name in ("output", "dataset", "checkpoints", "device", "report_to"):
        args.pop(name, None)
    args["optimisation"] = {k: v for k, v in args["optimisation"].items() if k not in AMOUNT}
    made_from = training["made_from"].get("dataset_manifest_sha256")
    return json_sha256([args, made_from, training["base_model"].get("weights_sha256")])


@dataclass(frozen=True)
class Inputs:
    """Everything that an evaluation reads.

    Attributes:
        dataset: manifest of the data set.
        attributes: of the data set, in their order.
        models: by the name in the args.
        prompts: by the name of their source.
        reference: name and revision of the model that judges fluency.
        cells: the grid.
    """

    dataset: Manifest
    attributes: dict[str, Attribute]
    models: dict[str, TrainedModel]
    prompts: dict[str, list[Prompt]]
    reference: tuple[str, str | None]
    cells: list[Cell]


def find_inputs(
    args: EvaluationArgs, *, hash_files: bool, problems: Problems | None = None
) -> Inputs:
    """Find and check all inputs.

    Args:
        args: of the run.
        hash_files: also compare the sha256 of every file that will be read with its manifest; without,
            their sizes only.
        problems: found before, to be said with those of the inputs.

    Raises:
        ProjectError: something is missing or does not fit; all problems in one.
    """
    problems = problems or Problems()
    dataset = problems.attempt(_read_dataset, args.dataset, hash_files)
    attributes = problems.attempt(from_manifest, dataset["attributes"]) if dataset else None
    models = {}
    for name, entry in args.models.items():
        found = problems.attempt(_read_model, name, entry, hash_files)
        if found is not None:
            models[name] = found
            if dataset is not None:
                problems.found += misfits(name, found.manifest, dataset)
    trained_on = {name: model.manifest["condition_on"] for name, model in models.items()}
    args, whole = with_all_conditions(args, attributes, trained_on)
    if whole:
        problems.found += unused_decodings(args)
    if attributes is not None:
        problems.found += unknown_labels(args, attributes)
        problems.found += missing_scorers(attributes)
    prompts = _load_all_prompts(args, attributes, problems)
    reference = _reference(args, models)
    if reference is not None:
        problems.attempt(local_only, *reference)
    problems.attempt(pick_device, args.device)
    problems.attempt(check_output, args)
    problems.raise_all()
    problems.gather(prompts_without_room, args, models, reference, prompts)
    problems.raise_all()
    for name, model in models.items():
        asked = {attribute for condition in args.models[name].conditions for attribute in condition}
        warn_of_other_attributes(name, model.manifest, asked)
        warn_of_other_data(name, model.manifest, dataset)
    cells = build_cells(args, tuple(attributes), *_identities(dataset, models, prompts))
    return Inputs(dataset, attributes, models, prompts, reference, cells)


def _identities(
    dataset: Manifest, models: Mapping[str, TrainedModel], prompts: Mapping[str, list[Prompt]]
) -> tuple[dict[str, Any], dict[str, str]]:
    """What tells models, and lists of prompts, from others: continuations are kept under it."""
    return (
        {name: {**model.facts, "dataset": dataset.sha256} for name, model in models.items()},
        {
            source: json_sha256([source, *([prompt.id, prompt.text] for prompt in listed)])
            for source, listed in prompts.items()
        },
    )


def _read_dataset(folder: Path, hash_files: bool) -> Manifest:
    manifest = read_manifest(folder, "dataset", verify=False)
    check_files(manifest, "validation-", hash_files=hash_files)
    return manifest


def _read_model(name: str, entry: ModelEntry, hash_files: bool) -> TrainedModel:
    manifest = read_manifest(entry.path, "training", verify=False)
    prefix, have = f"{checkpoint_folder(entry.checkpoint)}/", checkpoints_of(manifest)
    if not any(file.startswith(prefix) for file in manifest["files"]):
        near = difflib.get_close_matches(entry.checkpoint, have, n=1)
        raise ArtifactError(
            f"models.{name}: {entry.path} has no such checkpoint",
            got=entry.checkpoint,
            allowed=", ".join(have),
            fix=f"Did you mean {near[0]!r}?" if near else None,
        )
    check_files(manifest, prefix, hash_files=hash_files)
    return TrainedModel(entry.path / prefix, manifest, entry.checkpoint)


def checkpoints_to_try(args: EvaluationArgs) -> list[str]:
    """Names of the checkpoints that a sweep goes through; [all] are those published, and the end.

    Raises:
        ArtifactError: the swept model is no finished training run.
    """
    wanted, entry = args.sweep.checkpoints, args.models[args.sweep.model]
    if wanted != ("all",):
        return list(wanted) or [entry.checkpoint]
    return checkpoints_of(read_manifest(entry.path, "training", verify=False))


def _load_all_prompts(
    args: EvaluationArgs, attributes: Mapping[str, Attribute] | None, problems: Problems
) -> dict[str, list[Prompt]]:
    prompts = {}
    for source in args.prompts:
        if attributes is None and source.kind == "validation":
            continue
        found = problems.attempt(load_prompts, source, args.dataset, attributes or {}, args.seed)
        if found is not None:
            prompts[source.name] = found
    return prompts


def _reference(
    args: EvaluationArgs, models: Mapping[str, TrainedModel]
) -> tuple[str, str | None] | None:
    """The model named in the args, or the first model's base before fine-tuning."""
    if args.perplexity.reference is not None:
        return args.perplexity.reference, None
    for name in args.models:
        if name in models:
            base = models[name].manifest["base_model"]
            return base["name"], base.get("revision")
    return None
