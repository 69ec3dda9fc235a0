"""What an evaluation reads, found and checked before any work: for `--dry-run`, and at every start."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from src.artifacts.atomic_files import json_sha256
from src.artifacts.manifest import Manifest, check_files, read_manifest
from src.attributes.attribute import Attribute, from_manifest
from src.config.evaluation import EvaluationArgs
from src.errors import ArtifactError
from src.evaluation.plan.cells import Cell, build_cells
from src.evaluation.plan.conditions import with_all_conditions
from src.evaluation.plan.input_errors import (
    check_output,
    misfits,
    missing_scorers,
    unknown_labels,
    unused_decodings,
    warn_of_other_attributes,
    warn_of_other_data,
    warn_of_placement,
)
from src.evaluation.plan.prompts import Prompt, load_prompts
from src.evaluation.plan.room import prompts_without_room
from src.pretrained.hub_models import require_model
from src.problems import Problems
from src.published.trained_model import checkpoint_folder, checkpoints_of
from src.runtime.device import pick_device

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
            "seed": self.manifest.get("seed"),
        }

    def tokens_trained(self) -> int | None:
        """Targets trained on up to the checkpoint; None where its run did not say."""
        listed = self.manifest.get("checkpoints", [])
        found = [one.get("tokens_seen") for one in listed if one["name"] == self.checkpoint]
        return found[0] if found else None


def recipe_of(training: Manifest, *, with_amount: bool = False) -> str | None:
    """What a training run did, hashed: equal for runs that differ in their seed alone.

    Where it writes, when it saves and what it computes on are no part of it.

    Args:
        training: manifest of the run.
        with_amount: without, runs that differ in how much they were trained are equal, too.

    Returns:
        None where its manifest does not say.
    """
    args = dict(training.get("args") or {})
    if "optimisation" not in args:
        return None
    for name in ("output", "dataset", "checkpoints", "device", "report_to", "seed"):
        args.pop(name, None)
    if not with_amount:
        args["optimisation"] = {k: v for k, v in args["optimisation"].items() if k not in AMOUNT}
    made_from = training["made_from"].get("dataset_manifest_sha256")
    return json_sha256([args, made_from, training["base_model"].get("weights_sha256")])


@dataclass(frozen=True)
class Inputs:
    """Everything that an evaluation reads.

    Attributes:
        dataset: manifest of the data set.
        attributes: of the data set, in their order.
        models: by the name in the args, the trainings of each.
        prompts: by the name of their source.
        reference: name and revision of the model that judges fluency.
        cells: the grid.
    """

    dataset: Manifest
    attributes: dict[str, Attribute]
    models: dict[str, tuple[TrainedModel, ...]]
    prompts: dict[str, list[Prompt]]
    reference: tuple[str, str | None]
    cells: list[Cell]


def find_inputs(
    args: EvaluationArgs,
    *,
    hash_files: bool,
    problems: Problems | None = None,
    leave_out: Collection[str] = (),
) -> Inputs:
    """Find and check all inputs.

    Args:
        args: of the run.
        hash_files: also compare the sha256 of every file that will be read with its manifest; without,
            their sizes only.
        problems: found before, to be said with those of the inputs.
        leave_out: ids of validation sentences that are not to be prompts.

    Raises:
        ProjectError: something is missing or does not fit; all problems in one.
    """
    problems = problems or Problems()
    dataset = problems.attempt(_read_dataset, args.dataset, hash_files)
    attributes = problems.attempt(from_manifest, dataset["attributes"]) if dataset else None
    models = {}
    for name, entry in args.models.items():
        found = [
            problems.attempt(_read_model, name, path, entry.checkpoint, hash_files)
            for path in entry.trainings
        ]
        if None not in found:
            models[name] = tuple(found)
            problems.gather(_several_recipes, name, found)
            if dataset is not None:
                for one in found:
                    problems.found += misfits(name, one.manifest, dataset)
    trained_on = {name: own[0].manifest["condition_on"] for name, own in models.items()}
    args, whole = with_all_conditions(args, attributes, trained_on)
    if whole:
        problems.found += unused_decodings(args)
    if attributes is not None:
        problems.found += unknown_labels(args, attributes)
        problems.found += missing_scorers(attributes)
    prompts = _load_all_prompts(args, attributes, problems, leave_out)
    reference = _reference(args, models)
    if reference is not None:
        problems.attempt(require_model, *reference)
    problems.attempt(pick_device, args.device)
    problems.attempt(check_output, args)
    problems.raise_all()
    problems.gather(prompts_without_room, args, models, reference, prompts)
    problems.raise_all()
    for name, (model, *_) in models.items():
        asked = {attribute for condition in args.models[name].conditions for attribute in condition}
        warn_of_other_attributes(name, model.manifest, asked)
        warn_of_other_data(name, model.manifest, dataset)
        if asked:
            warn_of_placement(name, model.manifest, args)
    cells = build_cells(args, tuple(attributes), *_identities(dataset, models, prompts))
    return Inputs(dataset, attributes, models, prompts, reference, cells)


def _identities(
    dataset: Manifest,
    models: Mapping[str, Sequence[TrainedModel]],
    prompts: Mapping[str, list[Prompt]],
) -> tuple[dict[str, list[Any]], dict[str, str]]:
    """What tells trainings, and lists of prompts, from others: continuations are kept under it."""
    return (
        {
            name: [{**model.facts, "dataset": dataset.sha256} for model in trainings]
            for name, trainings in models.items()
        },
        {
            source: json_sha256([source, *([prompt.id, prompt.text] for prompt in listed)])
            for source, listed in prompts.items()
        },
    )


def _read_dataset(folder: Path, hash_files: bool) -> Manifest:
    manifest = read_manifest(folder, "dataset", verify=False)
    check_files(manifest, "validation-", hash_files=hash_files)
    return manifest


def _read_model(name: str, path: Path, checkpoint: str, hash_files: bool) -> TrainedModel:
    manifest = read_manifest(path, "training", verify=False)
    prefix, have = f"{checkpoint_folder(checkpoint)}/", checkpoints_of(manifest)
    if not any(file.startswith(prefix) for file in manifest["files"]):
        near = difflib.get_close_matches(checkpoint, have, n=1)
        raise ArtifactError(
            f"models.{name}: {path} has no such checkpoint",
            got=checkpoint,
            allowed=", ".join(have),
            fix=f"Did you mean {near[0]!r}?" if near else None,
        )
    check_files(manifest, prefix, hash_files=hash_files)
    return TrainedModel(path / prefix, manifest, checkpoint)


def _several_recipes(name: str, trainings: Sequence[TrainedModel]) -> Iterator[ArtifactError]:
    """Trainings of one model that are no repetitions of one recipe with other seeds."""
    first = trainings[0].manifest
    recipe, seeds = recipe_of(first, with_amount=True), {first.get("seed"): first.folder}
    for one in (other.manifest for other in trainings[1:]):
        if recipe is None or recipe_of(one, with_amount=True) != recipe:
            yield ArtifactError(
                f"models.{name}: paths: {one.folder} is of another recipe than {first.folder}",
                fix="give each a model of its own, or train it with the same args, data set and base model "
                "and another seed",
            )
        elif one.get("seed") in seeds:
            yield ArtifactError(
                f"models.{name}: paths: {one.folder} and {seeds[one.get('seed')]} have the same seed",
                got=one.get("seed"),
                fix="the same training twice tells nothing of another one: train with another seed",
            )
        seeds.setdefault(one.get("seed"), one.folder)


def checkpoints_to_try(args: EvaluationArgs) -> list[str]:
    """Names of the checkpoints that a sweep goes through; [all] are those that every training has.

    Raises:
        ArtifactError: the swept model is no finished training run.
    """
    wanted, entry = args.sweep.checkpoints, args.models[args.sweep.model]
    if wanted != ("all",):
        return list(wanted) or [entry.checkpoint]
    have = [checkpoints_of(read_manifest(one, "training", verify=False)) for one in entry.trainings]
    return [name for name in have[0] if all(name in others for others in have)]


def _load_all_prompts(
    args: EvaluationArgs,
    attributes: Mapping[str, Attribute] | None,
    problems: Problems,
    leave_out: Collection[str],
) -> dict[str, list[Prompt]]:
    prompts = {}
    for source in args.prompts:
        if attributes is None and source.kind == "validation":
            continue
        found = problems.attempt(
            load_prompts, source, args.dataset, attributes or {}, args.seed, leave_out
        )
        if found is not None:
            prompts[source.name] = found
    return prompts


def _reference(
    args: EvaluationArgs, models: Mapping[str, Sequence[TrainedModel]]
) -> tuple[str, str | None] | None:
    """The model named in the args, or the first model's base before fine-tuning."""
    if args.perplexity.reference is not None:
        return args.perplexity.reference, None
    for name in args.models:
        if name in models:
            base = models[name][0].manifest["base_model"]
            return base["name"], base.get("revision")
    return None
