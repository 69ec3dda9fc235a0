"""Which process this is, of how many: as the launcher says. Imports nothing heavy."""

from __future__ import annotations

import os


def process_rank() -> int:
    """Rank of this process under `torchrun` or `accelerate launch`; 0 for a single process."""
    return int(os.environ.get("RANK", "0"))


def world_size() -> int:
    """Number of processes under `torchrun` or `accelerate launch`; 1 for a single process."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_main_process() -> bool:
    """Whether this is the one process that writes and speaks."""
    return process_rank() == 0


def is_first_of_its_machine() -> bool:
    """Whether this process does what one on every machine has to do: check its files, refuse the args."""
    return int(os.environ.get("LOCAL_RANK", "0")) == 0
