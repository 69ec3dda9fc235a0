import pytest

from src.evaluation.continuation import Continuation
from src.evaluation.metrics.diversity import (
    SELF_BLEU_TEXTS,
    compare_distinct,
    distinct,
    diversity,
    self_bleu,
    words_of,
)
from tests import builders


def texts(lines):
    return [(f"text-{i}", words_of(line)) for i, line in enumerate(lines)]


def test_words_are_lower_case_and_keep_their_apostrophes():
    assert words_of("Don't STOP, it’s fine!") == ["don't", "stop", "it’s", "fine"]


def test_distinct_n_by_hand():
    lines = [["a", "b", "a", "b"], ["a", "b"], []]
    assert distinct(lines, 1) == pytest.approx(2 / 6)
    assert distinct(lines, 2) == pytest.approx(2 / 4)
    assert distinct(lines, 3) == pytest.approx(2 / 2)
    assert distinct([["a"]], 2) is None


def written(lines, training=0):
    return [
        Continuation(f"{i}", 0, "", line, 3, sentences=(line,), training=training)
        for i, line in enumerate(lines)
    ]


def test_distinct_2_has_the_interval_of_leaving_each_prompt_out():
    lines = builders.sentences(60)
    found = diversity(written(lines), seed=0)
    words = [words_of(line) for line in lines]
    value = distinct(words, 2)
    without = [distinct(words[:i] + words[i + 1 :], 2) for i in range(60)]
    mean = sum(without) / 60
    half = 2.001 * (59 / 60 * sum((mean - one) ** 2 for one in without)) ** 0.5
    assert found["distinct_2"] == pytest.approx(value)
    assert found["distinct_2_ci_high"] - value == pytest.approx(half, rel=0.02)


def test_trainings_are_measured_apart_since_more_text_has_fewer_kinds():
    lines = builders.sentences(40)
    twice = diversity(written(lines) + written(lines, training=1), seed=0)
    once = diversity(written(lines), seed=0)
    for figure in ("distinct_1", "distinct_2", "self_bleu"):
        assert twice[figure] == pytest.approx(once[figure])


def test_less_variety_is_told_with_its_interval():
    varied = builders.sentences(80)
    repetitive = [varied[i % 20] for i in range(80)]
    found = compare_distinct(written(repetitive), written(varied), same_trainings=False)
    assert found["distinct_2_ratio"] < 0.7
    assert found["distinct_2_ratio_ci_low"] < found["distinct_2_ratio"]
    assert found["distinct_2_ratio"] < found["distinct_2_ratio_ci_high"] < 1
    silent = compare_distinct(written([""]), written(varied), same_trainings=False)
    assert set(silent.values()) == {None}


def test_the_same_text_again_has_a_self_bleu_of_one():
    same = self_bleu(texts(["The cat sat on the mat today."] * 5), seed=0)
    assert same == pytest.approx(1.0)


def test_texts_without_a_common_word_have_next_to_none():
    apart = self_bleu(texts(["one two three four", "five six seven eight"]), seed=0)
    assert apart == 0.0


def test_self_bleu_by_hand():
    # Unigrams 4/4, bigrams 2/3, trigrams 1/2; no 4-gram in common: smoothed to 1/2 of 1/1.
    lines = ["the old cat slept", "the old cat and the dog slept"]
    first = (1 * 2 / 3 * 1 / 2 * 1 / 2) ** 0.25 * 2.718281828459045 ** (1 - 7 / 4)
    second = (4 / 7 * 2 / 6 * 1 / 5 * 1 / (2 * 4)) ** 0.25
    assert self_bleu(texts(lines), seed=0) == pytest.approx((first + second) / 2, rel=1e-6)


def test_more_repetition_is_a_higher_self_bleu():
    varied = builders.sentences(40)
    repetitive = [varied[i % 8] for i in range(40)]
    assert self_bleu(texts(repetitive), seed=0) > self_bleu(texts(varied), seed=0) + 0.2


def test_only_so_many_texts_are_compared_whatever_their_order():
    many = texts(builders.sentences(2 * SELF_BLEU_TEXTS))
    assert self_bleu(many, seed=0) == self_bleu(list(reversed(many)), seed=0)
    assert self_bleu(many, seed=0) != self_bleu(many, seed=1)


def test_one_text_has_nothing_to_be_compared_with():
    assert self_bleu(texts(["Only this one."]), seed=0) is None
    assert self_bleu(texts(["Only this one.", "", "..."]), seed=0) is None
    assert self_bleu([], seed=0) is None
