import numpy as np
import pytest

from src.evaluation.statistics import ratio_interval, resampled_sums, wilson


def interval(numerators, denominators, seed=0, resamples=400):
    numerators, denominators = np.array(numerators), np.array(denominators)
    drawn = resampled_sums(
        np.stack([numerators, denominators], axis=1).astype(float), seed, resamples
    )
    return ratio_interval(numerators, denominators, drawn[:, 0], drawn[:, 1])


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


def test_draws_take_as_many_prompts_as_there_are_and_hit_the_mean():
    values = np.stack([np.ones(50), np.arange(50.0)], axis=1)
    sums = resampled_sums(values, seed=1, resamples=3001)
    assert sums.shape == (3001, 2)
    assert set(sums[:, 0]) == {50.0}
    assert sums[:, 1].mean() == pytest.approx(np.arange(50.0).sum(), rel=0.01)


def test_the_same_seed_draws_the_same_prompts_whatever_the_columns():
    one = np.arange(30.0)[:, None]
    two = np.stack([np.ones(30), np.arange(30.0)], axis=1)
    first, second = resampled_sums(one, 7, 300), resampled_sums(two, 7, 300)
    assert np.array_equal(first[:, 0], second[:, 1])
    assert not np.array_equal(first, resampled_sums(one, 8, 300))


def test_the_interval_covers_the_truth_about_95_times_in_100():
    generator = np.random.default_rng(0)
    hits = []
    for repeat in range(300):
        # Prompts differ in how often they go wrong: sentences of one are alike.
        chance = generator.beta(1.2, 2.8, size=100)
        sentences = generator.poisson(2.0, size=100)
        found = interval(generator.binomial(sentences, chance), sentences, seed=repeat)
        hits.append(found.low <= 0.3 <= found.high)
    assert 0.91 <= np.mean(hits) <= 0.99


def test_sentences_of_one_prompt_are_not_counted_as_independent():
    spread = interval([1, 0] * 50, [1] * 100)
    clustered = interval([10, 0] * 5, [10] * 10)
    assert clustered.high - clustered.low > 2 * (spread.high - spread.low)


@pytest.mark.parametrize("wrong", [0, 1, 4])
def test_few_misaligned_prompts_take_wilsons_interval(wrong):
    found = interval([1] * wrong + [0] * (60 - wrong), [1] * 60)
    assert found.method == "wilson"
    assert (found.low, found.high) == wilson(wrong / 60, 60)
    assert found.high > 0.05


def test_few_aligned_prompts_take_wilsons_interval():
    assert interval([2] * 57 + [0] * 3, [2] * 60).method == "wilson"
    assert interval([2] * 55 + [0] * 5, [2] * 60).method == "bootstrap"


def test_prompts_without_a_sentence_widen_and_do_not_count_as_aligned():
    full = interval([1, 0] * 30, [1] * 60)
    with_empty = interval([1, 0] * 30 + [0] * 60, [1] * 60 + [0] * 60)
    assert with_empty.low < 0.5 < with_empty.high
    assert full.low == pytest.approx(with_empty.low, abs=0.05)
    assert interval([0] * 20, [0] * 20) is None
