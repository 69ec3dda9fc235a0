"""Any number of processes trains the same steps."""

import pytest

from src.training.schedule import plan_schedule
from src.training.step_shares import share_of_step
from tests.unit.training.small_data import training_args


def steps_of(rows, processes, batch=4, accumulation=6):
    """Per step and process, the numbers of the sentences that it takes."""
    optimisation = {
        "learning_rate": 1e-3, "batch_sentences": batch, "gradient_accumulation_steps": accumulation,
    }  # fmt: skip
    args = training_args("o", "d", "b", optimisation=optimisation)
    schedule = plan_schedule(args, rows, processes)
    order, size = list(range(rows)), schedule.sentences_per_step
    steps = [order[start : start + size] for start in range(0, rows, size)]
    shared = [[share_of_step(s, schedule, r, processes) for r in range(processes)] for s in steps]
    passes = [own for step in shared for own in step]
    assert max(map(len, passes)) <= schedule.passes_per_step
    assert max(len(one) for own in passes for one in own) <= schedule.batch_sentences
    return shared


@pytest.mark.parametrize("rows", [24, 48, 61, 71, 72, 3, 1])
@pytest.mark.parametrize("processes", [1, 2, 3, 4, 6, 8, 12])
def test_every_step_has_the_sentences_of_one_process_each_once(rows, processes):
    alone = steps_of(rows, 1)
    shared = steps_of(rows, processes)
    assert len(shared) == len(alone)
    for step, expected in zip(shared, alone, strict=True):
        taken = [i for own in step for batch in own for i in batch]
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
