import numpy as np
import pytest
from scipy import stats

from src.statistics.influence import Influence
from src.statistics.spread import LEAST_P, Part, Spread, spread_of, spread_of_difference


def influence(table):
    table = np.array(table, dtype=float)
    return Influence((table - table.mean()) / table.size, table.shape[1])


def test_one_training_has_the_spread_of_its_prompts():
    values = np.random.default_rng(0).normal(size=40)
    spread = spread_of(influence([values]))
    assert spread.half() == pytest.approx(stats.sem(values) * stats.t.ppf(0.975, 39))
    assert spread.p_value(0.1) == pytest.approx(
        2 * stats.t.sf(0.1 / stats.sem(values), 39), abs=1e-8
    )


def test_trainings_that_share_nothing_have_students_t_over_them():
    generator = np.random.default_rng(0)
    table = generator.normal(size=(5, 1)) + 0.01 * generator.normal(size=(5, 200))
    found = spread_of(influence(table)).half()
    assert found == pytest.approx(stats.sem(table.mean(axis=1)) * stats.t.ppf(0.975, 4), rel=0.01)


def test_what_prompts_do_to_all_trainings_is_a_part_of_its_own():
    generator = np.random.default_rng(1)
    prompts = generator.normal(size=(1, 50))
    table = prompts + 0.01 * generator.normal(size=(4, 50))
    found = spread_of(influence(table)).half()
    assert found == pytest.approx(stats.sem(prompts[0]) * stats.t.ppf(0.975, 49), rel=0.01)


def test_two_recipes_are_compared_as_by_welch():
    generator = np.random.default_rng(2)
    a, b = (generator.normal(size=(n, 1)) * s + np.zeros((n, 100)) for n, s in ((5, 1), (8, 2)))
    spread = spread_of_difference(influence(a), influence(b), same_trainings=False)
    gap = a.mean() - b.mean()
    assert spread.p_value(gap) == pytest.approx(
        stats.ttest_ind(a[:, 0], b[:, 0], equal_var=False).pvalue, abs=1e-6
    )


def test_the_same_trainings_are_compared_pair_by_pair():
    generator = np.random.default_rng(3)
    own = 10 * generator.normal(size=(5, 1))
    a, b = (own + generator.normal(size=(5, 1)) + np.zeros((5, 100)) for _ in range(2))
    spread = spread_of_difference(influence(a), influence(b), same_trainings=True)
    gap = a.mean() - b.mean()
    assert spread.p_value(gap) == pytest.approx(stats.ttest_rel(a[:, 0], b[:, 0]).pvalue, abs=1e-6)


def test_one_training_on_either_side_says_nothing_of_others():
    generator = np.random.default_rng(4)
    one, several = generator.normal(size=(1, 30)), generator.normal(size=(5, 30))
    mixed = spread_of_difference(influence(one), influence(several), same_trainings=False)
    assert mixed.parts == (mixed.least,)


def test_half_an_interval_is_never_smaller_than_that_of_these_trainings():
    least = Part(1.0, 100)
    assert Spread((Part(0.0, 2),), least).half() == pytest.approx(1.984, abs=1e-3)
    assert Spread((Part(1.0, 2),), least).half() == pytest.approx(4.303, abs=1e-3)


def test_p_values_at_their_ends():
    spread = Spread((Part(1.0, 10),), Part(0.0, 10))
    assert spread.p_value(0.0) == 1.0
    assert spread.p_value(1e9) == LEAST_P
    assert Spread((Part(0.0, 3),), Part(0.0, 3)).p_value(0.1) == LEAST_P
    assert spread.p_value(spread.half()) == pytest.approx(0.05, abs=1e-6)


def test_one_prompt_alone_has_no_spread():
    assert spread_of(Influence(np.zeros((1, 5)), 1.0)) is None
