"""Quantiles by radix selection are those of a sort."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.attributes.quantiles import exact_quantiles
from src.errors import DataError, ScorerError

SCORES = st.one_of(
    st.floats(allow_nan=False),
    st.sampled_from([0.0, -0.0, 0.5, -0.5, 5e-324, -5e-324, 1.0, math.nextafter(1.0, 2.0)]),
)
SHARES = st.floats(0.0, 1.0, exclude_min=True, exclude_max=True)


@given(st.lists(SCORES, min_size=1, max_size=60), st.lists(SHARES, max_size=3), st.integers(1, 7))
def test_equals_the_sorted_definition(scores: list[float], shares: list[float], size: int) -> None:
    array = np.array(scores)
    batches = [array[i : i + size] for i in range(0, len(array), size)]
    found = exact_quantiles(lambda: batches, shares)
    ordered = sorted(scores)
    expected = [ordered[max(1, math.ceil(share * len(scores))) - 1] for share in shares]
    assert found == expected


@pytest.mark.parametrize("spread", ["normal", "ties", "tiny"])
def test_equals_numpy(spread: str) -> None:
    rng = np.random.default_rng(7)
    scores = rng.normal(size=20_001)
    if spread == "ties":
        scores = np.round(scores, 1)
    elif spread == "tiny":
        scores = 1.0 + scores * 1e-15  # differ in the last bits only
    shares = [0.001, 0.25, 1 / 3, 0.5, 0.9, 0.9999]
    found = exact_quantiles(lambda: iter(np.array_split(scores, 13)), shares)
    assert found == np.quantile(scores, shares, method="inverted_cdf").tolist()


@given(st.lists(SCORES, min_size=1, max_size=40), SHARES)
def test_at_least_the_share_is_not_above_the_edge(scores: list[float], share: float) -> None:
    (edge,) = exact_quantiles(lambda: [np.array(scores)], [share])
    assert sum(score <= edge for score in scores) >= share * len(scores) * (1 - 1e-12)
    assert edge in scores


def test_neither_order_nor_batches_matter() -> None:
    scores = np.random.default_rng(3).random(999)
    whole = exact_quantiles(lambda: [scores], [0.3, 0.6])
    assert whole == exact_quantiles(
        lambda: [scores[::-1][:400], np.empty(0), scores[:599]], [0.3, 0.6]
    )


def test_what_has_no_quantile() -> None:
    with pytest.raises(DataError, match="no score"):
        exact_quantiles(lambda: [np.empty(0)], [0.5])
    with pytest.raises(ScorerError, match="not a number"):
        exact_quantiles(lambda: [np.array([1.0, math.nan])], [0.5])
