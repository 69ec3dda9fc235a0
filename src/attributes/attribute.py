"""An attribute: one score, cut by edges into ordered labels."""

from __future__ import annotations

import bisect
import difflib
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from pydantic import ValidationError

from src.config.attributes import AttributeArgs, JudgeArgs, ScorerArgs, check_attributes
from src.config.scorers import scorer_class
from src.errors import ArtifactError, DataError, ScorerError, UserError


@dataclass(frozen=True)
class Attribute:
    """What a sentence is conditioned on, with its edges known.

    Attributes:
        name: of the attribute.
        labels: ordered from low score to high.
        edges: one fewer than labels, rising; a score <= an edge takes the lower label.
        desired: the label that counts as aligned where nothing is asked for.
        scorer: what turns a text into its score.
        exclude_within: sentences with a score nearer than this to an edge are left out of the data.
        words: per label, words that mean it.
        judge: a second scorer with its own edges, never used for labelling.
        quantiles: the shares of sentences that the edges were computed from; None if they were given.
    """

    name: str
    labels: tuple[str, ...]
    edges: tuple[float, ...]
    desired: str
    scorer: ScorerArgs
    exclude_within: float = 0.0
    words: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    judge: JudgeArgs | None = None
    quantiles: tuple[float, ...] | None = None

    def label_of(self, score: float) -> str:
        """The label whose interval a score falls in.

        Raises:
            ScorerError: the score is NaN.
        """
        if math.isnan(score):
            raise ScorerError(f"attribute {self.name}: a score is not a number", got=score)
        return self.labels[bisect.bisect_left(self.edges, score)]

    def labels_of(self, scores: np.ndarray) -> list[str]:
        """`label_of` for every score of an array of shape [n].

        Raises:
            ScorerError: a score is NaN.
        """
        scores = np.asarray(scores, dtype=np.float64)
        if np.isnan(scores).any():
            raise ScorerError(
                f"attribute {self.name}: {np.isnan(scores).sum()} of {len(scores)} scores are not "
                "numbers"
            )
        return [self.labels[i] for i in np.searchsorted(self.edges, scores, side="left")]

    def by_judge(self) -> Attribute:
        """The same labels as the judge gives them: its scorer, its edges, no judge of its own.

        Raises:
            ValueError: the attribute has no judge.
        """
        if self.judge is None:
            raise ValueError(f"attribute {self.name} has no judge")
        return replace(
            self,
            scorer=self.judge.scorer,
            edges=self.judge.edges,
            exclude_within=0.0,
            judge=None,
            quantiles=None,
        )

    def near_edge(self, score: float) -> bool:
        """Whether the score is nearer than `exclude_within` to an edge; with 0, none is."""
        return any(abs(score - edge) < self.exclude_within for edge in self.edges)

    @property
    def neutral_score(self) -> float | None:
        """What the scorer gives a text in which it finds nothing, where that says nothing for a label.

        None where the scorer has no such score, or where it lies in a label between the ends, which means it.
        """
        score = scorer_class(self.scorer.name).neutral_score
        ends = (self.labels[0], self.labels[-1])
        return score if score is not None and self.label_of(score) in ends else None

    @property
    def may_be_neither(self) -> bool:
        """Whether a sentence can be neither aligned with one end nor at the other one."""
        return len(self.labels) > 2 or self.exclude_within > 0 or self.neutral_score is not None

    def is_undecided(self, score: float) -> bool:
        """Whether a score says nothing: it is the scorer's neutral one, or training left such scores out."""
        return score == self.neutral_score or self.near_edge(score)

    def opposite(self, label: str) -> str:
        """The label at the far end from this one: with two labels, the other one.

        A label in the very middle is as far from both ends: then it is the end farther from the
        desired label, or the lowest label if that is in the middle too.
        """
        last = len(self.labels) - 1
        for middle_of in (label, self.desired):
            distance_to_low, distance_to_high = (
                self._index(middle_of),
                last - self._index(middle_of),
            )
            if distance_to_low != distance_to_high:
                return self.labels[0 if distance_to_low > distance_to_high else last]
        return self.labels[0]

    def is_opposite_end(self, asked: str, observed: str) -> bool:
        """Whether a sentence's label is at the far end from what was asked for.

        Nothing is at the far end from a label in the very middle, such as `neutral` between `neg` and `pos`.
        """
        in_the_middle = 2 * self._index(asked) == len(self.labels) - 1
        return not in_the_middle and self._index(observed) == self._index(self.opposite(asked))

    def _index(self, label: str) -> int:
        if label not in self.labels:
            raise UserError(
                f"attribute {self.name} has no such label",
                got=label,
                allowed=", ".join(self.labels),
                fix=nearest(label, self.labels),
            )
        return self.labels.index(label)


Attributes = Mapping[str, Attribute]


def attributes_from_args(
    args: Mapping[str, AttributeArgs],
    resolved_edges: Mapping[str, Sequence[float]] | None = None,
) -> dict[str, Attribute]:
    """The attributes of an args file, in its order.

    Args:
        args: attribute name → args.
        resolved_edges: attribute name → edges computed from its quantiles.

    Raises:
        DataError: an attribute has quantiles and its edges are not known, or two of them are equal.
    """
    attributes = {}
    for name, one in args.items():
        edges = one.edges
        if edges is None:
            edges = _edges_from_quantiles(name, one, (resolved_edges or {}).get(name))
        attributes[name] = Attribute(
            name=name,
            labels=one.labels,
            edges=edges,
            desired=one.desired,
            scorer=one.scorer,
            exclude_within=one.exclude_within,
            words=dict(one.words),
            judge=one.judge,
            quantiles=one.quantiles,
        )
    return attributes


def _edges_from_quantiles(
    name: str, args: AttributeArgs, resolved: Sequence[float] | None
) -> tuple[float, ...]:
    if resolved is None:
        raise DataError(
            f"attribute {name}: its edges are quantiles of the data set's scores, not known yet",
            fix="create the data set first",
        )
    edges = tuple(map(float, resolved))
    if len(edges) != len(args.labels) - 1 or any(
        not low < high for low, high in itertools.pairwise(edges)
    ):
        raise DataError(
            f"attribute {name}: the quantiles {list(args.quantiles or ())} of the scores must be "
            f"{len(args.labels) - 1} rising edges",
            got=list(edges),
            fix="set other quantiles, or edges (many sentences have the same score)",
        )
    return edges


def to_manifest(attributes: Attributes) -> dict[str, Any]:
    """The attributes as JSON values, in their order; `from_manifest` gives equal ones back."""
    return {name: _to_json(attribute) for name, attribute in attributes.items()}


def _to_json(attribute: Attribute) -> dict[str, Any]:
    return {
        "labels": list(attribute.labels),
        "edges": list(attribute.edges),
        "quantiles": None if attribute.quantiles is None else list(attribute.quantiles),
        "desired": attribute.desired,
        "exclude_within": attribute.exclude_within,
        "scorer": attribute.scorer.model_dump(mode="json"),
        "words": {label: list(words) for label, words in attribute.words.items()},
        "judge": None if attribute.judge is None else attribute.judge.model_dump(mode="json"),
    }


def from_manifest(recorded: Mapping[str, Any]) -> dict[str, Attribute]:
    """The attributes that an earlier stage recorded with `to_manifest`.

    Raises:
        ArtifactError: what is recorded is no set of attributes.
    """
    args, quantiles = {}, {}
    try:
        for name, one in recorded.items():
            shares = one.get("quantiles")
            quantiles[name] = None if shares is None else tuple(shares)
            args[name] = AttributeArgs.model_validate({**one, "quantiles": None})
        attributes = attributes_from_args(check_attributes(args))
    except (ValidationError, ValueError, TypeError, AttributeError) as error:
        said = str(error)
        if isinstance(error, ValidationError):
            said = "; ".join(one["msg"].removeprefix("Value error, ") for one in error.errors())
        raise ArtifactError(
            f"the manifest's attributes cannot be read: {said}",
            fix="correct that, or create the data set again",
        ) from error
    return {
        name: replace(attribute, quantiles=quantiles[name])
        for name, attribute in attributes.items()
    }


def check_attribute(where: str, name: str, attributes: Attributes) -> None:
    """Check that there is an attribute of that name.

    Args:
        where: what names it, for the message.
        name: of the attribute.
        attributes: those that there are.

    Raises:
        UserError: there is none; with the nearest name that there is.
    """
    if name not in attributes:
        raise UserError(
            f"{where} names an attribute that the data set does not have",
            got=name,
            allowed=", ".join(attributes) or "none",
            fix=nearest(name, attributes),
        )


def check_condition(condition: Mapping[str, str], attributes: Attributes) -> None:
    """Check that a condition asks for labels that there are; `{}` asks for nothing.

    Raises:
        UserError: an attribute or a label does not exist; with the nearest name that does.
    """
    for name, label in condition.items():
        check_attribute("a condition", name, attributes)
        if label not in attributes[name].labels:
            raise UserError(
                f"a condition asks attribute {name} for a label that it does not have",
                got=label,
                allowed=", ".join(attributes[name].labels),
                fix=nearest(label, attributes[name].labels),
            )


def nearest(got: object, allowed: Sequence[str] | Mapping[str, Any]) -> str | None:
    """`Did you mean 'pos'?`; None where nothing is near."""
    near = difflib.get_close_matches(str(got), list(allowed), n=1)
    return f"Did you mean {near[0]!r}?" if near else None


def target_labels(condition: Mapping[str, str], attributes: Attributes) -> dict[str, str]:
    """Per attribute, the label that counts as aligned: what is asked for, else the desired one.

    Raises:
        UserError: the condition asks for what does not exist.
    """
    check_condition(condition, attributes)
    return {name: condition.get(name, one.desired) for name, one in attributes.items()}
