import itertools
import math

import numpy as np
import pytest
from scipy import stats

from src.statistics.paired_tests import (
    Pair,
    difference,
    holm,
    p_values,
    sign_flip_p_values,
)


def pair(a, n_a, b, n_b):
    return Pair(*(np.array([x]) for x in (a, n_a, b, n_b)))


def random_pair(n_prompts, share_a=0.4, share_b=0.3, seed=0, most=4):
    generator = np.random.default_rng(seed)
    n_a, n_b = generator.integers(1, most + 1, (2, n_prompts))
    return pair(generator.binomial(n_a, share_a), n_a, generator.binomial(n_b, share_b), n_b)


def test_with_one_sentence_a_prompt_the_interval_is_the_paired_t_test():
    one = random_pair(60, most=1)
    found = difference(one)
    paired = stats.ttest_rel(one.a[0], one.b[0]).confidence_interval()
    assert (found.low, found.high) == (pytest.approx(paired.low), pytest.approx(paired.high))
    assert found.value == pytest.approx((one.a - one.b).mean())


def swapped(one):
    return Pair(one.b, one.n_b, one.a, one.n_a)


def test_the_difference_turns_with_the_cells():
    one = random_pair(50)
    there, back = difference(one), difference(swapped(one))
    assert there.value == -back.value
    assert there.low == pytest.approx(-back.high)
    assert there.ratio == pytest.approx(1 / back.ratio)
    assert there.ratio_low == pytest.approx(1 / back.ratio_high)
    assert there.detectable == pytest.approx(back.detectable)
    assert there.ratio_low < there.ratio < there.ratio_high


def test_pairing_takes_out_what_makes_a_prompt_hard():
    generator = np.random.default_rng(0)
    hard = generator.random(100) < 0.4
    n = np.full(100, 5)
    a, b = (generator.binomial(n, np.where(hard, 0.9, 0.1)) for _ in range(2))
    paired = difference(pair(a, n, b, n))
    unpaired = difference(pair(a, n, generator.permutation(b), n))
    assert paired.high - paired.low < 0.6 * (unpaired.high - unpaired.low)


def test_cells_that_never_differ_have_an_interval_and_no_detectable_difference():
    same = difference(pair([0] * 30, [2] * 30, [0] * 30, [2] * 30))
    assert (same.value, same.ratio, same.detectable) == (0.0, None, None)
    assert same.low < -0.05 < 0.05 < same.high
    never = difference(pair([0] * 30, [2] * 30, [1, 0] * 15, [2] * 30))
    assert (never.ratio, never.ratio_low) == (0.0, None)


def test_what_is_called_detectable_is_detected_four_times_in_five():
    base = [difference(random_pair(150, 0.3, 0.3, seed=i)).detectable for i in range(40)]
    reach = float(np.mean(base))
    found = [difference(random_pair(150, 0.3 + reach, 0.3, seed=i)) for i in range(400)]
    assert np.mean([one.low > 0 for one in found]) == pytest.approx(0.8, abs=0.06)


def exchanged(one, signs):
    keep = np.array(signs) > 0
    first = [np.where(keep, x, y) for x, y in ((one.a, one.b), (one.n_a, one.n_b))]
    second = [np.where(keep, y, x) for x, y in ((one.a, one.b), (one.n_a, one.n_b))]
    return Pair(*first, *second)


def studentised(one):
    found = difference(one)
    half = found.detectable
    return 0.0 if not half else abs(found.value) / half


def test_the_p_value_is_that_of_all_exchanges():
    """Each of 2^10 exchanges worked out by itself, with `difference` for the standard error."""
    one = pair(
        [1, 2, 0, 3, 1, 2, 2, 0, 1, 3],
        [2, 3, 1, 4, 2, 2, 3, 1, 2, 4],
        [0, 1, 0, 1, 1, 0, 2, 1, 0, 1],
        [2, 2, 3, 4, 1, 2, 4, 2, 2, 3],
    )
    seen = studentised(one)
    all_of_them = [
        studentised(exchanged(one, signs)) >= seen * (1 - 1e-9)
        for signs in itertools.product((-1, 1), repeat=10)
    ]
    exact = np.mean(all_of_them)
    drawn = sign_flip_p_values([one], seed=0, flips=20_000)[0]
    assert drawn == pytest.approx(exact, abs=0.006)
    assert 0.005 < exact < 0.2


def test_p_values_repeat_share_their_draws_and_are_never_zero():
    pairs = [random_pair(80, 0.9, 0.1), random_pair(80, 0.3, 0.3, seed=1)]
    first = sign_flip_p_values(pairs, seed=0, flips=999)
    assert first == sign_flip_p_values(pairs, seed=0, flips=999)
    assert first[1] == sign_flip_p_values(pairs[1:], seed=0, flips=999)[0]
    assert first[0] == 1 / 1000
    assert sign_flip_p_values([swapped(pairs[1])], seed=0, flips=999)[0] == first[1]
    same = pair([1, 0] * 20, [2] * 40, [1, 0] * 20, [2] * 40)
    assert sign_flip_p_values([same], seed=0, flips=99) == [1.0]


def test_exchanges_that_leave_a_cell_without_a_sentence_are_no_evidence():
    silent = pair([1, 0, 1], [1, 1, 1], [0, 0, 0], [0, 0, 1])
    assert 0 < sign_flip_p_values([silent], seed=0, flips=99)[0] <= 1


def several(share, between, n_trainings, seed):
    """Counts of trainings that differ by `between` from each other."""
    generator = np.random.default_rng(seed)
    n = np.full((n_trainings, 150), 2)
    chance = np.clip(share + between * generator.standard_normal((n_trainings, 1)), 0.01, 0.99)
    return generator.binomial(n, chance), n


def test_one_training_each_shows_what_several_do_not():
    """Recipes that are alike, whose trainings differ: 64.3 and 35.6 % of one pair, 44 and 44 of another."""
    luck = 0
    for seed in range(40):
        a, b = several(0.5, 0.1, 5, seed), several(0.5, 0.1, 5, 1000 + seed)
        p_one, p_all = p_values([Pair(a[0][:1], a[1][:1], b[0][:1], b[1][:1]), Pair(*a, *b)], 0)
        luck += p_one < 0.05
        assert p_all > 0.001
    assert luck > 12


def test_what_all_trainings_show_is_found():
    a, b = several(0.2, 0.05, 5, 1), several(0.5, 0.05, 5, 2)
    both = Pair(*a, *b)
    assert both.of_trainings
    assert p_values([both], 0)[0] < 0.001
    assert difference(both).high < -0.15
    paired = Pair(*a, *b, same_trainings=True)
    assert difference(paired).value == difference(both).value
    assert difference(paired).high < 0


def test_the_p_value_of_several_trainings_is_that_of_the_interval():
    pair_ = Pair(*several(0.3, 0.1, 4, 5), *several(0.5, 0.1, 4, 6))
    found = difference(pair_)
    assert (p_values([pair_], 0)[0] < 0.05) == (found.low > 0 or found.high < 0)
    assert not Pair(*several(0.3, 0.1, 1, 5), *several(0.5, 0.1, 4, 6)).of_trainings


def test_holm_as_published():
    # Holm 1979 by hand: 4·.005, 3·.01, 2·.03, 1·.04, made monotone.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []
    assert math.isclose(holm([0.04])[0], 0.04)
