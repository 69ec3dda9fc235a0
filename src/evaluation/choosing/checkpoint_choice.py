"""Which checkpoint of a training run is evaluated, where the args say `select:`.

Loss and control AUC were measured on validation sentences while training; misalignment is measured here, on
`selection_prompts`, which are never those reported. Imports neither torch nor transformers.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from typing import Any

from src.artifacts.manifest import Manifest, read_manifest
from src.config.evaluation import EvaluationArgs
from src.config.sweep import ChooseArgs, SweepArgs
from src.errors import ArtifactError
from src.statistics.estimate import Estimate

logger = logging.getLogger(__name__)

BY_MISALIGNMENT = "lowest_misalignment"


def select_measured(args: EvaluationArgs) -> tuple[EvaluationArgs, dict[str, Any]]:
    """Choose what training has measured already.

    Args:
        args: of the evaluation.

    Returns:
        (the args with these checkpoints, and per model what was chosen: `by`, `checkpoint`, all
        `candidates`, the means over its trainings, with their `intervals`, and those `within_error` of the
        chosen one).

    Raises:
        ArtifactError: a run is not finished, or measured nothing on validation sentences.
    """
    selected = {}
    for name, entry in args.models.items():
        if entry.select not in (None, BY_MISALIGNMENT):
            measured = [
                _measured(name, entry.select, read_manifest(path, "training", verify=False))
                for path in entry.trainings
            ]
            candidates = {
                checkpoint: _mean([one[checkpoint] for one in measured])
                for checkpoint in measured[0]
                if all(checkpoint in one for one in measured)
            }
            best = (min if entry.select == "lowest_loss" else max)(
                candidates, key=lambda checkpoint: candidates[checkpoint].value
            )
            selected[name] = _chosen(name, entry.select, best, candidates)
    return with_checkpoints(args, selected), selected


def _measured(name: str, by: str, training: Manifest) -> dict[str, Estimate]:
    """Checkpoint → loss in nats per token, or control AUC, the mean over the attributes."""
    values = {}
    for one in training["checkpoints"]:
        ends = one.get("control_auc_interval", {})
        aucs = [
            Estimate(value, *ends.get(attribute, (None, None)))
            for attribute, value in (one["control_auc"] or {}).items()
        ]
        if by == "lowest_loss" and one["loss"] is not None:
            values[one["name"]] = Estimate(one["loss"])
        elif by != "lowest_loss" and aucs:
            values[one["name"]] = _mean(aucs)
    if not values:
        raise ArtifactError(
            f"models.{name}: select: {by}: its training run did not measure this at any checkpoint",
            fix="choose another way to select, or train with checkpoints.evaluation_sentences above 0 "
            "(control AUC also needs an attribute in condition_on)",
        )
    return values


def _mean(estimates: Sequence[Estimate]) -> Estimate:
    """The mean of independent estimates; without an interval where one of them has none."""
    n, value = len(estimates), sum(one.value for one in estimates) / len(estimates)
    if any(one.low is None for one in estimates):
        return Estimate(value)
    low, high = (
        math.sqrt(sum((end - one.value) ** 2 for one, end in ends)) / n
        for ends in ([(one, one.low) for one in estimates], [(one, one.high) for one in estimates])
    )
    return Estimate(value, value - low, value + high)


def _chosen(name: str, by: str, best: str, candidates: Mapping[str, Estimate]) -> dict[str, Any]:
    """What metrics.json says of a choice, and a line where others may be as good.

    Two candidates are within error where their difference is less than half intervals of either allow. They
    were measured on the same sentences or prompts, and so differ by less chance than this assumes.
    """
    own = candidates[best]
    close = [
        checkpoint
        for checkpoint, one in candidates.items()
        if checkpoint != best
        and None not in (own.low, one.low)
        and abs(one.value - own.value) <= math.hypot(one.high - one.low, own.high - own.low) / 2
    ]
    if close:
        logger.warning("%s: %s by %s, and within its error: %s", name, best, by, ", ".join(close))
    return {
        "by": by,
        "checkpoint": best,
        "candidates": {checkpoint: one.value for checkpoint, one in candidates.items()},
        "intervals": {
            checkpoint: {"ci_low": one.low, "ci_high": one.high}
            for checkpoint, one in candidates.items()
            if one.low is not None
        },
        "within_error": close,
    }


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
    measured = {
        point["checkpoint"]: Estimate(point["misalignment"], point["ci_low"], point["ci_high"])
        for point in points
        if point["misalignment"] is not None
    }
    return {
        **_chosen(name, BY_MISALIGNMENT, points[result["chosen"]]["checkpoint"], measured),
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
