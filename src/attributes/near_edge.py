"""Scores computed roughly, and those near an edge exactly: an exact scorer's labels for less time."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

# What is left out lies farther from an edge than this many standard errors of the rough scores. Where
# rounding errors are normal, 1 in 10,000 of the labels that they flip without this remain.
STANDARD_ERRORS = 2.5
FIRST_SHARE, FIRST_AT_LEAST = 0.02, 16


def settle_near(
    scores: np.ndarray,
    edges: Sequence[float],
    texts: Sequence[str],
    exactly: Callable[[list[str]], np.ndarray],
) -> np.ndarray:
    """Replace the scores near each edge by exact ones.

    The nearest fiftieth (at least 16) is computed exactly first. How far these scores move, on average and
    around it, says where an exact score at the edge would be found among the rough ones; then come all
    others within `STANDARD_ERRORS` of there.

    Args:
        scores: float64 [texts], computed roughly.
        edges: where one label ends and the next begins.
        texts: what is scored.
        exactly: texts → exact scores, float64 [texts].

    Returns:
        float64 [texts].
    """
    rough, settled = scores, scores.copy()
    known = np.zeros(len(scores), dtype=bool)

    def settle(rows: np.ndarray) -> None:
        rows = rows[~known[rows]]
        if rows.size:
            settled[rows] = exactly([texts[row] for row in rows])
            known[rows] = True

    for edge in edges:
        distances = np.abs(rough - edge)
        nearest = np.argsort(distances, kind="stable")
        first = nearest[: max(FIRST_AT_LEAST, round(FIRST_SHARE * len(scores)))]
        settle(first)
        errors = rough[first] - settled[first]
        reach = STANDARD_ERRORS * errors.std(ddof=min(1, len(errors) - 1))
        settle(np.flatnonzero(np.abs(rough - errors.mean() - edge) <= reach))
    return settled
