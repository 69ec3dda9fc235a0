"""Rough scores near an edge are computed again: the labels are the exact scorer's."""

import numpy as np
import pytest

from src.attributes.near_edge import settle_near


def rounded(n=4000, bias=0.0, noise=0.002, seed=0):
    """(rough, exact) scores of n texts, with the texts naming their rows."""
    generator = np.random.default_rng(seed)
    exact = generator.normal(0.5, 0.1, n)
    rough = exact + bias + generator.normal(0.0, noise, n)
    return rough, exact, [str(i) for i in range(n)]


@pytest.mark.parametrize("bias", [0.0, 0.004, -0.004])
def test_labels_are_those_of_the_exact_scores_for_a_part_of_the_work(bias):
    rough, exact, texts = rounded(bias=bias)
    asked = []

    def exactly(some):
        asked.extend(some)
        return exact[[int(text) for text in some]]

    edges = (0.5, 0.6)
    settled = settle_near(rough, edges, texts, exactly)
    assert sum(((rough > edge) != (exact > edge)).sum() for edge in edges) > 20
    flips = sum(((settled > edge) != (exact > edge)).sum() for edge in edges)
    assert flips <= 0.001 * len(texts)
    assert len(set(asked)) == len(asked) < 0.25 * len(texts)
    rows = [int(text) for text in asked]
    assert np.array_equal(settled[rows], exact[rows])
    others = np.setdiff1d(np.arange(len(texts)), rows)
    assert np.array_equal(settled[others], rough[others])


@pytest.mark.parametrize("n", [1, 2, 15, 16, 17])
def test_few_texts_are_all_computed_exactly(n):
    rough, exact, texts = rounded(n)
    settled = settle_near(rough, [0.5], texts, lambda some: exact[[int(text) for text in some]])
    rows = np.argsort(np.abs(rough - 0.5), kind="stable")[:16]
    assert np.array_equal(settled[rows], exact[rows])
