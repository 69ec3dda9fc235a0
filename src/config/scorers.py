"""The one registry of scorers: name → where its class lives.

A new scorer is one file and one line here. The targets are text, so that reading an args file does
not import a scorer that nobody asked for. A scorer of a user's own needs no line: `name: module:function`
for a plain function, `name: module:Class` for a subclass of `Scorer`.
"""

from __future__ import annotations

import difflib
import functools
import importlib
from typing import Any

from src.config.own_code import load_own

SCORERS: dict[str, str] = {
    "detoxify": "src.attributes.detoxify_scorer:DetoxifyScorer",
    "vader": "src.attributes.vader_scorer:VaderScorer",
    "profanity_check": "src.attributes.profanity_check_scorer:ProfanityCheckScorer",
    "huggingface": "src.attributes.huggingface_scorer:HuggingFaceScorer",
}


@functools.cache
def scorer_class(name: str) -> type[Any]:
    """The class behind a scorer's name; a function of a user's own gets one.

    Args:
        name: a key of `SCORERS`, or `module:function` or `module:Class`, whose module lies in the working
            folder or wherever else Python finds it.

    Raises:
        ValueError: no such scorer, with the nearest name; or the user's own cannot be used.
    """
    if name in SCORERS:
        module, _, class_name = SCORERS[name].partition(":")
        return getattr(importlib.import_module(module), class_name)
    if ":" not in name:
        near = difflib.get_close_matches(name, SCORERS, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(
            f"unknown scorer {name!r}; allowed: {', '.join(SCORERS)}, or module:function or "
            f"module:Class of your own.{hint}"
        )
    # By its name, as in the registry: what makes scorers needs what reads args.
    return importlib.import_module("src.attributes.function_scorer").scorer_of(name, load_own(name))


def registered_name(found: type[Any]) -> str:
    """The name under which args files ask for a scorer's class: files may move, names stay."""
    target = f"{found.__module__}:{found.__qualname__}"
    return next((name for name, one in SCORERS.items() if one == target), target)
