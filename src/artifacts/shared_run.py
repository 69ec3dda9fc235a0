"""A run's folder where several processes make the run."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from src.artifacts.run_folder import Run
from src.runtime.process_group import agreed
from src.runtime.processes import is_main_process


@contextlib.contextmanager
def entered_run(run: Run) -> Iterator[Run]:
    """A run's folder, which the main process of the group enters; the others learn how far it is."""
    with contextlib.ExitStack() as stack:
        if is_main_process():
            stack.enter_context(run)
        run.status = agreed(run.status)
        yield run
