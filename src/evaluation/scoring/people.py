"""What people would say of generated sentences, estimated from the sentences of the corpus that they rated.

The scorer labels the training data and measures the result, so a gain by its labels is larger than what a
reader would see. This estimate gives every generated sentence the chance that people's label is not the
target, as it was among the corpus's rated sentences with the same label by the scorer (post-stratification,
Little 1993). It assumes that within a label of the scorer people judge generated sentences as they judge the
corpus's: what a model does that learned p(text | label) well; one that found what the scorer alone likes does
worse. Imports neither torch nor transformers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from src.attributes.attribute import Attribute, Attributes
from src.evaluation.continuation import Continuation
from src.evaluation.report.sources import AUDIT
from src.statistics.intervals import share_interval
from src.statistics.prompt_sums import index_prompts

LEAST_RATED = 30
"""A label that people rated fewer sentences of tells nothing: there is no estimate then."""

Stratum = tuple[str, bool]
"""A label by the scorer, and whether the score decides it (`Attribute.is_undecided`)."""


@dataclass(frozen=True)
class Ratings:
    """How people labelled the corpus's sentences of each stratum.

    Attributes:
        by_stratum: stratum → people's label → share; shares of a stratum add up to 1.
        sentences: that were rated.
    """

    by_stratum: Mapping[Stratum, Mapping[str, float]]
    sentences: int

    def chance_of_missing(self, stratum: Stratum, target: str) -> float:
        """How often people's label is not the target."""
        return 1.0 - self.by_stratum[stratum][target]


def read_ratings(dataset: Path, attributes: Attributes) -> dict[str, Ratings]:
    """The ratings in the data set's label audit, of attributes that people rated often enough.

    Args:
        dataset: folder of the data set.
        attributes: of the data set.
    """
    path = dataset / AUDIT
    audit = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    found = {
        name: ratings_of(attributes[name], one["labels_of_all"], one["labels_where_decided"])
        for name, one in audit.get("human", {}).items()
        if "labels_where_decided" in one
    }
    return {name: ratings for name, ratings in found.items() if ratings is not None}


def ratings_of(
    attribute: Attribute, every: Mapping[str, Any], decided: Mapping[str, Any]
) -> Ratings | None:
    """Shares from counts.

    Args:
        attribute: what was rated.
        every: comparison of all rated sentences with people, of `audit.json`.
        decided: the same of those whose score decides the label.

    Returns:
        None where a stratum that sentences can fall into has fewer than `LEAST_RATED` sentences.
    """
    shares = {}
    for label in attribute.labels:
        clear = decided["confusion"][label]
        unclear = {by: n - clear[by] for by, n in every["confusion"][label].items()}
        for is_clear, counts in ((True, clear), (False, unclear)):
            n = sum(counts.values())
            if n >= LEAST_RATED:
                shares[label, is_clear] = {by: count / n for by, count in counts.items()}
            elif n or is_clear:
                return None
    return Ratings(shares, every["sentences"])


def people_figures(
    continuations: Sequence[Continuation],
    targets: Mapping[str, str],
    attributes: Attributes,
    ratings: Mapping[str, Ratings],
) -> dict[str, dict[str, float | None]]:
    """Misalignment as people would find it, estimated.

    Args:
        continuations: of one cell, scored.
        targets: attribute → label that counts as aligned.
        attributes: of the data set.
        ratings: of the attributes that people rated.

    Returns:
        Rated attribute → `people_misalignment` with the 95 % interval over prompts and trainings
        (`…_ci_low`, `…_ci_high`); it takes people's judgement of each stratum as known. Null where there is
        no sentence, or one of a stratum that nobody rated.
    """
    index = index_prompts((c.training, c.prompt_id, len(c.labels)) for c in continuations)
    sentences = index.count()
    figures = {}
    for name, rated in ratings.items():
        chances = _chances(continuations, attributes[name], rated, targets[name])
        share = low = high = None
        if chances is not None and sentences.sum():
            # Wilson's interval is one of shares from 0 to 1: chances are stretched to that, ends put back.
            known = [rated.chance_of_missing(one, targets[name]) for one in rated.by_stratum]
            least, span = min(known), max(known) - min(known) or 1.0
            interval = share_interval(index.total((chances - least) / span), sentences)
            share = float(chances.mean())
            low, high = least + span * interval.low, least + span * interval.high
        figures[name] = {
            "people_misalignment": share,
            "people_misalignment_ci_low": low,
            "people_misalignment_ci_high": high,
        }
    return figures


def _chances(
    continuations: Sequence[Continuation], attribute: Attribute, rated: Ratings, target: str
) -> np.ndarray | None:
    """[sentences], the chance that people's label is not the target; None where a stratum is not rated."""
    name = attribute.name
    strata = [
        (labels[name], not attribute.is_undecided(scores[name]))
        for one in continuations
        for labels, scores in zip(one.labels, one.scores, strict=True)
    ]
    if any(stratum not in rated.by_stratum for stratum in strata):
        return None
    return np.array([rated.chance_of_missing(stratum, target) for stratum in strata])
