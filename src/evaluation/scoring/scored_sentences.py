"""Continuations → sentences, scores and labels, by the data set's own code and scorers."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from src.artifacts.run_folder import differences
from src.attributes.attribute import Attributes
from src.attributes.scorer import cached_scorer
from src.errors import ArtifactError
from src.evaluation.continuation import Continuation
from src.evaluation.scoring.judge import judges_of
from src.text.cleaning import Cleaning
from src.text.splitting import sentences_of

logger = logging.getLogger(__name__)


def score_continuations(
    continuations: Sequence[Continuation], attributes: Attributes, cleaning: Cleaning
) -> list[Continuation]:
    """Split, clean, score and label what was written; the prompt takes no part.

    Args:
        continuations: as written.
        attributes: of the data set, with their scorers and edges.
        cleaning: of the data set.

    Raises:
        ScorerError: a scorer or a judge failed. A failure never becomes a score.
    """
    split = [tuple(sentences_of(c.text, cleaning)) for c in continuations]
    flat = [sentence for sentences in split for sentence in sentences]
    rows = _score(flat, attributes)
    judged = _score(flat, judges_of(attributes))
    scored, start = [], 0
    for continuation, sentences in zip(continuations, split, strict=True):
        places = slice(start, start + len(sentences))
        start += len(sentences)
        scored.append(
            replace(
                continuation,
                sentences=sentences,
                scores=rows[0][places],
                labels=rows[1][places],
                judge_scores=judged[0][places],
                judge_labels=judged[1][places],
            )
        )
    return scored


def _score(
    sentences: Sequence[str], attributes: Attributes
) -> tuple[tuple[dict[str, float], ...], tuple[dict[str, str], ...]]:
    """(scores, labels) of every sentence, each attribute → value; nothing at all without an attribute."""
    if not attributes:
        return (), ()
    scores, labels = {}, {}
    for name, attribute in attributes.items():
        values = cached_scorer(attribute.scorer).score(sentences)
        labels[name], scores[name] = attribute.labels_of(values), values.tolist()
    places = range(len(sentences))
    return (
        tuple({name: scores[name][i] for name in attributes} for i in places),
        tuple({name: labels[name][i] for name in attributes} for i in places),
    )


def check_scorers(attributes: Attributes, recorded: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """The scorers' fingerprints, which have to be those that labelled the data set.

    Args:
        attributes: of the data set.
        recorded: attribute → fingerprint in the data set's manifest; for scores that came with the data
            set's source, where they are from: there is nothing to compare, the args named the scorer.

    Raises:
        ArtifactError: a scorer here is not the one that labelled the data.
    """
    here = {name: cached_scorer(one.scorer).fingerprint() for name, one in attributes.items()}
    own = {name: one for name, one in recorded.items() if "reused_from" not in one}
    for name in recorded.keys() - own.keys():
        logger.info("the data set's %s scores came with its source; here its scorer scores", name)
    different = differences(own, {name: here[name] for name in own})
    if different:
        raise ArtifactError(
            "a scorer here is not the one that labelled the data set:\n  "
            + "\n  ".join(different)
            + "\n",
            fix="use the packages, models and files that the data set was made with, or create it again",
        )
    return here


def check_judges(attributes: Attributes, recorded: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """The judges' fingerprints, which have to be those of the data set's audit.

    Args:
        attributes: of the data set.
        recorded: attribute with a judge → fingerprint in the data set's manifest.

    Raises:
        ArtifactError: a judge here is not the one that the data set's audit asked.
    """
    here = {
        name: cached_scorer(one.scorer).fingerprint() for name, one in judges_of(attributes).items()
    }
    different = differences(dict(recorded), here)
    if different:
        raise ArtifactError(
            "a judge here is not the one of the data set's audit:\n  "
            + "\n  ".join(different)
            + "\n",
            fix="use the packages, models and files that the data set was made with, or create it again",
        )
    return here
