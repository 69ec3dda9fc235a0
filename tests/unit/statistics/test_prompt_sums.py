import numpy as np
import pytest

from src.statistics.prompt_sums import index_prompts, order_as


def test_observations_are_summed_by_prompt_in_the_order_met():
    index = index_prompts([(0, "b", 2), (0, "a", 0), (0, "b", 1), (0, "c", 1)])
    assert index.prompt_ids == ("b", "a", "c")
    assert index.count().tolist() == [[3, 0, 1]]
    assert index.count([True, False, True, False]).tolist() == [[2, 0, 0]]
    assert index.total(np.array([0.5, 1.0, 2.0, 4.0])).tolist() == [[3.5, 0.0, 4.0]]


def test_trainings_are_rows_of_their_own():
    index = index_prompts([(0, "a", 1), (0, "b", 2), (2, "b", 1)])
    assert index.count().tolist() == [[1, 2], [0, 0], [0, 1]]
    assert index.total(np.array([1.0, 2.0, 4.0, 8.0])).tolist() == [[1, 6], [0, 0], [0, 8]]


def test_a_cell_without_an_observation_has_sums_of_nothing():
    assert index_prompts([(0, "a", 0)]).count([]).tolist() == [[0]]
    assert index_prompts([]).count().tolist() == [[]]


def test_cells_are_paired_by_their_prompts():
    order = order_as(("a", "b", "c"), ("c", "a", "b"))
    assert order.tolist() == [1, 2, 0]
    with pytest.raises(ValueError, match="different prompts"):
        order_as(("a", "b"), ("a", "c"))
