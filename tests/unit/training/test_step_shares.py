"""Any number of processes trains the same steps."""

import pytest

from src.training.schedule import plan_schedule
from src.training.step_shares import NOBODY, StepShares
from tests.unit.training.small_data import training_args


class Order(list):
    """An order of sentences with a length, as the real one."""


def steps_of(rows, processes, batch=4, accumulation=6):
    """Per step and process, the numbers of the sentences that it takes."""
    optimisation = {
        "learning_rate": 1e-3, "batch_sentences": batch, "gradient_accumulation_steps": accumulation,
    }  # fmt: skip
    args = training_args("o", "d", "b", optimisation=optimisation)
    schedule = plan_schedule(args, rows, processes)
    made = []
    for rank in range(processes):
        shares = StepShares(Order(range(rows)), schedule, rank, processes)
        batches = list(shares)
        assert len(batches) == len(shares)
        assert all(len(one) <= batch for one in batches)
        size = schedule.passes_per_step
        made.append([batches[i : i + size] for i in range(0, len(batches), size)])
    return [list(step) for step in zip(*made, strict=True)]


@pytest.mark.parametrize("rows", [24, 48, 61, 71, 72, 3, 1])
@pytest.mark.parametrize("processes", [1, 2, 3, 4, 6, 8, 12])
def test_every_step_has_the_sentences_of_one_process_each_once(rows, processes):
    alone = steps_of(rows, 1)
    shared = steps_of(rows, processes)
    assert len(shared) == len(alone)
    for step, expected in zip(shared, alone, strict=True):
        taken = [i for own in step for batch in own for i in batch if i != NOBODY]
        assert sorted(taken) == sorted(i for own in expected for batch in own for i in batch)
        passes = {len(own) for own in step}
        assert len(passes) == 1, "a process that is done would leave the others waiting"


def test_neighbours_of_similar_length_are_computed_at_the_same_time():
    first = steps_of(48, 2, batch=4, accumulation=4)[0]
    assert first == [
        [[0, 1, 2, 3], [8, 9, 10, 11]],
        [[4, 5, 6, 7], [12, 13, 14, 15]],
    ]


def test_one_process_takes_batch_after_batch():
    assert [own for step in steps_of(10, 1, batch=4, accumulation=1) for own in step] == [
        [[0, 1, 2, 3]], [[4, 5, 6, 7]], [[8, 9]],
    ]  # fmt: skip
