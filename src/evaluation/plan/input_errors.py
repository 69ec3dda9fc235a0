"""What can be wrong with the inputs of an evaluation, each as an error that says what to do."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Any

from src.artifacts.manifest import Manifest
from src.artifacts.output_folder import check_disk_space
from src.artifacts.output_folder import check_output as check_output_folder
from src.artifacts.run_folder import differences
from src.attributes import scorer
from src.attributes.attribute import Attribute, check_attribute, check_condition
from src.config.evaluation import EvaluationArgs
from src.config.prompts import TRAINED_PLACEMENT
from src.errors import ArtifactError, ProjectError, UserError
from src.evaluation.plan.cells import has_cells
from src.evaluation.scoring.judge import judges_of

logger = logging.getLogger(__name__)

BYTES_PER_CONTINUATION = 4000
"""Disk needed per continuation, generously: its text, sentences, scores and labels, twice."""
PROMPTS_OF_A_FILE = 10_000
"""Stands for the size of a prompt file of which all are taken, where disk space is estimated."""


def misfits(name: str, model: Manifest, dataset: Manifest) -> Iterator[ProjectError]:
    """What a model was trained with and the data set of this evaluation does not have."""
    different = [
        *differences(
            _without_judges(model["attributes"]),
            _without_judges(dataset["attributes"]),
            "attributes",
        ),
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


def _without_judges(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """What training depends on: a judge makes no label, so another one is no other attribute."""
    return {name: {**one, "judge": None} for name, one in attributes.items()}


def unused_decodings(args: EvaluationArgs) -> Iterator[ProjectError]:
    """Decodings that no cell would use: contrast decoding where nothing weighted is asked for, say."""
    swept = args.sweep.decoding if args.sweep is not None else None
    for name, decoding in args.decodings.items():
        named = any(name in (e.decodings or ()) for e in args.models.values())
        if name == swept and not named:
            continue
        entries = [e for e in args.models.values() if e.decodings is None or name in e.decodings]
        if not any(has_cells(decoding, condition) for e in entries for condition in e.conditions):
            yield UserError(
                f"decodings.{name} is used by no model and condition",
                fix="name it in a model's decodings, ask for an attribute that it has a weight for, "
                "or leave it out",
            )


def unknown_labels(
    args: EvaluationArgs, attributes: Mapping[str, Attribute]
) -> Iterator[ProjectError]:
    """Conditions and contrast weights that name what the data set does not have."""
    asked = [(f"models.{n}.conditions", c) for n, e in args.models.items() for c in e.conditions]
    weighted = [
        (f"decodings.{n}.contrast_weights", d.contrast_weights) for n, d in args.decodings.items()
    ]
    if args.sweep is not None:
        asked.append(("sweep.condition", args.sweep.condition))
        weighted.append(("sweep.contrast_weights", args.sweep.contrast_weights))
    for where, condition in asked:
        try:
            check_condition(condition, attributes)
        except UserError as problem:
            yield UserError(f"{where}: {problem}")
    for where, weights in weighted:
        for name in weights:
            try:
                check_attribute(where, name, attributes)
            except UserError as problem:
                yield problem


def missing_scorers(attributes: Mapping[str, Attribute]) -> Iterator[ProjectError]:
    """Scorers and judges whose models are neither here nor to be had."""
    scorers = {name: one.scorer for name, one in attributes.items()}
    judges = {name: one.scorer for name, one in judges_of(attributes).items()}
    yield from scorer.missing_scorers("scorer", scorers)
    yield from scorer.missing_scorers("judge", judges)


def check_output(args: EvaluationArgs) -> None:
    """Raises where the output folder cannot be written or its disk is too small.

    Raises:
        UserError: it is a file.
        UnavailableError: no permission, or no space.
    """
    check_output_folder(args.output, "evaluation")
    cells = sum(
        len(e.conditions) * len(e.decodings or args.decodings) * len(e.trainings)
        for e in args.models.values()
    )
    counts = sum(source.count or PROMPTS_OF_A_FILE for source in args.prompts)
    check_disk_space(args.output, cells * counts * args.samples_per_prompt * BYTES_PER_CONTINUATION)


def warn_of_other_attributes(name: str, model: Manifest, asked: set[str]) -> None:
    """Say so where a model is asked for what it was not trained on: the paper does, but it may be a slip."""
    unknown = sorted(asked - set(model["condition_on"]))
    if model["condition_on"] and unknown:
        logger.info("%s is asked for %s, which it was not trained on", name, ", ".join(unknown))


def warn_of_placement(name: str, model: Manifest, args: EvaluationArgs) -> None:
    """Warn where tokens are asked for at a place where the model never saw them."""
    trained = model.get("placement", TRAINED_PLACEMENT)
    prompted = any(source.kind != "unprompted" for source in args.prompts)
    if prompted and args.placement != trained:
        logger.warning(
            "%s: the tokens stand %s, where its training never put them: what follows reads as a new "
            "sentence (placement: %s is as trained)",
            name,
            args.placement.replace("_", " the "),
            trained,
        )


def warn_of_other_data(name: str, model: Manifest, dataset: Manifest) -> None:
    """Warn of validation prompts that a model may have been trained on."""
    if model["made_from"].get("dataset_manifest_sha256") != dataset.sha256:
        logger.warning(
            "%s was trained on another data set than %s: it may have seen the validation prompts",
            name,
            dataset.folder,
        )
