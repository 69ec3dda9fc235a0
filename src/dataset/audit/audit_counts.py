"""What an audit counts over all sentences, by source and altogether: ties, margins, shares of labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from src.attributes.attribute import Attribute, Attributes
from src.attributes.scorer import cached_scorer
from src.dataset.labelling import LabelledBatch
from src.dataset.statistics import HISTOGRAM_BINS, ScoreRange
from src.dataset.tally import MAX_SOURCES, OTHER_SOURCES


@dataclass
class _Counts:
    """Of one attribute in one source.

    Attributes:
        on_an_edge: sentences whose score is an edge.
        neutral: sentences with the score that the scorer gives where it finds nothing.
        within_margin: sentences nearer to an edge than exclude_within.
        labels: per label, sentences that no margin of any attribute leaves out.
        histogram: sentences in each bin of the attribute's histogram.
    """

    sentences: int = 0
    score_total: float = 0.0
    on_an_edge: int = 0
    neutral: int = 0
    within_margin: int = 0
    labels: dict[str, int] = field(default_factory=dict)
    histogram: np.ndarray = field(default_factory=lambda: np.zeros(HISTOGRAM_BINS, dtype=np.int64))

    def add(self, other: _Counts) -> None:
        for name in ("sentences", "score_total", "on_an_edge", "neutral", "within_margin"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.histogram = self.histogram + other.histogram
        for label, n in other.labels.items():
            self.labels[label] = self.labels.get(label, 0) + n

    def to_json(self, has_neutral: bool) -> dict[str, Any]:
        labelled = sum(self.labels.values())
        return {
            "sentences": self.sentences,
            "mean_score": self.score_total / self.sentences if self.sentences else None,
            "on_an_edge": _share(self.on_an_edge, self.sentences),
            "at_the_neutral_score": _share(self.neutral, self.sentences) if has_neutral else None,
            "within_margin": _share(self.within_margin, self.sentences),
            "labels": {label: _share(n, labelled) for label, n in self.labels.items()},
            "histogram": self.histogram.tolist(),
        }


class AuditCounts:
    """Counts over batches that are the same for any number of tasks."""

    def __init__(self, attributes: Attributes, ranges: Mapping[str, ScoreRange]) -> None:
        self._attributes = attributes
        self._bin_edges = {
            name: np.histogram_bin_edges([], HISTOGRAM_BINS, (known.low, known.high))
            for name, known in ranges.items()
        }
        self._neutral = {
            name: cached_scorer(one.scorer).neutral_score for name, one in attributes.items()
        }
        self._by_source: dict[str, dict[str, _Counts]] = {}
        self.sentences = self.outside_all_margins = 0

    def add(self, batch: LabelledBatch) -> None:
        """Count a batch with the column `source`."""
        self.sentences += len(batch)
        self.outside_all_margins += int((~batch.near_edge).sum())
        names, place = np.unique(batch.table["source"].to_pylist(), return_inverse=True)
        for attribute in self._attributes.values():
            found = self._counted(attribute, batch, place, len(names))
            for name, counts in zip(names.tolist(), found, strict=True):
                known = name in self._by_source or len(self._by_source) < MAX_SOURCES
                of_source = self._by_source.setdefault(name if known else OTHER_SOURCES, {})
                of_source.setdefault(attribute.name, _Counts()).add(counts)

    def _counted(
        self, one: Attribute, batch: LabelledBatch, place: np.ndarray, n_sources: int
    ) -> list[_Counts]:
        """Per source; `place` is the number of each sentence's source."""
        scores, neutral = batch.scores[one.name], self._neutral[one.name]
        distance = np.abs(scores[:, None] - np.array(one.edges)[None, :]).min(axis=1)
        labels = np.array(batch.labels[one.name])

        def count(these: np.ndarray) -> list[int]:
            return np.bincount(place[these], minlength=n_sources).tolist()

        by_label = {label: count(~batch.near_edge & (labels == label)) for label in one.labels}
        at_neutral = np.zeros(len(scores), dtype=bool) if neutral is None else scores == neutral
        columns = zip(
            np.bincount(place, minlength=n_sources).tolist(),
            np.bincount(place, scores, minlength=n_sources).tolist(),
            count(distance == 0),
            count(at_neutral),
            count(distance < one.exclude_within),
            strict=True,
        )
        bins = np.searchsorted(self._bin_edges[one.name], scores, side="right") - 1
        bins = np.clip(bins, 0, HISTOGRAM_BINS - 1)  # the highest score closes the last bin
        size = n_sources * HISTOGRAM_BINS
        histograms = np.bincount(place * HISTOGRAM_BINS + bins, minlength=size)
        histograms = histograms.reshape(n_sources, HISTOGRAM_BINS)
        return [
            _Counts(*row, {label: n[i] for label, n in by_label.items()}, histograms[i])
            for i, row in enumerate(columns)
        ]

    def to_json(self, name: str) -> dict[str, Any]:
        """All about one attribute: its edges, and the counts of all sources and of each."""
        one, has_neutral = self._attributes[name], self._neutral[name] is not None
        return {
            "edges": list(one.edges),
            "exclude_within": one.exclude_within,
            "neutral_score": self._neutral[name],
            "bin_edges": self._bin_edges[name].tolist(),
            **_sum(counts[name] for counts in self._by_source.values()).to_json(has_neutral),
            "by_source": {
                source: counts[name].to_json(has_neutral)
                for source, counts in sorted(self._by_source.items())
            },
        }


def _sum(counts: Iterable[_Counts]) -> _Counts:
    total = _Counts()
    for one in counts:
        total.add(one)
    return total


def _share(n: int, total: int) -> dict[str, Any]:
    return {"sentences": n, "share": n / total if total else 0.0}
