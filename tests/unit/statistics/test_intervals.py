import numpy as np
import pytest

from src.statistics.intervals import FEW_PROMPTS, share_interval, wilson


def interval(numerators, denominators):
    return share_interval(np.array([numerators]), np.array([denominators]))


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


def test_sentences_of_one_prompt_count_as_one_where_few_prompts_tell():
    """Thirty prompts, of which three hold nearly all sentences: no 30 observations."""
    uneven = interval([0] * 30, [100] * 3 + [1] * 27)
    assert uneven.method == "wilson"
    assert (uneven.low, uneven.high) == wilson(0.0, 327**2 / (3 * 100**2 + 27))


def test_several_trainings_widen_the_interval_by_what_differs_between_them():
    generator = np.random.default_rng(0)
    n = np.full((5, 200), 2)
    alike = generator.binomial(n, 0.3)
    apart = generator.binomial(n, np.array([[0.1], [0.2], [0.3], [0.4], [0.5]]))
    one, other = share_interval(alike, n), share_interval(apart, n)
    assert other.high - other.low > 4 * (one.high - one.low)
    # Five shares are five observations: near Student's t over them, but for Wilson's bend towards a half.
    shares = apart.sum(axis=1) / n.sum(axis=1)
    half = 2.776 * shares.std(ddof=1) / np.sqrt(5)
    assert other.high - other.low == pytest.approx(2 * half, rel=0.2)


def test_trainings_that_agree_by_chance_are_not_believed_beyond_their_own_error():
    n = np.full((3, 100), 1)
    same = np.zeros((3, 100), dtype=int)
    same[:, :30] = 1
    found, single = share_interval(same, n), share_interval(same[:1], n[:1])
    assert found.high - found.low == pytest.approx(single.high - single.low, rel=0.02)


def test_one_prompt_alone_has_an_interval():
    assert interval([2], [5]).low < 0.4 < interval([2], [5]).high
