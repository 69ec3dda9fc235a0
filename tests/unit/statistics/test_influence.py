import numpy as np
import pytest

from src.statistics.influence import effective_number, influence_on_mean, influence_on_ratio
from src.statistics.spread import clustered_variance


def random_sums(trainings=1, prompts=400, seed=0):
    generator = np.random.default_rng(seed)
    n = generator.integers(1, 6, (trainings, prompts))
    return generator.binomial(n, generator.beta(1, 2, (trainings, prompts))), n


def test_the_variance_of_a_ratio_is_that_of_its_jackknife():
    a, n = random_sums()
    without = (a.sum() - a) / (n.sum() - n)
    jackknife = 399 / 400 * ((without - a.sum() / n.sum()) ** 2).sum()
    influence = influence_on_ratio(a, n)
    assert clustered_variance(influence.table[0]) == pytest.approx(jackknife)
    assert influence.table.sum() == pytest.approx(0.0, abs=1e-4)


def test_a_prompt_with_a_large_part_of_all_sentences_is_left_out_exactly():
    a, n = np.array([[30, 1, 0, 1]]), np.array([[40, 2, 2, 3]])
    share = a.sum() / n.sum()
    without = (a.sum() - a) / (n.sum() - n)
    assert influence_on_ratio(a, n).table == pytest.approx((share - without) * 3 / 4)
    assert influence_on_ratio(a, n).n_prompts == pytest.approx(47**2 / (1600 + 4 + 4 + 9))


def test_influences_of_the_mean_of_a_figure_are_those_of_its_ratio():
    """Means of equally many sentences are ratios: both ways give one variance."""
    generator = np.random.default_rng(1)
    a = generator.binomial(2, 0.4, (3, 50))
    n = np.full_like(a, 2)
    values = a.sum(axis=1) / n.sum(axis=1)
    without = (a.sum(axis=1, keepdims=True) - a) / (n.sum(axis=1, keepdims=True) - n)
    one, other = influence_on_mean(values, without), influence_on_ratio(a, n)
    for axis in (0, 1):
        first, second = (x.table.sum(axis=axis) for x in (one, other))
        assert clustered_variance(first) == pytest.approx(clustered_variance(second), rel=0.05)


def test_one_prompt_that_wrote_everything_has_no_error_to_add():
    assert influence_on_ratio(np.array([[1, 0]]), np.array([[3, 0]])).table.tolist() == [[0.0, 0.0]]


def test_equal_weights_count_each_and_one_large_one_counts_as_one():
    assert effective_number(np.array([2, 2, 2])) == pytest.approx(3)
    assert effective_number(np.array([1000, 1, 1])) == pytest.approx(1.004, abs=1e-3)
