"""The dials: candidates tried on prompts of their own, and the best one that keeps to the limits.

A sweep is an evaluation inside the evaluation: its candidates are cells of derived args, written, scored and
measured by the same code. The chosen candidate is then evaluated on the reported prompts, which took no part
in choosing it: the best of many on the prompts it was chosen on looks better than it is. Imports neither
torch nor transformers.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from src.config.evaluation import (
    ALL_CONDITIONS,
    CHOSEN,
    DecodingArgs,
    EvaluationArgs,
    ModelEntry,
)
from src.evaluation.metrics.cell_metrics import JOINT
from src.evaluation.plan.cells import has_cells
from src.runtime import keyed_hash

BASELINE = "baseline"
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Candidate:
    """One point of the grid.

    Attributes:
        name: what tells it from the others, such as `top_p=0.7 toxicity=1`.
        checkpoint: of the swept model.
        decoding: with the settings that are tried.
    """

    name: str
    checkpoint: str
    decoding: DecodingArgs


def candidates(args: EvaluationArgs, checkpoints: Sequence[str]) -> list[Candidate]:
    """Every combination, in the order of the args.

    Args:
        args: with a sweep.
        checkpoints: to try, by name.
    """
    sweep, base = args.sweep, args.decodings[args.sweep.decoding]
    dials: dict[str, tuple[Any, ...]] = {"checkpoint": tuple(checkpoints)}
    for key in ("top_p", "temperature", "contrast_top_p"):
        dials[key] = getattr(sweep, key) or (getattr(base, key),)
    weights = {name: (weight,) for name, weight in base.contrast_weights.items()}
    for name, tried in (weights | sweep.contrast_weights).items():
        if name in sweep.condition:  # what is not asked for cannot be flipped
            dials[f"weight of {name}"] = tried
    varied = [key for key, values in dials.items() if len(values) > 1]
    found = []
    for values in itertools.product(*dials.values()):
        point = dict(zip(dials, values, strict=True))
        settings = {key: point[key] for key in ("top_p", "temperature", "contrast_top_p")}
        settings["contrast_weights"] = {
            key.removeprefix("weight of "): value
            for key, value in point.items()
            if key.startswith("weight of ") and value
        }
        title = ", ".join(f"{key} {point[key]}" for key in varied) or str(point["checkpoint"])
        decoding = DecodingArgs(**{**base.model_dump(), **settings})
        found.append(Candidate(title, str(point["checkpoint"]), decoding))
    return found


def trial_args(args: EvaluationArgs, tried: Sequence[Candidate]) -> EvaluationArgs:
    """The args of the evaluation inside: the baseline's plain text, and every candidate.

    The seed is another one: unprompted texts of the report are no repetition of those chosen on.
    """
    sweep = args.sweep
    against = args.choose.against or next(iter(args.models))
    plain = args.decodings[sweep.decoding].model_copy(update={"contrast_weights": {}})
    models = {
        BASELINE: args.models[against].model_copy(
            update={"conditions": ({},), "decodings": (BASELINE,)}
        )
    }
    # One model per checkpoint: it is loaded once for all its candidates.
    for checkpoint in dict.fromkeys(one.checkpoint for one in tried):
        models[checkpoint] = ModelEntry(
            path=args.models[sweep.model].path,
            checkpoint=checkpoint,
            conditions=(sweep.condition,),
            decodings=tuple(_key(i) for i, c in enumerate(tried) if c.checkpoint == checkpoint),
        )
    decodings = {BASELINE: plain} | {_key(i): one.decoding for i, one in enumerate(tried)}
    return args.model_copy(
        update={
            "models": models,
            "decodings": decodings,
            "prompts": (sweep.prompts,),
            "seed": keyed_hash(args.seed, "sweep", "seed") % 2**31,
            "sweep": None,
        }
    )


def _key(i: int) -> str:
    return f"candidate-{i:03d}"


def sweep_result(
    args: EvaluationArgs, tried: Sequence[Candidate], rows: Sequence[Row]
) -> dict[str, Any]:
    """What the candidates showed, the Pareto front, and the choice.

    Args:
        args: with a sweep.
        tried: the candidates.
        rows: of the evaluation inside.

    Returns:
        JSON: `attribute` (the one asked for; `joint` where several or none are), `baseline`, `candidates`
        (settings, misalignment with its interval, perplexity, distinct_2, their ratios to the baseline,
        mean_words, `on_front`, `within_limits`), and `chosen`, the index of one of them; null where none
        keeps to the limits.
    """
    attribute = next(iter(args.sweep.condition)) if len(args.sweep.condition) == 1 else JOINT
    measured = {row["decoding"]: row for row in rows if row["attribute"] == attribute}
    baseline = measured[BASELINE]
    found = [_point(one, measured[_key(i)], baseline) for i, one in enumerate(tried)]
    for point in found:
        point["on_front"] = not any(_dominates(other, point) for other in found)
        point["within_limits"] = _within_limits(point, args)
    allowed = [i for i, point in enumerate(found) if point["within_limits"]]
    best = min(
        allowed, key=lambda i: (found[i]["misalignment"], found[i]["perplexity"], i), default=None
    )
    return {
        "model": args.sweep.model,
        "attribute": attribute,
        "condition": args.sweep.condition,
        "prompts": args.sweep.prompts.model_dump(mode="json"),
        "limits": args.choose.model_dump(mode="json"),
        "baseline": {key: baseline[key] for key in _FIGURES},
        "candidates": found,
        "chosen": best,
    }


_FIGURES = (
    *("misalignment", "ci_low", "ci_high", "perplexity", "distinct_2"),
    *("mean_words", "n_prompts", "n_empty"),
)


def _point(one: Candidate, row: Row, baseline: Row) -> dict[str, Any]:
    return {
        "name": one.name,
        "checkpoint": one.checkpoint,
        "decoding": one.decoding.model_dump(mode="json"),
        **{key: row[key] for key in _FIGURES},
        "misalignment_ratio": _ratio(row["misalignment"], baseline["misalignment"]),
        "perplexity_ratio": _ratio(row["perplexity"], baseline["perplexity"]),
        "distinct_2_ratio": _ratio(row["distinct_2"], baseline["distinct_2"]),
    }


def _ratio(value: float | None, to: float | None) -> float | None:
    return value / to if value is not None and to else None


def _dominates(one: Row, other: Row) -> bool:
    """Pareto: no worse in misalignment, perplexity and diversity, and better in one of them.

    A candidate that wrote nothing to measure is dominated by everything that did.
    """

    def costs(point: Row) -> tuple[float, ...]:
        worst = float("inf")
        return (
            worst if point["misalignment"] is None else point["misalignment"],
            worst if point["perplexity"] is None else point["perplexity"],
            worst if point["distinct_2"] is None else -point["distinct_2"],
        )

    ours, theirs = costs(one), costs(other)
    return ours != theirs and all(a <= b for a, b in zip(ours, theirs, strict=True))


def _within_limits(point: Row, args: EvaluationArgs) -> bool:
    most, least = args.choose.perplexity_ratio_at_most, args.choose.distinct_2_ratio_at_least
    if point["misalignment"] is None or point["perplexity"] is None:
        return False
    fluent = most is None or (
        point["perplexity_ratio"] is not None and point["perplexity_ratio"] <= most
    )
    diverse = least is None or (
        point["distinct_2_ratio"] is not None and point["distinct_2_ratio"] >= least
    )
    return fluent and diverse


def with_chosen(args: EvaluationArgs, result: Mapping[str, Any]) -> EvaluationArgs:
    """The args with the chosen candidate among what is reported, and no sweep.

    The swept model is asked for the swept condition with the decoding `chosen`; where another checkpoint
    was chosen, that is a model of its own. Without a choice nothing is added.
    """
    args, sweep = _without_sweep(args), args.sweep
    if result["chosen"] is None:
        return args
    point = result["candidates"][result["chosen"]]
    entry = args.models[sweep.model]
    chosen = ModelEntry(
        path=entry.path,
        checkpoint=point["checkpoint"],
        conditions=(sweep.condition,),
        decodings=(CHOSEN,),
    )
    # A model without a list of decodings uses all of them; it shall not use the new one as well.
    models = {
        name: one
        if one.decodings is not None
        else one.model_copy(update={"decodings": tuple(args.decodings)})
        for name, one in args.models.items()
    }
    decodings = {**args.decodings, CHOSEN: DecodingArgs(**point["decoding"])}
    models[f"{sweep.model} {CHOSEN}"] = chosen
    return args.model_copy(update={"models": models, "decodings": decodings})


def _without_sweep(args: EvaluationArgs) -> EvaluationArgs:
    """The args of what is reported: a decoding that is there for the sweep alone goes with it."""
    name = args.sweep.decoding
    reported = any(
        name in entry.decodings
        if entry.decodings is not None
        else entry.conditions == ALL_CONDITIONS
        or any(has_cells(args.decodings[name], condition) for condition in entry.conditions)
        for entry in args.models.values()
    )
    decodings = {n: one for n, one in args.decodings.items() if reported or n != name}
    return args.model_copy(update={"decodings": decodings, "sweep": None})
