"""Which sentences of a step a process takes: so that any number of processes trains the same steps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from src.training.schedule import Schedule

Rows = Sequence[int] | np.ndarray


def share_of_step(rows: Rows, schedule: Schedule, rank: int, processes: int) -> list[Rows]:
    """The batches of one process.

    A step is cut into passes, a pass into one batch for each process. All processes get as many batches; of
    the incomplete step at the end of an epoch some may be empty. The libraries' own sharding would repeat
    sentences there, so that the steps would depend on the number of processes.

    Args:
        rows: sentences of the step, of all processes.
        schedule: of the run, made for as many processes.
        rank: of this process.
        processes: that share the step.
    """
    batch = schedule.batch_sentences
    starts = range(0, len(rows), batch * processes)
    return [rows[start + rank * batch : start + (rank + 1) * batch] for start in starts]
