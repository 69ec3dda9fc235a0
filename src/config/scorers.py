"""The one registry of scorers: name → where its class lives.

A new scorer is one file and one line here. The targets are text, so that reading an args file does
not import a scorer that nobody asked for. A scorer of a user's own needs no line:
`name: package.module:Class`.
"""

from __future__ import annotations

import difflib
import importlib
from typing import Any

SCORERS: dict[str, str] = {
    "detoxify": "src.attributes.detoxify_scorer:DetoxifyScorer",
    "vader": "src.attributes.vader_scorer:VaderScorer",
    "profanity_check": "src.attributes.profanity_check_scorer:ProfanityCheckScorer",
    "huggingface": "src.attributes.huggingface_scorer:HuggingFaceScorer",
}


def scorer_class(name: str) -> type[Any]:
    """The class behind a scorer's name.

    Args:
        name: a key of `SCORERS`, or `package.module:Class`.

    Raises:
        ValueError: no such scorer; the message names the nearest one.
    """
    target = SCORERS.get(name, name)
    module_name, separator, class_name = target.partition(":")
    if not separator:
        near = difflib.get_close_matches(name, SCORERS, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(
            f"unknown scorer {name!r}; allowed: {', '.join(SCORERS)}, or package.module:Class.{hint}"
        )
    try:
        found = getattr(importlib.import_module(module_name), class_name)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"scorer {name!r} cannot be imported: {error}") from error
    if not (hasattr(found, "Options") and hasattr(found, "score")):
        raise ValueError(
            f"scorer {name!r} is not a scorer: a subclass of `Scorer` with `Options` (a pydantic model), "
            "`_load`, `_score` and `_weights` is needed (see src/attributes/scorer.py)"
        )
    return found


def registered_name(found: type[Any]) -> str:
    """The name under which args files ask for a scorer's class: files may move, names stay."""
    target = f"{found.__module__}:{found.__qualname__}"
    return next((name for name, one in SCORERS.items() if one == target), target)
