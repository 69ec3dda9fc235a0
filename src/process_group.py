"""The processes of one run under `torchrun` or `accelerate launch`: who enters first, who waits for whom."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import timedelta

from src.artifacts import Run
from src.runtime import world_size

# A process that dies ends the group at once; this only bounds how long the others may wait for a slow one.
PATIENCE = timedelta(days=1)


@contextlib.contextmanager
def entered_run(run: Run, device: str) -> Iterator[Run]:
    """A run's folder while all processes of the run work in it.

    Args:
        run: with `lead` set in the leading process, which enters first; the others only look.
        device: as in the args: `auto`, `cpu`, `cuda`, `mps`.
    """
    if world_size() == 1:
        with run:
            yield run
        return
    import torch
    from accelerate import PartialState

    on_cpu = device == "cpu" or not torch.cuda.is_available()
    processes = PartialState(cpu=on_cpu, timeout=PATIENCE)
    with contextlib.ExitStack() as stack:
        with processes.main_process_first():
            stack.enter_context(run)
        try:
            yield run
            processes.wait_for_everyone()  # the lead publishes; nobody reads before it has
        finally:
            processes.destroy_process_group()


def wait_for_everyone() -> None:
    """Return when every process of the run has come here; at once where there is only one."""
    if world_size() > 1:
        from accelerate import PartialState

        PartialState().wait_for_everyone()
