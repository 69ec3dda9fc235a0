import numpy as np
import pytest

from src.evaluation.statistics.intervals import (
    FEW_PROMPTS,
    clustered_variance,
    resampled_counts,
    residuals,
    share_interval,
    wilson,
)


def interval(numerators, denominators):
    return share_interval(np.array(numerators), np.array(denominators))


@pytest.mark.parametrize(
    "share,n,low,high",
    # Brown, Cai and DasGupta 2001 and R's binom.confint(method="wilson").
    [(0.0, 10, 0.0, 0.2775), (0.5, 10, 0.2366, 0.7634), (1.0, 5, 0.5655, 1.0)],
)
def test_wilson_as_published(share, n, low, high):
    assert wilson(share, n) == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))
    assert wilson(share, n)[0] <= share <= wilson(share, n)[1]


@pytest.mark.parametrize("n", range(1, 60))
def test_wilson_holds_the_share_itself_at_both_ends(n):
    assert wilson(0.0, n)[0] == 0.0
    assert wilson(1.0, n)[1] == 1.0


def draws(n_prompts, seed, resamples):
    return np.concatenate(list(resampled_counts(n_prompts, seed, resamples)))


def test_draws_take_as_many_prompts_as_there_are_and_hit_the_mean():
    counts = draws(50, seed=1, resamples=3001)
    assert counts.shape == (3001, 50)
    assert set(counts.sum(axis=1)) == {50}
    assert (counts @ np.arange(50.0)).mean() == pytest.approx(np.arange(50.0).sum(), rel=0.01)


def test_the_same_seed_draws_the_same_prompts():
    assert np.array_equal(draws(30, 7, 300), draws(30, 7, 300))
    assert not np.array_equal(draws(30, 7, 300), draws(30, 8, 300))


def test_the_variance_of_a_ratio_is_that_of_its_jackknife():
    generator = np.random.default_rng(0)
    n = generator.integers(1, 6, 400)
    a = generator.binomial(n, generator.beta(1, 2, 400))
    without = (a.sum() - a) / (n.sum() - n)
    jackknife = 399 / 400 * ((without - without.mean()) ** 2).sum()
    assert clustered_variance(residuals(a, n)) == pytest.approx(jackknife, rel=0.02)
    assert residuals(a, n).sum() == pytest.approx(0.0, abs=1e-12)


def test_independent_sentences_have_wilsons_interval_but_for_students_t():
    one_each = interval([1] * 80 + [0] * 120, [1] * 200)
    low, high = wilson(0.4, 200)
    assert one_each.method == "clustered wilson"
    assert one_each.low == pytest.approx(low, abs=0.002)
    assert one_each.high == pytest.approx(high, abs=0.002)
    assert one_each.high - one_each.low > high - low


def test_sentences_of_one_prompt_are_not_counted_as_independent():
    spread = interval([1, 0] * 50, [1] * 100)
    clustered = interval([10, 0] * 5, [10] * 10)
    assert clustered.high - clustered.low > 2 * (spread.high - spread.low)


@pytest.mark.parametrize("wrong", [0, 1, FEW_PROMPTS - 1])
def test_few_misaligned_prompts_take_wilsons_interval(wrong):
    found = interval([1] * wrong + [0] * (60 - wrong), [1] * 60)
    assert found.method == "wilson"
    assert (found.low, found.high) == wilson(wrong / 60, 60)
    assert found.high > 0.05


def test_few_aligned_prompts_take_wilsons_interval():
    assert interval([2] * 57 + [0] * 3, [2] * 60).method == "wilson"
    assert interval([2] * 55 + [0] * 5, [2] * 60).method == "clustered wilson"


def test_prompts_without_a_sentence_say_nothing():
    full = interval([1, 0] * 30, [1] * 60)
    assert interval([1, 0] * 30 + [0] * 60, [1] * 60 + [0] * 60) == full
    assert interval([0] * 20, [0] * 20) is None


def test_one_prompt_alone_has_an_interval():
    assert interval([2], [5]).low < 0.4 < interval([2], [5]).high
