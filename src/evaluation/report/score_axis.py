"""The axis of an attribute's scores: which part of it is which label, and how good a label is."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np

from src.attributes.attribute import Attribute
from src.evaluation.report.scales import padded

SHADES = 8
"""Colours go from shade 0 (as far from the desired label as can be) to shade 8 (the desired one)."""

BINS = 32
"""Bars of a histogram, about; every edge lies between two bars."""

LOG_BELOW = 0.1
"""Scores above 0 whose lowest edge is below this share of the highest score get a logarithmic axis."""


@dataclass(frozen=True)
class ScoreAxis:
    """Where an attribute's scores lie.

    Attributes:
        attribute: whose scores.
        bounds: lowest score, edges, highest score: label i lies between bounds i and i + 1.
        log: whether the axis is logarithmic.
    """

    attribute: Attribute
    bounds: tuple[float, ...]
    log: bool

    def bins(self) -> np.ndarray:
        """Borders of the bars, [bars + 1]; the edges are among them."""
        ends = [math.log10(b) if self.log else b for b in self.bounds]
        whole = ends[-1] - ends[0]
        borders = [ends[0]]
        for low, high in itertools.pairwise(ends):
            n = max(1, round(BINS * (high - low) / whole))
            borders += [low + (high - low) * i / n for i in range(1, n)] + [high]
        found = np.array([10.0**b for b in borders] if self.log else borders)
        for bound in self.bounds:  # powers of logarithms are not exact; labels are
            found[np.argmin(np.abs(found - bound))] = bound
        return found


def score_axis(attribute: Attribute, scores: np.ndarray) -> ScoreAxis:
    """The axis that holds all scores and all edges.

    Args:
        attribute: whose scores.
        scores: [n], n may be 0.
    """
    values = [
        *attribute.edges,
        *(scores[[scores.argmin(), scores.argmax()]] if len(scores) else ()),
    ]
    low, high = float(min(values)), float(max(values))
    log = low > 0 and attribute.edges[0] < LOG_BELOW * high
    # An edge at the very end would leave the outermost label no room.
    if low >= attribute.edges[0]:
        low = attribute.edges[0] / 2 if log else padded(values)[0]
    if high <= attribute.edges[-1]:
        high = padded(values)[1]
    return ScoreAxis(attribute, (low, *map(float, attribute.edges), high), log)


def label_shade(attribute: Attribute, label: str) -> int:
    """How near a label is to the desired one: a shade from 0 to SHADES."""
    last = len(attribute.labels) - 1
    desired = attribute.labels.index(attribute.desired)
    distance = abs(attribute.labels.index(label) - desired) / max(desired, last - desired)
    return round(SHADES * (1 - distance))


def is_hidden(attribute: Attribute, label: str) -> bool:
    """Whether sentences of this label are blurred: those at the undesired end of the attribute."""
    return attribute.is_opposite_end(attribute.desired, label)
