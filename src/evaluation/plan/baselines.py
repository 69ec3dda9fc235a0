"""What a decoding is compared with: plain sampling, truncated as it is; drawn where the args have none.

Imports neither torch nor transformers.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from src.config.evaluation import ALL_CONDITIONS, DecodingArgs, EvaluationArgs, ModelEntry
from src.evaluation.plan.cells import has_cells

logger = logging.getLogger(__name__)

CONTRAST = ("contrast_weights", "contrast_flip", "contrast_against", "contrast_top_p")
"""Settings of a decoding that mean nothing without contrast."""


def plain(decoding: DecodingArgs) -> DecodingArgs:
    """The plain sampling that a decoding is to be compared with: without contrast, truncated alike.

    Contrast decoding draws from no more than the nucleus `contrast_top_p` of the condition's own
    distribution, so plain sampling from a wider one would be compared with a narrower. That nucleus is cut
    before the temperature divides the sum of all contrasts, which is far steeper than plain logits: plain
    sampling at a temperature above 1 (the demo's M-B at 1.5: perplexity 1,187 for 44) would flatter it.
    """
    changes = {name: getattr(DecodingArgs(), name) for name in CONTRAST}
    if decoding.contrast_weights:
        changes["top_p"] = min(decoding.top_p, decoding.contrast_top_p)
        changes["temperature"] = min(decoding.temperature, 1.0)
    return decoding.model_copy(update=changes)


def with_baselines(args: EvaluationArgs) -> EvaluationArgs:
    """The args with the plain decodings that comparisons need and that they do not have.

    Every decoding that a model uses is compared with the first model's plain text, and contrast decoding also
    with its own model's: where none is truncated in the same way, one is added to either.

    Args:
        args: of what is reported.
    """
    decodings = dict(args.decodings)
    before = {name: _used(entry, args) for name, entry in args.models.items()}
    used = dict(before)
    for name, needed in _needed(args, before).items():
        for one in needed:
            if not any(_is_plain(decodings[other], one) for other in used[name]):
                used[name] += (_name_of(one, decodings),)
    if used == before:
        return args
    added = [
        f"{name}, {decoding}"
        for name, own in used.items()
        for decoding in own
        if decoding not in before[name]
    ]
    logger.info("to compare with, also drawn: %s", "; ".join(added))
    models = {
        name: entry.model_copy(update={"decodings": used[name]})
        for name, entry in args.models.items()
    }
    return args.model_copy(update={"models": models, "decodings": decodings})


def _needed(
    args: EvaluationArgs, used: Mapping[str, tuple[str, ...]]
) -> dict[str, list[DecodingArgs]]:
    """The plain decodings that each model has to be drawn with, so that all can be compared."""
    first = next(iter(args.models))
    asked = args.models[first].conditions
    needed: dict[str, list[DecodingArgs]] = {name: [] for name in args.models}
    for name, own in used.items():
        for decoding in (args.decodings[one] for one in own):
            if decoding.contrast_weights:
                needed[name].append(plain(decoding))
            if asked == ALL_CONDITIONS or {} in asked:  # else nothing is compared with it
                needed[first].append(plain(decoding))
    return needed


def _used(entry: ModelEntry, args: EvaluationArgs) -> tuple[str, ...]:
    """The decodings that a model has cells with."""
    return tuple(
        name
        for name in entry.decodings or args.decodings
        if entry.conditions == ALL_CONDITIONS
        or any(has_cells(args.decodings[name], condition) for condition in entry.conditions)
    )


def _is_plain(decoding: DecodingArgs, wanted: DecodingArgs) -> bool:
    return not decoding.contrast_weights and plain(decoding) == wanted


def _name_of(wanted: DecodingArgs, decodings: dict[str, DecodingArgs]) -> str:
    """The name of a plain decoding, which is added where there is none."""
    for name, one in decodings.items():
        if _is_plain(one, wanted):
            return name
    name = f"plain top_p={wanted.top_p:g}"
    while name in decodings:
        name += "+"
    decodings[name] = wanted
    return name
