"""What a sweep chose, as an args file for the next run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from src.config.evaluation import CHOSEN, EvaluationArgs

CHOSEN_ARGS = "chosen_args.yaml"
_WIDTH = 100


def args_file(args: EvaluationArgs, result: Mapping[str, Any]) -> str:
    """The text of an args file: these args with the chosen setting, written out and without a sweep.

    Args:
        args: as reported, with the chosen setting in them (`with_chosen`).
        result: of the sweep, for the comment at the top.
    """
    values = args.model_dump(mode="json", exclude={"sweep", "choose"})
    values["output"] = f"{args.output}_{CHOSEN}"
    body = yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=_WIDTH)
    return f"# python main_evaluate.py {args.output}/{CHOSEN_ARGS}\n#\n{_why(result)}\n\n{body}"


def _why(result: Mapping[str, Any]) -> str:
    if result["chosen"] is None:
        return "# No candidate of the sweep kept to its limits; this is the evaluation without one."
    point = result["candidates"][result["chosen"]]
    return (
        f"# Chosen of {len(result['candidates'])} candidates on {point['n_prompts']} prompts that are not "
        f"reported: {point['name']}\n"
        f"# (there: misalignment, {result['attribute']}, {100 * point['misalignment']:.1f} %, "
        f"{_times(point['ratio'])} of the baseline's, perplexity "
        f"{_times(point['perplexity_ratio'])}, distinct-2 {_times(point['distinct_2_ratio'])})."
    )


def _times(ratio: float | None) -> str:
    return "not measured" if ratio is None else f"{ratio:.2f} times"
