import math

import pytest

from src.evaluation.continuation import Continuation
from src.evaluation.metrics.perplexity import compare_perplexity, perplexity


def one(prompt, nats, tokens, sample=0):
    return Continuation(
        prompt, sample, "", "text", tokens, reference_nll=nats, reference_tokens=tokens
    )


def test_all_texts_of_a_prompt_are_one_cluster():
    cell = [one("a", 8.0, 2), one("a", 2.0, 2, 1), one("b", 9.0, 3), one("c", 4.0, 3)]
    merged = [one("a", 10.0, 4), one("b", 9.0, 3), one("c", 4.0, 3)]
    assert perplexity(cell) == perplexity(merged)
    assert perplexity(cell).value == pytest.approx(math.exp(23 / 10))


def test_cells_are_paired_by_their_prompts_in_any_order():
    a = [one("a", 8.0, 2), one("b", 9.0, 3), one("c", 4.0, 3)]
    b = [one("a", 7.0, 2), one("b", 8.0, 3), one("c", 5.0, 4)]
    found = compare_perplexity(a, b, same_trainings=False)
    assert found == compare_perplexity(a, list(reversed(b)), same_trainings=False)
    assert found.value == pytest.approx(math.exp(21 / 8 - 20 / 9))
    with pytest.raises(ValueError, match="different prompts"):
        compare_perplexity(a, b[:2], same_trainings=False)
