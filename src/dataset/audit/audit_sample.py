"""The sentences that an audit looks at one by one: as many as fit a fixed size, chosen by keyed hashes.

Whatever is asked of them, memory does not grow with the data set, and the choice is the same for any
number of tasks.
"""

from __future__ import annotations

import heapq
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from src.attributes.attribute import Attribute, Attributes
from src.dataset.labelling import LabelledBatch
from src.dataset.scored_shards import HUMAN
from src.runtime.randomness import keyed_hash


@dataclass(frozen=True, slots=True)
class Sampled:
    """A labelled sentence.

    Attributes:
        scores: attribute → score.
        labels: attribute → label.
        used: no score is too near an edge: the sentence is one of the data set.
        human: attribute → people's rating of exactly this text, where there is one.
    """

    id: str
    document_id: str
    source: str
    text: str
    scores: Mapping[str, float]
    labels: Mapping[str, str]
    used: bool
    human: Mapping[str, float]


class Smallest:
    """The `size` items with the smallest keys of a stream."""

    def __init__(self, size: int) -> None:
        self._size = size
        # Largest key first: keys are negated.
        self._heap: list[tuple[tuple[float, ...], str, Sampled]] = []

    def takes(self, *key: float) -> bool:
        """Whether an item with this key would be among them now."""
        if len(self._heap) < self._size:
            return True
        return bool(self._size) and _negated(key) > self._heap[0][0]

    def limit(self) -> float:
        """No key that begins with more than this is taken any longer."""
        if len(self._heap) < self._size:
            return math.inf
        return -self._heap[0][0][0] if self._heap else -math.inf

    def add(self, item: Sampled, *key: float) -> None:
        """Take an item in; one with a larger key goes out where there are too many."""
        entry = (_negated(key), item.id, item)
        if len(self._heap) < self._size:
            heapq.heappush(self._heap, entry)
        elif self._size:
            heapq.heappushpop(self._heap, entry)

    def items(self) -> list[Sampled]:
        """What was taken, smallest key first."""
        return [item for _, _, item in sorted(self._heap, key=lambda e: e[:2], reverse=True)]


def _negated(key: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(-part for part in key)


class AuditSamples:
    """Random sentences, random rated sentences, and those nearest to every edge.

    Attributes:
        any_kept: a random sample of all kept sentences.
        rated: per attribute, a random sample of those that a person rated.
        n_rated: per attribute, how many there are.
        nearest: (attribute, edge's number, side: 0 lower or 1 upper label) → sentences of the data set.
    """

    def __init__(
        self, attributes: Attributes, rated: list[str], seed: int, size: int, hand_check: int
    ) -> None:
        """Args:
        attributes: with their edges.
        rated: attributes that have human ratings.
        seed: of the run.
        size: most sentences of a random sample.
        hand_check: sentences around each edge.
        """
        self._attributes, self._seed = attributes, seed
        self.any_kept = Smallest(size)
        self.rated = {name: Smallest(size) for name in rated}
        self.n_rated = dict.fromkeys(rated, 0)
        self._of_batch: dict[int, Sampled] = {}
        self._labels: dict[tuple[str, ...], dict[str, str]] = {}
        halves = (hand_check // 2, hand_check - hand_check // 2)
        self.nearest = {
            (name, edge, side): Smallest(halves[side])
            for name, one in attributes.items()
            for edge in range(len(one.edges))
            for side in (0, 1)
        }

    def add(self, batch: LabelledBatch) -> None:
        """Offer a batch with the columns `id`, `document_id`, `source`, `text` and, if rated, `human`."""
        self._of_batch = {}
        ids = batch.table["id"].to_pylist()
        hashes = [keyed_hash(self._seed, "audit", one) for one in ids]
        for i, hashed in enumerate(hashes):
            if self.any_kept.takes(hashed):
                self.any_kept.add(self._sampled(batch, i), hashed)
        if self.rated:
            self._add_rated(batch, hashes)
        for one in self._attributes.values():
            self._add_nearest(batch, hashes, one)

    def _add_rated(self, batch: LabelledBatch, hashes: list[int]) -> None:
        for i, human in enumerate(batch.table[HUMAN].to_pylist()):
            for name, sample in self.rated.items():
                if human is None or human[name] is None:
                    continue
                self.n_rated[name] += 1
                if sample.takes(hashes[i]):
                    sample.add(self._sampled(batch, i), hashes[i])

    def _add_nearest(self, batch: LabelledBatch, hashes: list[int], one: Attribute) -> None:
        scores, labels = batch.scores[one.name], np.array(batch.labels[one.name])
        for number, edge in enumerate(one.edges):
            for side in (0, 1):
                nearest = self.nearest[(one.name, number, side)]
                label = one.labels[number + side]
                distance = np.abs(scores - edge)
                there = ~batch.near_edge & (labels == label) & (distance <= nearest.limit())
                for i in np.flatnonzero(there):
                    key = float(distance[i]), hashes[i]
                    if nearest.takes(*key):
                        nearest.add(self._sampled(batch, int(i)), *key)

    def _sampled(self, batch: LabelledBatch, i: int) -> Sampled:
        """One object per sentence, whichever samples take it in."""
        if i not in self._of_batch:
            labels = batch.combination_at(i)
            self._of_batch[i] = _sampled(
                batch,
                i,
                self._labels.setdefault(labels, dict(zip(batch.labels, labels, strict=True))),
            )
        return self._of_batch[i]


def _sampled(batch: LabelledBatch, i: int, labels: Mapping[str, str]) -> Sampled:
    def value(column: str) -> Any:
        return batch.table[column][i].as_py()

    human = value(HUMAN) if HUMAN in batch.table.column_names else None
    return Sampled(
        id=value("id"),
        document_id=value("document_id"),
        source=sys.intern(value("source")),
        text=value("text"),
        scores={name: float(scores[i]) for name, scores in batch.scores.items()},
        labels=labels,
        used=not batch.near_edge[i],
        human={name: rating for name, rating in (human or {}).items() if rating is not None},
    )
