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

from src.attributes.attribute import Attributes
from src.config.evaluation import (
    ALL_CONDITIONS,
    CHOSEN,
    DecodingArgs,
    EvaluationArgs,
    ModelEntry,
)
from src.evaluation.metrics.cell_metrics import JOINT
from src.evaluation.metrics.comparison import MISALIGNMENT, Finished, compare
from src.evaluation.plan.baselines import plain
from src.evaluation.plan.cells import has_cells
from src.runtime.randomness import keyed_hash

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

    Each candidate has a baseline that is truncated as it is (`plan.baselines.plain`). The seed is another
    one: unprompted texts of the report are no repetition of those chosen on.
    """
    sweep = args.sweep
    against = args.choose.against or next(iter(args.models))
    baselines = {_baseline_key(i): one for i, one in enumerate(_baselines(tried))}
    models = {
        BASELINE: args.models[against].model_copy(
            update={"conditions": ({},), "decodings": tuple(baselines)}
        )
    }
    # One model per checkpoint: it is loaded once for all its candidates.
    for checkpoint in dict.fromkeys(one.checkpoint for one in tried):
        own = tuple(_key(i) for i, one in enumerate(tried) if one.checkpoint == checkpoint)
        models[checkpoint] = _asked(args, checkpoint, own)
    decodings = baselines | {_key(i): one.decoding for i, one in enumerate(tried)}
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


def _baseline_key(i: int) -> str:
    return f"{BASELINE}-{i:03d}"


def _baselines(tried: Sequence[Candidate]) -> list[DecodingArgs]:
    """The plain decodings that the candidates are compared with, each once."""
    found: list[DecodingArgs] = []
    for one in tried:
        if plain(one.decoding) not in found:
            found.append(plain(one.decoding))
    return found


def _asked(args: EvaluationArgs, checkpoint: str, decodings: tuple[str, ...]) -> ModelEntry:
    """The swept model at a checkpoint, asked for the swept condition."""
    return args.models[args.sweep.model].model_copy(
        update={
            "checkpoint": checkpoint,
            "select": None,
            "conditions": (args.sweep.condition,),
            "decodings": decodings,
        }
    )


def sweep_result(
    args: EvaluationArgs,
    tried: Sequence[Candidate],
    rows: Sequence[Row],
    finished: Finished,
    attributes: Attributes,
) -> dict[str, Any]:
    """What the candidates showed, the Pareto front, and the choice.

    Args:
        args: with a sweep.
        tried: the candidates.
        rows: of the evaluation inside.
        finished: its cells.
        attributes: of the data set.

    Returns:
        JSON: `attribute` (the one asked for; `joint` where several or none are), `baselines` (one for each
        truncation), `candidates` (settings, misalignment, perplexity and distinct_2 with their intervals, the
        place of their `baseline` and their ratios to it with intervals, mean_words, `on_front`,
        `within_limits`), and `chosen`, the index of one of them; null where none keeps to the limits.
    """
    one_asked = len(args.sweep.condition) == 1
    attribute = next(iter(args.sweep.condition)) if one_asked else _whole(attributes)
    measured = {row["decoding"]: row for row in rows if row["attribute"] == attribute}
    cells = {cell.decoding: (cell, written) for cell, written in finished}
    baselines = _baselines(tried)
    found = []
    for i, one in enumerate(tried):
        baseline = baselines.index(plain(one.decoding))
        entries = compare(cells[_key(i)], cells[_baseline_key(baseline)], attributes, args.seed)
        ratios = next(
            e for e in entries if (e["attribute"], e["measure"]) == (attribute, MISALIGNMENT)
        )
        found.append(_point(one, measured[_key(i)], baseline, ratios))
    points, best = judged(found, args)
    return {
        "model": args.sweep.model,
        "attribute": attribute,
        "condition": args.sweep.condition,
        "prompts": args.sweep.prompts.model_dump(mode="json"),
        "limits": args.choose.model_dump(mode="json"),
        "baselines": [
            {"decoding": one.model_dump(mode="json")}
            | {key: measured[_baseline_key(i)][key] for key in _FIGURES}
            for i, one in enumerate(baselines)
        ],
        "candidates": points,
        "chosen": best,
    }


def judged(
    points: Sequence[dict[str, Any]], args: EvaluationArgs
) -> tuple[list[dict[str, Any]], int | None]:
    """The candidates with `on_front` and `within_limits`, and the place of the one chosen, if any."""
    found = [
        {
            **point,
            "on_front": not any(_dominates(other, point) for other in points),
            "within_limits": _within_limits(point, args),
        }
        for point in points
    ]
    allowed = [i for i, point in enumerate(found) if point["within_limits"]]
    best = min(
        allowed, key=lambda i: (found[i]["misalignment"], found[i]["perplexity"], i), default=None
    )
    return found, best


_FIGURES = (
    *("misalignment", "ci_low", "ci_high"),
    *("perplexity", "perplexity_ci_low", "perplexity_ci_high"),
    *("distinct_2", "distinct_2_ci_low", "distinct_2_ci_high"),
    *("mean_words", "n_prompts", "n_empty"),
)
_RATIOS = ("ratio", "perplexity_ratio", "distinct_2_ratio")


def _whole(attributes: Attributes) -> str:
    return JOINT if len(attributes) > 1 else next(iter(attributes))


def _point(one: Candidate, row: Row, baseline: int, ratios: Row) -> dict[str, Any]:
    with_ends = [f"{key}{end}" for key in _RATIOS for end in ("", "_ci_low", "_ci_high")]
    return {
        "name": one.name,
        "checkpoint": one.checkpoint,
        "decoding": one.decoding.model_dump(mode="json"),
        **{key: row[key] for key in _FIGURES},
        "baseline": baseline,
        **{key: ratios[key] for key in with_ends},
    }


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
    sweep = args.sweep
    if result["chosen"] is None:
        return _without_sweep(args)
    point = result["candidates"][result["chosen"]]
    chosen = _asked(args, point["checkpoint"], (CHOSEN,))
    args = _without_sweep(args)
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
