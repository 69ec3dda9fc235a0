import numpy as np
import pytest
from scipy.special import ndtri
from sklearn.metrics import roc_auc_score

from src.statistics.auc import auc_estimate


def test_the_area_counts_pairs_and_half_of_the_ties():
    assert auc_estimate(np.array([3.0, 4.0]), np.array([1.0, 2.0])).value == 1.0
    assert auc_estimate(np.array([1.0]), np.array([1.0])).value == 0.5
    found = auc_estimate(np.array([2.0, 0.0]), np.array([1.0, 1.0, 2.0]))
    assert found.value == pytest.approx(2.5 / 6)
    a, b = np.random.default_rng(0).integers(0, 9, (2, 60)).astype(float)
    expected = roc_auc_score([1] * 60 + [0] * 60, np.concatenate([a, b]))
    assert auc_estimate(a, b).value == pytest.approx(expected)


def test_the_interval_is_delongs_but_for_students_t():
    """By hand: ten scores in each group, each one's share of pairs."""
    above, below = np.arange(10.0) + 2.5, np.arange(10.0)
    shares = [np.mean(a > below) for a in above], [np.mean(above > b) for b in below]
    value = np.mean(shares[0])
    variance = sum(np.var(one, ddof=1) / 10 for one in shares)
    found = auc_estimate(above, below)
    assert found.value == pytest.approx(value)
    width = 2 * 2.101 * np.sqrt(variance)
    assert found.high - found.low == pytest.approx(width, rel=0.15)
    assert found.low < value < found.high < 1


def test_a_hundred_sentences_leave_an_auc_of_56_percent_open():
    generator = np.random.default_rng(0)
    shift = ndtri(0.56) * np.sqrt(2)
    widths = []
    for _ in range(50):
        found = auc_estimate(generator.normal(shift, 1, 50), generator.normal(0, 1, 50))
        widths.append(found.high - found.low)
    assert np.mean(widths) == pytest.approx(0.23, abs=0.01)


def test_groups_that_are_told_apart_without_an_error_are_not_certain():
    found = auc_estimate(np.arange(20.0) + 100, np.arange(20.0))
    assert (found.value, found.high) == (1.0, 1.0)
    assert 0.8 < found.low < 0.9
    assert auc_estimate(np.array([1.0]), np.array([0.0, 0.5])).low == 0.0
