"""What an evaluation reads, found and checked before any work: for `--dry-run`, and at every start."""

from __future__ import annotations

import difflib
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from src.artifacts import (
    Manifest,
    check_disk_space,
    differences,
    file_sha256,
    json_sha256,
    read_manifest,
)
from src.attributes.attribute import Attribute, check_condition, from_manifest
from src.attributes.hub_models import local_only
from src.attributes.scorer import cached_scorer
from src.config.evaluation import DecodingArgs, EvaluationArgs, ModelEntry
from src.errors import ArtifactError, ProjectError, UnavailableError, UserError
from src.evaluation.cells import Cell, build_cells, has_cells
from src.evaluation.prompts import Prompt, load_prompts
from src.runtime import pick_device

logger = logging.getLogger(__name__)

T = TypeVar("T")
FINAL = "final"
BYTES_PER_CONTINUATION = 4000
"""Disk needed per continuation, generously: its text, sentences, scores and labels, twice."""


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
        }


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


@dataclass
class _Problems:
    found: list[ProjectError] = field(default_factory=list)

    def attempt(self, work: Callable[..., T], *arguments: Any) -> T | None:
        """The result, or None with the problem kept."""
        try:
            return work(*arguments)
        except ProjectError as problem:
            self.found.append(problem)
            return None

    def raise_all(self) -> None:
        """Raise one error that names every problem; nothing to raise without one."""
        # Several checkpoints of one run can have the same problem: say it once.
        found = list({str(problem): problem for problem in self.found}.values())
        if len(found) == 1:
            raise found[0]
        if found:
            all_outside = all(isinstance(problem, UnavailableError) for problem in found)
            kind = UnavailableError if all_outside else UserError
            lines = "\n".join(f"  {i}. {problem}" for i, problem in enumerate(found, 1))
            raise kind(f"{len(found)} things are missing:\n{lines}")


def find_inputs(args: EvaluationArgs, *, hash_files: bool) -> Inputs:
    """Find and check all inputs.

    Args:
        args: of the run.
        hash_files: also compare the sha256 of every file that will be read with its manifest; without,
            their sizes only.

    Raises:
        ProjectError: something is missing or does not fit; all problems in one.
    """
    problems = _Problems()
    dataset = problems.attempt(_read_dataset, args.dataset, hash_files)
    attributes = problems.attempt(from_manifest, dataset["attributes"]) if dataset else None
    models = {}
    for name, entry in args.models.items():
        found = problems.attempt(_read_model, name, entry, hash_files)
        if found is not None:
            models[name] = found
            if dataset is not None:
                problems.found += _misfits(name, found.manifest, dataset)
    problems.found += _unused_decodings(args)
    if attributes is not None:
        problems.found += _unknown_labels(args, attributes)
        problems.found += _missing_scorers(attributes)
    prompts = _load_all_prompts(args, attributes, problems)
    reference = _reference(args, models)
    if reference is not None:
        problems.attempt(local_only, *reference)
    problems.attempt(pick_device, args.device)
    problems.attempt(_check_output, args)
    problems.raise_all()
    _warn_of_the_unusual(args, models, dataset)
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
    _check_files(manifest, "validation-", hash_files)
    return manifest


def _read_model(name: str, entry: ModelEntry, hash_files: bool) -> TrainedModel:
    manifest = read_manifest(entry.path, "training", verify=False)
    prefix = f"{FINAL}/" if entry.checkpoint == FINAL else f"checkpoints/{entry.checkpoint}/"
    if not any(file.startswith(prefix) for file in manifest["files"]):
        have = {Path(f).parts[1] for f in manifest["files"] if f.startswith("checkpoints/")}
        near = difflib.get_close_matches(entry.checkpoint, [FINAL, *sorted(have)], n=1)
        raise ArtifactError(
            f"models.{name}: {entry.path} has no such checkpoint",
            got=entry.checkpoint,
            allowed=", ".join([FINAL, *sorted(have)]),
            fix=f"Did you mean {near[0]!r}?" if near else None,
        )
    _check_files(manifest, prefix, hash_files)
    return TrainedModel(entry.path / prefix, manifest, entry.checkpoint)


def _check_files(manifest: Manifest, prefix: str, hash_files: bool) -> None:
    """Raises ArtifactError where a file that will be read is not what the manifest says."""
    changed = []
    for name, recorded in manifest["files"].items():
        path = manifest.folder / name
        if not name.startswith(prefix):
            continue
        if not path.is_file():
            changed.append(f"{name} is missing")
        elif path.stat().st_size != recorded["bytes"] or (
            hash_files and file_sha256(path) != recorded["sha256"]
        ):
            changed.append(f"{name} has changed")
    if changed:
        raise ArtifactError(
            f"{manifest.folder} is not as it was published: {', '.join(changed)}",
            fix="make it again with --overwrite",
        )


def _misfits(name: str, model: Manifest, dataset: Manifest) -> Iterator[ProjectError]:
    """What a model was trained with and the data set of this evaluation does not have."""
    different = [
        *differences(model["attributes"], dataset["attributes"], "attributes"),
        *differences(model["cleaning"], dataset["cleaning"], "cleaning"),
        *differences(
            model["tokenizer"]["fingerprint"],
            dataset["tokenizer"]["fingerprint"],
            "tokenizer.fingerprint",
        ),
    ]
    if different:
        yield ArtifactError(
            f"models.{name}: {model.folder} was trained with other attributes or another tokenizer "
            f"than {dataset.folder} has (model: was, data set: now):\n    "
            + "\n    ".join(different)
            + "\n   ",
            fix="evaluate it with the data set that it was trained on, or train it again",
        )


def _unused_decodings(args: EvaluationArgs) -> Iterator[ProjectError]:
    for name, decoding in args.decodings.items():
        entries = [e for e in args.models.values() if e.decodings is None or name in e.decodings]
        if not any(has_cells(decoding, condition) for e in entries for condition in e.conditions):
            yield UserError(
                f"decodings.{name} is used by no model and condition",
                fix="name it in a model's decodings, ask for an attribute that it has a weight for, "
                "or leave it out",
            )


def _unknown_labels(
    args: EvaluationArgs, attributes: Mapping[str, Attribute]
) -> Iterator[ProjectError]:
    for name, entry in args.models.items():
        for condition in entry.conditions:
            try:
                check_condition(condition, attributes)
            except UserError as problem:
                yield UserError(f"models.{name}.conditions: {problem}")
    for name, decoding in args.decodings.items():
        yield from _unknown_weights(name, decoding, attributes)


def _unknown_weights(
    name: str, decoding: DecodingArgs, attributes: Mapping[str, Attribute]
) -> Iterator[ProjectError]:
    for attribute in decoding.contrast_weights:
        if attribute not in attributes:
            near = difflib.get_close_matches(attribute, attributes, n=1)
            yield UserError(
                f"decodings.{name}.contrast_weights names an attribute that the data set does not have",
                got=attribute,
                allowed=", ".join(attributes),
                fix=f"Did you mean {near[0]!r}?" if near else None,
            )


def _missing_scorers(attributes: Mapping[str, Attribute]) -> Iterator[ProjectError]:
    for name, attribute in attributes.items():
        for line in cached_scorer(attribute.scorer).missing():
            yield UnavailableError(f"scorer {attribute.scorer.name} of attribute {name}: {line}")


def _load_all_prompts(
    args: EvaluationArgs, attributes: Mapping[str, Attribute] | None, problems: _Problems
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


def _check_output(args: EvaluationArgs) -> None:
    folder = args.output
    existing = next(p for p in (folder, *folder.absolute().parents) if p.exists())
    if existing == folder and not folder.is_dir():
        raise UserError(
            "output is a file", got=str(folder), fix="set output to a folder of its own"
        )
    parent = folder.absolute().parent if existing == folder else existing
    if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
        raise UnavailableError(
            f"output {folder} cannot be written: no permission in {parent}",
            fix="set an output folder that this user may write to",
        )
    cells = sum(
        len(e.conditions) * len(e.decodings or args.decodings) for e in args.models.values()
    )
    counts = sum(source.count or 10_000 for source in args.prompts)
    check_disk_space(folder, cells * counts * args.samples_per_prompt * BYTES_PER_CONTINUATION)


def _warn_of_the_unusual(
    args: EvaluationArgs, models: Mapping[str, TrainedModel], dataset: Manifest
) -> None:
    for name, model in models.items():
        known = model.manifest["condition_on"]
        asked = {a for condition in args.models[name].conditions for a in condition}
        if known and asked - set(known):
            logger.info(
                "%s is asked for %s, which it was not trained on",
                name,
                ", ".join(sorted(asked - set(known))),
            )
        if model.manifest["made_from"].get("dataset_manifest_sha256") != dataset.sha256:
            logger.warning(
                "%s was trained on another data set than %s: it may have seen the validation prompts",
                name,
                dataset.folder,
            )
