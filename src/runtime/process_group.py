"""The processes of one run: how they meet, agree, and end together with one clear line.

A launcher (`torchrun`, `accelerate launch`) starts them and stops all when one ends. What it cannot say is
that nothing is lost; the first of ours that knows of the end says it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from src.errors import (
    EXIT_FAILED,
    ProcessError,
    ProjectError,
    UnavailableError,
    UserError,
    first_line,
)
from src.runtime.processes import is_main_process, process_rank, world_size

if TYPE_CHECKING:
    import torch

T = TypeVar("T")
# The others wait while one measures a checkpoint or writes its last batch; a lost process is noticed by the
# launcher, not by this.
_LONGEST_WAIT = timedelta(days=1)
_GOES_ON = "run the same command to resume"
# What the launcher's own libraries say when a process of the group is gone.
_SIGNS_OF_LOSS = ("Connection closed by peer", "Connection reset by peer", "Broken pipe", "gloo")
_SECONDS_FOR_THE_CAUSE = 0.5
_SECONDS_TO_SPEAK = 2.0


def check_launcher() -> None:
    """Raise UserError where `accelerate launch` is told to share the model in a way of its own."""
    for name in ("FSDP", "DEEPSPEED", "MEGATRON_LM", "PARALLELISM_CONFIG"):
        if os.environ.get(f"ACCELERATE_USE_{name}", "false").lower() in ("1", "true", "yes"):
            raise UserError(
                f"the launcher's settings ask for {name}, which this program would not follow",
                got=f"ACCELERATE_USE_{name}",
                fix="launch without it, and set parallel.strategy: fsdp to shard the model",
            )
    precision = os.environ.get("ACCELERATE_MIXED_PRECISION", "no")
    if precision != "no":
        raise UserError(
            "the launcher's settings ask for a precision of their own",
            got=precision,
            allowed="no",
            fix="set optimisation.precision instead",
        )


@contextlib.contextmanager
def process_group(device: str) -> Iterator[None]:
    """The group of all processes of this run, where a launcher started several.

    Args:
        device: as in the args: auto, cpu, cuda, mps.

    Raises:
        ProjectError: what went wrong, in the one process that says it.
        SystemExit: something did, and another process says it.
    """
    if world_size() == 1:
        yield
        return
    import torch
    from accelerate import PartialState

    cpu = device == "cpu" or not torch.cuda.is_available()
    try:
        group = PartialState(cpu=cpu, timeout=_LONGEST_WAIT)
    except Exception as error:
        # Not narrower: what torch and accelerate raise here has no common base. Whatever it was, it is said.
        raise UnavailableError(
            f"{_name()} cannot meet the others: {first_line(error)}",
            fix="start all by torchrun or accelerate launch, or correct MASTER_ADDR and MASTER_PORT",
        ) from error
    try:
        with _told_to_stop():
            yield
    except Exception as error:
        said = _one_voice(error)
        if said is error:
            raise
        raise said from error
    group.destroy_process_group()


def agreed(value: T) -> T:
    """The leading process's value, in every process; what a file system shows may lag behind."""
    if world_size() == 1:
        return value
    from accelerate.utils import broadcast_object_list

    box = [value]
    broadcast_object_list(box)
    return box[0]


def summed(value: torch.Tensor) -> torch.Tensor:
    """The sum of all processes' values, in every process. All of them must call it."""
    if world_size() == 1:
        return value
    from torch.distributed import all_reduce

    total = value.clone()
    all_reduce(total)
    return total


def wait_for_everyone() -> None:
    """Return when every process of the run has come here; at once where there is only one."""
    if world_size() > 1:
        from accelerate import PartialState

        PartialState().wait_for_everyone()


def _one_voice(error: Exception) -> BaseException:
    """What a process ends with: the error in the first that knows the cause, silence in the others."""
    lost = _is_a_loss(error)
    if lost or not is_main_process():
        # A process that knows more speaks first; of those that know the same, the main one.
        time.sleep(_SECONDS_FOR_THE_CAUSE)
    if not _is_first_to_speak():
        return SystemExit(EXIT_FAILED)
    if lost:
        why = first_line(error)
        return ProcessError(f"{_name()} lost another process of its group ({why})", fix=_GOES_ON)
    if is_main_process() or not isinstance(error, ProjectError):
        return error
    return ProcessError(f"{_name()}: {error}")


def _is_a_loss(error: Exception) -> bool:
    import torch.distributed as dist

    kinds = (dist.DistBackendError, dist.DistNetworkError, dist.DistStoreError)
    told = isinstance(error, RuntimeError) and any(sign in str(error) for sign in _SIGNS_OF_LOSS)
    return isinstance(error, kinds) or told


def _name() -> str:
    return f"process {process_rank()} of {world_size()}"


def _is_first_to_speak() -> bool:
    """Whether no process of the group has said yet why it ends; the launcher keeps the count."""
    from torch.distributed import distributed_c10d

    try:
        return distributed_c10d._get_default_store().add("said_why", 1) == 1
    except (RuntimeError, ValueError):  # the count is gone with the process that kept it
        return True


@contextlib.contextmanager
def _told_to_stop() -> Iterator[None]:
    """Inside, SIGTERM ends this process with a line, also while it waits for a process that is gone.

    A handler in Python would wait until the library that waits returns; a thread that reads what the
    interpreter notes of the signal does not.
    """
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    wakeup_before = signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)

    def watch() -> None:
        while number := os.read(read_end, 1):
            if number[0] == signal.SIGTERM:
                if _is_first_to_speak():
                    line = f"error: {_name()} was told to stop; {_GOES_ON}\n"
                    os.write(sys.stderr.fileno(), line.encode())  # buffers end with the process
                else:
                    time.sleep(_SECONDS_TO_SPEAK)  # it may be this process that speaks
                os._exit(EXIT_FAILED)

    threading.Thread(target=watch, daemon=True).start()
    yield
    # Not after an error: the launcher's SIGTERM comes while this process finds out who speaks.
    signal.set_wakeup_fd(wakeup_before)
    signal.signal(signal.SIGTERM, before)
    os.close(write_end)  # ends the thread
