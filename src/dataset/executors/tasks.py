"""A task of pass 1, the same on every executor: one thread, a quiet console, an error that can travel."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import loguru
import torch
from datatrove.executor.base import PipelineExecutor

from src.dataset.executors.progress import tell_now
from src.errors import ProjectError

logger = logging.getLogger(__name__)
CONSOLE_LOG = "console.log"


class ResumableExecutor(PipelineExecutor):
    """Part of an executor: which tasks are left, and how one is run."""

    def finish(self) -> str | None:
        """Do the tasks that are not complete.

        Returns:
            None: all are complete now. Otherwise what to tell a user who has to wait for them.
        """
        self.run()
        return None

    def tasks_left(self) -> list[int]:
        """The tasks that are not complete."""
        ranks = self.get_incomplete_ranks(range(self.world_size))
        if 0 < len(ranks) < self.world_size:
            done = self.world_size - len(ranks)
            logger.info("pass 1: %d of %d tasks are done already", done, self.world_size)
        return ranks

    def run_task(self, rank: int) -> None:
        """Run one task, its console output kept in a file of the logging folder."""
        try:
            with self._quiet():
                # Not the executor's own: Ray's keeps its logs outside of the run.
                PipelineExecutor._run_for_rank(self, rank)
            tell_now()
        except Exception as error:
            if isinstance(error, ProjectError) or type(error).__module__ == "builtins":
                raise
            # The types of others may not survive the way back from a worker.
            raise RuntimeError(f"task {rank}: {type(error).__name__}: {error}") from error

    @contextlib.contextmanager
    def _quiet(self) -> Iterator[None]:
        folder = Path(self.logging_dir.path)
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / CONSOLE_LOG).open("a") as console, contextlib.redirect_stderr(console):
            try:
                yield
            finally:
                loguru.logger.remove()  # it would write to the closed file


def compute_with_one_thread() -> None:
    """What every process that runs tasks does first.

    The rounding of a matrix product depends on the number of threads, and a data set must not depend on
    the number of workers.
    """
    torch.set_num_threads(1)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"


def say_start(ranks: Sequence[int], workers: int, where: str = "") -> None:
    """The first line of a run."""
    logger.info("pass 1: %d tasks, %d at a time%s", len(ranks), min(workers, len(ranks)), where)
