"""Which checkpoint of a training run is evaluated, where the args say `select:`.

Loss and control AUC were measured on validation sentences while training; misalignment is measured here, on
`selection_prompts`, which are never those reported. Imports neither torch nor transformers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from src.artifacts.manifest import read_manifest
from src.config.evaluation import EvaluationArgs
from src.config.sweep import ChooseArgs, SweepArgs
from src.errors import ArtifactError

BY_MISALIGNMENT = "lowest_misalignment"


def select_measured(args: EvaluationArgs) -> tuple[EvaluationArgs, dict[str, Any]]:
    """Choose what training has measured already.

    Args:
        args: of the evaluation.

    Returns:
        (the args with these checkpoints, per model: `by`, `checkpoint` and all `candidates`).

    Raises:
        ArtifactError: a run is not finished, or measured nothing on validation sentences.
    """
    selected = {}
    for name, entry in args.models.items():
        if entry.select not in (None, BY_MISALIGNMENT):
            manifest = read_manifest(entry.path, "training", verify=False)
            values = _measured(name, entry.select, manifest["checkpoints"])
            best = (min if entry.select == "lowest_loss" else max)(values, key=values.__getitem__)
            selected[name] = {"by": entry.select, "checkpoint": best, "candidates": values}
    return with_checkpoints(args, selected), selected


def _measured(name: str, by: str, checkpoints: list[Mapping[str, Any]]) -> dict[str, float]:
    """Checkpoint → loss in nats per token, or control AUC, the mean over the attributes."""
    values = {}
    for one in checkpoints:
        aucs = list((one["control_auc"] or {}).values())
        value = one["loss"] if by == "lowest_loss" else sum(aucs) / len(aucs) if aucs else None
        if value is not None:
            values[one["name"]] = value
    if not values:
        raise ArtifactError(
            f"models.{name}: select: {by}: its training run did not measure this at any checkpoint",
            fix="choose another way to select, or train with checkpoints.evaluation_sentences above 0 "
            "(control AUC also needs an attribute in condition_on)",
        )
    return values


def misalignment_sweeps(args: EvaluationArgs) -> dict[str, EvaluationArgs]:
    """Per model to be selected by misalignment: the args of a sweep over all of its checkpoints.

    The condition is the one that asks for the most; the decoding the first that samples plainly.
    """
    sweeps = {}
    for name, entry in args.models.items():
        if entry.select != BY_MISALIGNMENT:
            continue
        usable = entry.decodings or tuple(args.decodings)
        plain = [one for one in usable if not args.decodings[one].contrast_weights]
        sweep = SweepArgs(
            model=name,
            condition=max(entry.conditions, key=len),
            decoding=(plain or usable)[0],
            checkpoints=("all",),
            prompts=args.selection_prompts,
        )
        limits = ChooseArgs(against=name, perplexity_ratio_at_most=None)
        sweeps[name] = args.model_copy(update={"sweep": sweep, "choose": limits})
    return sweeps


def selected_by(result: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The choice of such a sweep, as `select_measured` gives it.

    Raises:
        ArtifactError: no checkpoint wrote a sentence to measure.
    """
    if result["chosen"] is None:
        raise ArtifactError(
            f"models.{name}: select: {BY_MISALIGNMENT}: no checkpoint wrote a sentence to measure",
            fix="raise max_length, or give more selection_prompts",
        )
    points = result["candidates"]
    return {
        "by": BY_MISALIGNMENT,
        "checkpoint": points[result["chosen"]]["checkpoint"],
        "candidates": {point["checkpoint"]: point["misalignment"] for point in points},
        "intervals": {
            point["checkpoint"]: {key: point[key] for key in ("ci_low", "ci_high")}
            for point in points
        },
        "prompts": result["prompts"],
        "condition": result["condition"],
        "attribute": result["attribute"],
    }


def with_checkpoints(
    args: EvaluationArgs, selected: Mapping[str, Mapping[str, Any]]
) -> EvaluationArgs:
    """The args with the checkpoints that were selected."""
    models = {
        name: entry
        if name not in selected
        else entry.model_copy(update={"checkpoint": selected[name]["checkpoint"], "select": None})
        for name, entry in args.models.items()
    }
    return args.model_copy(update={"models": models})
