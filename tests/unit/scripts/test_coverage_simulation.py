"""The statistics of the evaluation, on a small part of what the script simulates at length."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from scripts.coverage_simulation import (
    COVERAGE,
    FALSE_POSITIVES,
    Recipe,
    Regime,
    TextRegime,
    difference_coverage,
    expected_max_coverage,
    false_positives,
    family_errors,
    misses,
    pairs_of,
    percentile_coverage,
    percentile_perplexity_coverage,
    perplexity_coverage,
    share_coverage,
    trainings_coverage,
)

ROOT = Path(__file__).resolve().parents[3]
DATA_SETS = 1000


def test_the_synthetic_cells_are_what_the_regime_says():
    regime = Regime(400, 0.3, 0.5, correlation=0.4, most_sentences=5, pairing=0.7)
    first = next(pairs_of(regime, 1, np.random.default_rng(0)))
    assert set(first.n_a[0]) == {1, 2, 3, 4, 5}
    many = list(pairs_of(regime, 40, np.random.default_rng(0)))
    a, n = np.concatenate([x.a[0] for x in many]), np.concatenate([x.n_a[0] for x in many])
    b, m = np.concatenate([x.b[0] for x in many]), np.concatenate([x.n_b[0] for x in many])
    assert a.sum() / n.sum() == pytest.approx(0.3, abs=0.01)
    assert b.sum() / m.sum() == pytest.approx(0.5, abs=0.01)
    # Of clusters of five, the variance is 1 + 4 · correlation times that of independent sentences.
    fives = a[n == 5]
    assert fives.var() / (5 * 0.3 * 0.7) == pytest.approx(1 + 4 * 0.4, rel=0.08)
    assert np.corrcoef(a / n, b / m)[0, 1] > 0.3


@pytest.mark.parametrize(
    "regime",
    [
        Regime(40, 0.05, 0.05, 0.1, 3),
        Regime(40, 0.1, 0.1, 0.4, 5),
        Regime(100, 0.3, 0.3, 0.7, 3),
        Regime(200, 0.6, 0.6, 0.4, 5),
    ],
    ids=str,
)
def test_intervals_of_shares_cover_between_93_and_97_percent(regime):
    covered = share_coverage(regime, DATA_SETS, seed=0)
    assert not misses(covered, DATA_SETS), covered


@pytest.mark.parametrize(
    "regime",
    [
        Regime(40, 0.05, 0.2, 0.4, 5, pairing=0.7),
        Regime(40, 0.3, 0.3, 0.7, 3),
        Regime(100, 0.3, 0.6, 0.1, 3, pairing=0.7),
    ],
    ids=str,
)
def test_intervals_of_differences_cover_between_93_and_97_percent(regime):
    covered, of_the_ratio = difference_coverage(regime, DATA_SETS, seed=0)
    assert not misses(covered, DATA_SETS), covered
    assert 0.92 <= of_the_ratio <= 0.985, of_the_ratio


def test_the_synthetic_texts_are_what_the_regime_says():
    regime = TextRegime(20_000, 0.2, 0.3, 0.03, 3)
    generator = np.random.default_rng(0)
    nats, tokens = regime.cell(generator.standard_normal(20_000), generator)
    assert nats.sum() / tokens.sum() == pytest.approx(regime.nats_per_token, rel=0.01)
    assert tokens.min() >= 8
    assert 60 < tokens.max() <= 96


@pytest.mark.parametrize(
    "regime",
    [
        TextRegime(40, 0.1, 0.3, 0.0, 1),
        TextRegime(100, 0.2, 0.3, 0.0, 3, pairing=0.7),
        TextRegime(200, 0.2, 0.3, 0.03, 1, pairing=0.7),
    ],
    ids=str,
)
def test_intervals_of_perplexities_and_their_ratios_cover_between_93_and_97_percent(regime):
    covered, of_the_ratio = perplexity_coverage(regime, DATA_SETS, seed=0)
    assert not misses(covered, DATA_SETS), covered
    assert not misses(of_the_ratio, DATA_SETS), of_the_ratio


def test_false_positives_of_the_paired_test_stay_at_their_level():
    regime = Regime(60, 0.3, 0.3, 0.4, 3, pairing=0.7)
    wrong = false_positives(regime, 600, seed=0, flips=199)
    assert 0.03 <= wrong <= FALSE_POSITIVES + 0.02, wrong


def test_holm_keeps_the_level_of_the_family():
    regime = Regime(40, 0.3, 0.3, 0.4, 3, pairing=0.7)
    plain, corrected = family_errors(regime, 120, seed=0, flips=399)
    assert plain > 0.25
    assert corrected <= 0.08, corrected


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe(3, 40, 0.3, between=0.5, shared=1.0, alone=0.5),
        Recipe(5, 200, 0.3, between=0.15, shared=0.0, alone=0.5),
        Recipe(10, 40, 0.6, between=0.5, shared=1.0, alone=0.5),
    ],
    ids=str,
)
def test_intervals_and_tests_of_several_trainings_hold_for_the_recipe(recipe):
    covered, _, wrong = trainings_coverage(recipe, DATA_SETS // 2, seed=0)
    assert covered >= COVERAGE[0] - 0.02, covered
    assert wrong <= FALSE_POSITIVES + 0.02, wrong


def test_trainings_taken_for_one_would_not():
    recipe = Recipe(3, 200, 0.3, between=0.5, shared=0.0, alone=0.5)
    assert trainings_coverage(recipe, 200, seed=0)[1] < 0.6


def test_unequally_many_sentences_are_covered():
    regime = Regime(40, 0.3, 0.3, 0.4, 3, heavy=0.1)
    assert share_coverage(regime, DATA_SETS, seed=0) > 0.91


def test_the_expected_worst_of_a_pool_is_covered():
    for n_texts in (75, 200):
        assert 0.915 <= expected_max_coverage(n_texts, 500, seed=0) <= 0.985


def test_the_check_can_fail():
    """The percentile bootstrap, which is not used, misses where prompts are few and shares small."""
    regime = Regime(40, 0.05, 0.05, 0.1, 3)
    covered = percentile_coverage(regime, 400, seed=0, resamples=200)
    assert covered < COVERAGE[0] - 0.01
    assert misses(covered, 400)
    texts = TextRegime(40, 0.2, 0.3, 0.03, 1)
    assert misses(percentile_perplexity_coverage(texts, 400, seed=0, resamples=200), 400)


def test_the_script_prints_its_help():
    done = subprocess.run(
        [sys.executable, "scripts/coverage_simulation.py", "--help"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    assert "--data-sets" in done.stdout
