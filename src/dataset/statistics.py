"""What a data set holds, in figures: for `stats.json`, and the same for the data set card.

All of it is summed over batches that are the same for any number of tasks, so the figures are too.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from src.attributes.attribute import Attributes
from src.dataset.labelling import Combination, LabelledBatch, combinations_of

HISTOGRAM_BINS = 50
DECILES = tuple(i / 10 for i in range(1, 10))
JOIN = " + "


@dataclass
class ScoreRange:
    """Number, extremes and mean of an attribute's scores."""

    n: int = 0
    low: float = math.inf
    high: float = -math.inf
    total: float = 0.0

    def add(self, scores: np.ndarray) -> None:
        """Count scores of shape [n]."""
        if scores.size:
            self.n += scores.size
            self.low = min(self.low, float(scores.min()))
            self.high = max(self.high, float(scores.max()))
            self.total += float(scores.sum())

    @property
    def mean(self) -> float:
        """Mean score; 0 where there is none."""
        return self.total / self.n if self.n else 0.0


class ScoreFigures:
    """Histograms, shares of labels and correlations, over batches of labelled sentences.

    Histograms, moments and scores on an edge are of all kept sentences; labels of those that are not
    too near an edge.
    """

    def __init__(self, attributes: Attributes, ranges: Mapping[str, ScoreRange]) -> None:
        self._attributes, self._ranges = attributes, ranges
        names = list(attributes)
        self.histograms = {name: np.zeros(HISTOGRAM_BINS, dtype=np.int64) for name in names}
        self.on_edge = Counter(dict.fromkeys(names, 0))
        self.combinations: Counter[Combination] = Counter()
        # [attributes, attributes]: sums of products of deviations from the means.
        self.moments = np.zeros((len(names), len(names)))

    def add(self, batch: LabelledBatch) -> None:
        """Count a batch."""
        deviations = []
        for name, scores in batch.scores.items():
            known = self._ranges[name]
            counts, _ = np.histogram(scores, HISTOGRAM_BINS, (known.low, known.high))
            self.histograms[name] += counts
            self.on_edge[name] += int(np.isin(scores, self._attributes[name].edges).sum())
            deviations.append(scores - known.mean)
        stacked = np.stack(deviations)
        # einsum, not a matrix product: BLAS may round differently for another number of threads.
        self.moments += np.einsum("in,jn->ij", stacked, stacked)
        labels = batch.combinations()
        self.combinations.update(labels[i] for i in np.flatnonzero(~batch.near_edge))

    def label_counts(self) -> dict[str, Counter[str]]:
        """Attribute → label → sentences."""
        counts = {
            name: Counter(dict.fromkeys(one.labels, 0)) for name, one in self._attributes.items()
        }
        for combination, n in self.combinations.items():
            for name, label in zip(self._attributes, combination, strict=True):
                counts[name][label] += n
        return counts

    def to_json(self, deciles: Mapping[str, Sequence[float]]) -> dict[str, Any]:
        """Everything about scores and labels.

        Args:
            deciles: attribute → its scores' nine deciles.
        """
        counts = self.label_counts()
        described = {}
        for i, (name, one) in enumerate(self._attributes.items()):
            known = self._ranges[name]
            described[name] = {
                "edges": list(one.edges),
                "labels": {
                    label: _share(n, counts[name].total()) for label, n in counts[name].items()
                },
                "scores": {
                    "n": known.n,
                    "lowest": known.low,
                    "highest": known.high,
                    "mean": known.mean,
                    "standard_deviation": math.sqrt(self.moments[i, i] / known.n),
                    "deciles": list(deciles[name]),
                    "exactly_on_an_edge": _share(self.on_edge[name], known.n),
                },
                "histogram": {
                    "bin_edges": np.histogram_bin_edges(
                        [], HISTOGRAM_BINS, (known.low, known.high)
                    ).tolist(),
                    "counts": self.histograms[name].tolist(),
                },
            }
        total = self.combinations.total()
        return {
            "attributes": described,
            "label_combinations": {
                JOIN.join(c): _share(self.combinations[c], total)
                for c in combinations_of(self._attributes)
            },
            "pairs": [
                self._pair(i, j) for i, j in itertools.combinations(range(len(self._attributes)), 2)
            ],
        }

    def _pair(self, i: int, j: int) -> dict[str, Any]:
        """How two attributes go together: their scores' linear correlation, their labels' table."""
        names = list(self._attributes)
        one, other = (self._attributes[names[k]].labels for k in (i, j))
        table = np.zeros((len(one), len(other)), dtype=np.int64)
        for combination, n in self.combinations.items():
            table[one.index(combination[i]), other.index(combination[j])] += n
        spread = math.sqrt(self.moments[i, i] * self.moments[j, j])
        return {
            "attributes": [names[i], names[j]],
            "correlation_of_scores": float(self.moments[i, j] / spread) if spread else None,
            "cramers_v_of_labels": cramers_v(table),
            "sentences": {
                label: dict(zip(other, row, strict=True))
                for label, row in zip(one, table.tolist(), strict=True)
            },
        }


def cramers_v(table: np.ndarray) -> float | None:
    """Association of two sets of labels, from 0 (none) to 1; None where one of them does not vary.

    Args:
        table: counts of shape [labels of one, labels of the other].
    """
    total = table.sum()
    expected = table.sum(1, keepdims=True) * table.sum(0, keepdims=True) / max(total, 1)
    smaller = min((table.sum(1) > 0).sum(), (table.sum(0) > 0).sum()) - 1
    if smaller < 1:
        return None
    there = expected > 0
    chi_squared = ((table - expected)[there] ** 2 / expected[there]).sum()
    return float(math.sqrt(chi_squared / (total * smaller)))


@dataclass
class SplitFigures:
    """What went into one split."""

    sentences: int = 0
    tokens: int = 0
    words: int = 0
    untagged: int = 0
    combinations: Counter[Combination] = field(default_factory=Counter)

    def add(self, n_tokens: int, n_words: int, untagged: bool, combination: Combination) -> None:
        """Count one sentence."""
        self.sentences += 1
        self.tokens += n_tokens
        self.words += n_words
        self.untagged += untagged
        self.combinations[combination] += 1

    def to_json(self) -> dict[str, Any]:
        """Tokens are those of the text and its end-of-text, without control tokens."""
        return {
            "sentences": self.sentences,
            "tokens": self.tokens,
            "words": self.words,
            "untagged": self.untagged,
            "label_combinations": {JOIN.join(c): n for c, n in sorted(self.combinations.items())},
        }


def _share(n: int, total: int) -> dict[str, Any]:
    return {"sentences": n, "share": n / total if total else 0.0}
