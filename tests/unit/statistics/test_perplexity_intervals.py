import math

import numpy as np
import pytest
from scipy import stats

from src.statistics import perplexity_intervals


def perplexity_interval(nats, tokens):
    """Of one training."""
    return perplexity_intervals.perplexity_interval(nats[None], tokens[None])


def perplexity_ratio(*sums):
    """Of one training each."""
    return perplexity_intervals.perplexity_ratio(*(one[None] for one in sums), same_trainings=False)


def texts(n_prompts, level=4.4, seed=0, hard=None):
    """Nats and tokens of texts; `hard` makes some prompts hard for every cell."""
    generator = np.random.default_rng(seed)
    tokens = generator.integers(8, 33, n_prompts)
    hard = np.zeros(n_prompts) if hard is None else hard
    return tokens * (level + hard + 0.5 * generator.standard_normal(n_prompts)), tokens


def test_with_equally_long_texts_the_interval_is_students():
    nats = np.random.default_rng(1).normal(4.0, 0.5, 30) * 10
    found = perplexity_interval(nats, np.full(30, 10))
    low, high = stats.t.interval(0.95, 29, (nats / 10).mean(), stats.sem(nats / 10))
    assert found.value == pytest.approx(math.exp((nats / 10).mean()))
    assert (found.low, found.high) == (
        pytest.approx(math.exp(low)),
        pytest.approx(math.exp(high)),
    )


def test_texts_of_one_prompt_are_one_observation():
    nats, tokens = texts(100)
    both = nats[:50] + nats[50:], tokens[:50] + tokens[50:]
    apart, together = perplexity_interval(nats, tokens), perplexity_interval(*both)
    assert together.value == pytest.approx(apart.value)
    copied = perplexity_interval(np.repeat(nats, 2), np.repeat(tokens, 2))
    clustered = perplexity_interval(2 * nats, 2 * tokens)
    assert clustered.high - clustered.low > 1.3 * (copied.high - copied.low)


def test_empty_texts_say_nothing_and_no_text_has_no_figure():
    nats, tokens = texts(40)
    silent = np.zeros(10)
    longer = np.concatenate([nats, silent]), np.concatenate([tokens, silent])
    assert perplexity_interval(*longer) == perplexity_interval(nats, tokens)
    nothing = perplexity_interval(silent, silent)
    assert (nothing.value, nothing.low, nothing.high) == (None, None, None)


def test_one_prompt_has_a_figure_and_no_interval_and_what_no_double_holds_is_none():
    one = perplexity_interval(np.array([8.0]), np.array([4]))
    assert (one.value, one.low) == (pytest.approx(math.exp(2)), None)
    huge = perplexity_interval(np.array([9e3, 8e3]), np.array([10, 10]))
    assert (huge.value, huge.low, huge.high) == (None, None, None)
    wide = perplexity_interval(np.array([10.0, 9e3]), np.array([100, 20]))
    assert wide.value is not None
    assert (wide.low, wide.high) == (None, None)
    assert perplexity_interval(np.array([0.0, 8.0]), np.array([4, 4])).low == 1.0


def test_the_ratio_turns_with_the_cells_and_pairing_takes_out_hard_prompts():
    hard = np.random.default_rng(5).normal(0, 1.5, 80)
    a, b = texts(80, 4.4, seed=1, hard=hard), texts(80, 4.2, seed=2, hard=hard)
    there, back = perplexity_ratio(*a, *b), perplexity_ratio(*b, *a)
    assert there.value == pytest.approx(1 / back.value)
    assert there.low == pytest.approx(1 / back.high)
    assert there.low < there.value < there.high
    alone_a, alone_b = perplexity_interval(*a), perplexity_interval(*b)
    assert there.value == pytest.approx(alone_a.value / alone_b.value)
    order = np.random.default_rng(0).permutation(80)
    unpaired = perplexity_ratio(*a, b[0][order], b[1][order])
    assert unpaired.value == pytest.approx(there.value)
    assert math.log(there.high / there.low) < 0.6 * math.log(unpaired.high / unpaired.low)


def test_a_cell_against_itself_has_a_ratio_of_one_and_a_silent_one_none():
    nats, tokens = texts(20)
    same = perplexity_ratio(nats, tokens, nats, tokens)
    assert (same.value, same.low, same.high) == (1.0, 1.0, 1.0)
    assert perplexity_ratio(nats, tokens, 0 * nats, 0 * tokens).value is None
    assert perplexity_ratio(nats[:1], tokens[:1], nats[:1], tokens[:1]).low is None
