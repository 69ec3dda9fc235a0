"""How many steps a run takes, and how its processes share one: known before it begins."""

from __future__ import annotations

import math
from dataclasses import dataclass

from src.config.training import TrainingArgs
from src.errors import DataError, UserError

_ROWS_OF_METRICS = 100


@dataclass(frozen=True)
class Schedule:
    """Sizes of a run.

    Attributes:
        sentences: of an epoch.
        sentences_per_step: of all processes and accumulated batches together.
        batch_sentences: of one process in one forward pass.
        passes_per_step: forward passes of one process in an optimiser step.
        steps: optimiser steps.
        logging_steps: steps between rows of training metrics.
        save_steps: steps between checkpoints.
    """

    sentences: int
    sentences_per_step: int
    batch_sentences: int
    passes_per_step: int
    steps: int
    logging_steps: int
    save_steps: int


def plan_schedule(args: TrainingArgs, rows: int, processes: int) -> Schedule:
    """Count the steps, which are the same for any number of processes.

    Args:
        args: of the run.
        rows: training sentences of the data set.
        processes: that train together.

    Raises:
        DataError: the data set has no training sentence.
        UserError: the processes cannot share a step evenly.
    """
    if rows == 0:
        raise DataError(f"{args.dataset} has no training sentence", fix="create a larger data set")
    wanted = args.optimisation
    sentences = min(rows, wanted.max_sentences or rows)
    per_step = wanted.batch_sentences * wanted.gradient_accumulation_steps
    batch = _batch_of_one(per_step, wanted.batch_sentences, processes)
    steps = wanted.max_steps
    if steps is None:
        steps = math.ceil(wanted.epochs * math.ceil(sentences / per_step))
    return Schedule(
        sentences=sentences,
        sentences_per_step=per_step,
        batch_sentences=batch,
        passes_per_step=per_step // processes // batch,
        steps=steps,
        logging_steps=max(1, steps // _ROWS_OF_METRICS),
        save_steps=min(args.checkpoints.every_steps or steps, steps),
    )


def _batch_of_one(per_step: int, largest: int, processes: int) -> int:
    """Sentences of one process in one forward pass: the most that share a step evenly."""
    share, rest = divmod(per_step, processes)
    if rest:
        fitting = [n for n in range(1, per_step + 1) if per_step % n == 0]
        raise UserError(
            f"{processes} processes cannot share a step of {per_step} sentences evenly "
            "(optimisation.batch_sentences * optimisation.gradient_accumulation_steps)",
            got=processes,
            allowed=", ".join(map(str, fitting)) + " processes",
            fix="start that many, or change one of the two",
        )
    return max(n for n in range(1, min(share, largest) + 1) if share % n == 0)
