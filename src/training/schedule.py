"""How many steps a run takes: known before the Trainer is made, and equal to what it will do."""

from __future__ import annotations

import math
from dataclasses import dataclass

from src.config.training import TrainingArgs
from src.errors import DataError

_ROWS_OF_METRICS = 100


@dataclass(frozen=True)
class Schedule:
    """Sizes of a run.

    Attributes:
        sentences: of an epoch.
        sentences_per_step: of all processes and accumulated batches together.
        steps: optimiser steps.
        logging_steps: steps between rows of training metrics.
        save_steps: steps between checkpoints.
    """

    sentences: int
    sentences_per_step: int
    steps: int
    logging_steps: int
    save_steps: int


def plan_schedule(args: TrainingArgs, rows: int, processes: int) -> Schedule:
    """Count the steps.

    Args:
        args: of the run.
        rows: training sentences of the data set.
        processes: that train together.

    Raises:
        DataError: the data set has no training sentence.
    """
    if rows == 0:
        raise DataError(f"{args.dataset} has no training sentence", fix="create a larger data set")
    wanted = args.optimisation
    sentences = min(rows, wanted.max_sentences or rows)
    # Every process gets the same number of batches: the last of an epoch may repeat sentences.
    batches = math.ceil(math.ceil(sentences / wanted.batch_sentences) / processes)
    steps_per_epoch = math.ceil(batches / wanted.gradient_accumulation_steps)
    steps = wanted.max_steps or math.ceil(wanted.epochs * steps_per_epoch)
    return Schedule(
        sentences=sentences,
        sentences_per_step=wanted.batch_sentences * wanted.gradient_accumulation_steps * processes,
        steps=steps,
        logging_steps=max(1, steps // _ROWS_OF_METRICS),
        save_steps=min(args.checkpoints.every_steps or steps, steps),
    )
