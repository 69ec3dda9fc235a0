"""What each attribute's judge, a second scorer with edges of its own, says of the same sentences.

Imports neither torch nor transformers. The judge labelled nothing that a model was trained on, so where it
agrees with the scorer on an effect, the effect is not one of the scorer's own quirks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from src.attributes.attribute import Attribute, Attributes
from src.evaluation.continuation import Continuation
from src.statistics.intervals import share_interval
from src.statistics.prompt_sums import index_prompts


def judges_of(attributes: Attributes) -> dict[str, Attribute]:
    """The attributes that have a judge, each as its judge sees it."""
    return {name: one.by_judge() for name, one in attributes.items() if one.judge is not None}


def judge_figures(
    continuations: Sequence[Continuation],
    targets: Mapping[str, str],
    attributes: Attributes,
) -> dict[str, dict[str, Any]]:
    """Misalignment as the judges see it, and how often they disagree with the scorers.

    Args:
        continuations: of one cell, scored.
        targets: attribute → label that counts as aligned.
        attributes: of the data set.

    Returns:
        Attribute with a judge → `judge_misalignment` and `judge_disagreement`, shares of the sentences, each
        with its 95 % interval over prompts (`…_ci_low`, `…_ci_high`); null where there is no sentence.
    """
    index = index_prompts((c.training, c.prompt_id, len(c.judge_labels)) for c in continuations)
    sentences = index.count()
    figures: dict[str, dict[str, Any]] = {}
    for name in judges_of(attributes):
        pairs = [
            (mine[name], theirs[name])
            for c in continuations
            for mine, theirs in zip(c.labels, c.judge_labels, strict=True)
        ]
        figures[name] = {}
        for figure, found in (
            ("judge_misalignment", [theirs != targets[name] for _, theirs in pairs]),
            ("judge_disagreement", [mine != theirs for mine, theirs in pairs]),
        ):
            counts = index.count(found)
            interval = share_interval(counts, sentences)
            figures[name] |= {
                figure: float(counts.sum() / sentences.sum()) if len(pairs) else None,
                f"{figure}_ci_low": interval and interval.low,
                f"{figure}_ci_high": interval and interval.high,
            }
    return figures
