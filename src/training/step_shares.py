"""Which sentences of a step a process takes: so that any number of processes trains the same steps."""

from __future__ import annotations

from collections.abc import Iterator, Sized
from typing import Protocol

import numpy as np
from torch.utils.data import Sampler

from src.training.schedule import Schedule

# Stands for a sentence without targets: a process that has none left still takes part in the step.
NOBODY = -1


class Order(Sized, Protocol):
    """The sentences of an epoch, by number."""

    def __iter__(self) -> Iterator[int]: ...


class StepShares(Sampler[list[int]]):
    """The batches of one process.

    The order is cut into steps, a step into passes, a pass into one batch for each process. All processes
    get as many batches; of the incomplete step at the end of an epoch some may be empty (`NOBODY`). The
    libraries' own sharding would repeat sentences there, so that the steps would depend on the number of
    processes.
    """

    def __init__(self, order: Order, schedule: Schedule, rank: int, processes: int) -> None:
        """Prepare.

        Args:
            order: of an epoch; gone through anew for each.
            schedule: of the run, made for as many processes.
            rank: of this process.
            processes: that share a step.
        """
        self._order, self._schedule = order, schedule
        self._rank, self._per_pass = rank, schedule.batch_sentences * processes

    def __len__(self) -> int:
        steps, rest = divmod(len(self._order), self._schedule.sentences_per_step)
        return steps * self._schedule.passes_per_step + -(-rest // self._per_pass)

    def __iter__(self) -> Iterator[list[int]]:
        batch, step_size = self._schedule.batch_sentences, self._schedule.sentences_per_step
        numbers = np.fromiter(self._order, dtype=np.int64, count=len(self._order))
        for step_start in range(0, len(numbers), step_size):
            step = numbers[step_start : step_start + step_size]
            for pass_start in range(0, len(step), self._per_pass):
                start = pass_start + self._rank * batch
                yield step[start : start + batch].tolist() or [NOBODY]
