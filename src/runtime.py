"""Seeds, device, process rank, logging and progress: what a run needs from its surroundings.

Imports neither torch nor transformers at the top, so that `--help` answers at once.
"""

from __future__ import annotations

import hashlib
import io
import logging
import os
import random
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypeVar

from tqdm import tqdm

if TYPE_CHECKING:
    import torch

T = TypeVar("T")
logger = logging.getLogger(__name__)


def keyed_hash(seed: int, purpose: str, item_id: str) -> int:
    """A 64-bit number that depends on nothing but its arguments.

    Random choices made with it are the same for one worker or a thousand, on any machine, in any
    order (the document sample, the untagged share, the split, token dropout, sampling seeds).

    Args:
        seed: the run's seed.
        purpose: names the choice, so that two choices about one item are independent.
        item_id: names the item.

    Returns:
        An integer in [0, 2**64).
    """
    key = f"{seed}\x1f{purpose}\x1f{item_id}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "big")


def keyed_uniform(seed: int, purpose: str, item_id: str) -> float:
    """`keyed_hash` as a number in [0, 1), with the 53 bits that a float holds."""
    return (keyed_hash(seed, purpose, item_id) >> 11) * 2.0**-53


def seed_everything(seed: int) -> None:
    """Seed the global generators that libraries use on their own (dropout, data loaders)."""
    import numpy as np
    import torch

    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def pick_device(wanted: str = "auto") -> torch.device:
    """The device to compute on: `auto` takes CUDA, then Apple's MPS, then the CPU.

    Raises:
        UserError: the device asked for is not there.
    """
    import torch

    from src.errors import UserError

    have = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    if wanted == "auto":
        wanted = next(name for name in ("cuda", "mps", "cpu") if have[name])
    kind = wanted.split(":")[0]
    if not have.get(kind, False):
        raise UserError(
            "device not available",
            got=wanted,
            allowed=", ".join(["auto", *(name for name, there in have.items() if there)]),
        )
    return torch.device(wanted)


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


def print_in_any_encoding() -> None:
    """Let stdout and stderr write characters that their encoding lacks as escapes, in place of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def configure_logging(debug: bool = False) -> None:
    """Progress goes to stderr by `logging`; stdout is kept for the final result.

    The main process speaks for all: the others would repeat its warnings, and report errors only. Libraries
    are quieted: their INFO is not the user's.
    """
    level = logging.DEBUG if debug else logging.INFO
    logging.basicConfig(
        level=level if is_main_process() else logging.ERROR,
        format="%(asctime)s %(levelname)s %(message)s",
        datefmt="%H:%M:%S",
        stream=sys.stderr,
        force=True,
    )
    if not debug:
        for noisy in (
            "httpx",
            "httpx2",
            "httpcore",
            "urllib3",
            "fsspec",
            "filelock",
            "datasets",
            "matplotlib",
        ):
            logging.getLogger(noisy).setLevel(logging.WARNING)


SECONDS_BETWEEN_LINES = 60.0


class _LogLines(tqdm):
    """Progress where nobody watches a bar: a line of the log a minute."""

    def __init__(self, *args: Any, **options: Any) -> None:
        wait = SECONDS_BETWEEN_LINES
        super().__init__(
            *args, **options, file=io.StringIO(), mininterval=wait, maxinterval=wait, delay=wait
        )

    def display(self, msg: str | None = None, pos: int | None = None) -> None:
        """Called when a line is due, and once more with nothing to say when the bar is closed."""
        known = self.format_dict
        if msg == "" or not known["n"]:
            return
        parts = [
            f"{known['n']:,}{f' of {self.total:,}' if self.total else ''} {self.unit.strip()}s"
        ]
        if self.total and known["rate"]:
            left = (self.total - known["n"]) / known["rate"]
            parts.append(f"about {self.format_interval(left)} left")
        if self.postfix:
            parts.append(self.postfix)
        logger.info("%s: %s", self.desc, ", ".join(parts))

    def close(self) -> None:
        """End without a last line: what comes next says that it is done."""
        self.leave = False
        super().close()


def progress(
    items: Iterable[T] | None = None, *, what: str, total: int | None = None, unit: str = "item"
) -> tqdm[T]:
    """Progress with the time left: a bar in a terminal, a line a minute in a log, nothing in a side process.

    Args:
        items: passed on one by one; without them, call `update`.
        what: is done.
        total: how many there are; without it no time is known.
        unit: one of them, in the singular.
    """
    kind = tqdm if sys.stderr.isatty() else _LogLines
    options = {} if kind is _LogLines else {"dynamic_ncols": True}
    disable = not is_main_process()
    return kind(items, desc=what, total=total, unit=unit, disable=disable, **options)
