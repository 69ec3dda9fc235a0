"""What a run says on the console: log lines and progress. stdout is kept for the final result."""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Iterable
from typing import Any, TypeVar

from tqdm import tqdm

from src.runtime.processes import is_main_process

T = TypeVar("T")
logger = logging.getLogger(__name__)


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
