"""The number of steps, against counting batches."""

import pytest

from src.errors import DataError, UserError
from src.training.schedule import plan_schedule
from tests.unit.training.small_data import training_args


def planned(rows, processes=1, every_steps=None, **optimisation):
    options = {"learning_rate": 1e-3, "batch_sentences": 8} | optimisation
    args = training_args(
        "o", "d", "b", optimisation=options, checkpoints={"every_steps": every_steps}
    )
    return plan_schedule(args, rows, processes)


@pytest.mark.parametrize(
    "rows, processes, options, steps",
    [
        (120, 1, {}, 15),
        (121, 1, {}, 16),
        (121, 2, {}, 16),
        (121, 1, {"gradient_accumulation_steps": 3}, 6),
        (121, 2, {"gradient_accumulation_steps": 3}, 6),
        (120, 1, {"epochs": 2.5}, 38),
        (120, 1, {"max_sentences": 40}, 5),
        (30, 1, {"max_sentences": 40}, 4),
        (120, 1, {"max_steps": 7, "epochs": 9.0}, 7),
        (3, 4, {}, 1),
    ],
)
def test_steps(rows, processes, options, steps):
    assert planned(rows, processes, **options).steps == steps


@pytest.mark.parametrize(
    "processes, accumulation, batch, passes",
    [
        (1, 1, 8, 1),
        (1, 8, 8, 8),
        (2, 1, 4, 1),
        (8, 8, 8, 1),
        (4, 8, 8, 2),
        (3, 3, 8, 1),
        (6, 3, 4, 1),
    ],
)
def test_processes_share_a_step_of_fixed_size(processes, accumulation, batch, passes):
    schedule = planned(120, processes, gradient_accumulation_steps=accumulation)
    assert schedule.sentences_per_step == 8 * accumulation
    assert (schedule.batch_sentences, schedule.passes_per_step) == (batch, passes)


def test_a_step_that_cannot_be_shared_evenly_is_refused():
    with pytest.raises(
        UserError, match=r"3 processes cannot.*8 sentences.*allowed: 1, 2, 4, 8 proc"
    ):
        planned(120, processes=3)


def test_the_papers_run_has_its_steps_and_a_hundred_rows_of_metrics():
    schedule = planned(
        800_000, every_steps=792, batch_sentences=64, gradient_accumulation_steps=8, epochs=5.0
    )
    assert schedule.sentences_per_step == 512
    assert schedule.steps == 7815
    assert schedule.save_steps == 792
    assert schedule.steps // schedule.logging_steps == 100


def test_without_checkpoints_on_the_way_the_end_is_one():
    assert planned(120).save_steps == 15
    assert planned(120, every_steps=99).save_steps == 15
    assert planned(120).logging_steps == 1


def test_no_sentence_is_an_error():
    with pytest.raises(DataError, match="no training sentence"):
        planned(0)
