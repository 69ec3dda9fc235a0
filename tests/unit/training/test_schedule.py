"""The number of steps, against counting batches."""

import pytest

from src.errors import DataError
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
        (121, 2, {}, 8),
        (121, 2, {"gradient_accumulation_steps": 3}, 3),
        (120, 1, {"epochs": 2.5}, 38),
        (120, 1, {"max_sentences": 40}, 5),
        (30, 1, {"max_sentences": 40}, 4),
        (120, 1, {"max_steps": 7, "epochs": 9.0}, 7),
        (3, 4, {}, 1),
    ],
)
def test_steps(rows, processes, options, steps):
    assert planned(rows, processes, **options).steps == steps


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
