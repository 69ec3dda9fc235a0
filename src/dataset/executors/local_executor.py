"""Runs pass 1: datatrove's local executor with clear errors, a quiet console and no orphans.

datatrove's own `run` waits for ever for a worker that the system killed, prints every log line and
traceback, and a worker whose parent was killed goes on. What a task is, its log, and the marker that it
is complete are datatrove's.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from copy import deepcopy
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path

import torch
from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.base import PipelineStep
from tqdm import tqdm

from src.attributes.scorer import cached_scorer
from src.config.dataset import DatasetArgs
from src.dataset.executors.progress import tell_documents_to
from src.dataset.executors.tasks import ResumableExecutor, compute_with_one_thread, say_start
from src.errors import UnavailableError
from src.runtime.console import progress
from src.runtime.cpu_memory import keep_freed_memory

POLL_SECONDS = 0.3


def executor_for(args: DatasetArgs, steps: list[PipelineStep], work: Path) -> ResumableExecutor:
    """The executor that an args file names.

    Args:
        args: of the run.
        steps: of pass 1.
        work: folder of the tasks' logs and completion markers.
    """
    wanted = args.executor
    if wanted.kind == "ray":
        from src.dataset.executors.ray_executor import ResumableRayExecutor

        return ResumableRayExecutor(steps, wanted, work)
    if wanted.kind == "slurm":
        from src.dataset.executors.slurm_executor import ResumableSlurmExecutor

        return ResumableSlurmExecutor(steps, args, work)
    executor = ResumableLocalExecutor(
        pipeline=steps, tasks=wanted.tasks, workers=wanted.workers, logging_dir=str(work)
    )
    for attribute in args.attributes.values():
        executor.shared_imports += cached_scorer(attribute.scorer).slow_imports
    return executor


class ResumableLocalExecutor(ResumableExecutor, LocalPipelineExecutor):
    """One process per worker; every task computes with one thread.

    Attributes:
        shared_imports: modules that all workers need: imported once, before the workers are.
    """

    shared_imports: tuple[str, ...] = ("src.dataset.pass_one.pass_one",)

    def run(self) -> None:
        """Run the tasks that are not complete yet.

        Raises:
            ProjectError: what a task raised, as it is.
            UnavailableError: a worker process died.
            RuntimeError: a task failed for a reason that nobody foresaw; its log has the traceback.
        """
        ranks = self.tasks_left()
        if not ranks:
            return
        say_start(ranks, self.workers)
        with progress(what="pass 1", unit="document") as bar:
            if min(self.workers, len(ranks)) == 1:
                self._run_here(ranks, bar)
            else:
                self._run_in_workers(ranks, bar)

    def _run_here(self, ranks: Sequence[int], bar: tqdm) -> None:
        pipeline = self.pipeline
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        tell_documents_to(bar.update)
        try:
            for rank in ranks:
                self.pipeline = deepcopy(pipeline)
                self.run_task(rank)
                self._say_done(bar)
        finally:
            self.pipeline = pipeline
            torch.set_num_threads(threads)
            tell_documents_to(None)

    def _run_in_workers(self, ranks: Sequence[int], bar: tqdm) -> None:
        context = multiprocessing.get_context(self.start_method)
        # Where one cannot be found, each worker imports it itself, and says what is wrong.
        context.set_forkserver_preload(list(self.shared_imports))
        documents = context.Value("Q", 0)
        others = set(multiprocessing.active_children())
        pool = ProcessPoolExecutor(
            min(self.workers, len(ranks)), context, _start_worker, (documents,)
        )
        try:
            waiting: set[Future] = {pool.submit(self.run_task, rank) for rank in ranks}
            while waiting:
                done, waiting = wait(waiting, POLL_SECONDS, FIRST_COMPLETED)
                for task in done:
                    task.result()
                    self._say_done(bar)
                # Without its lock, which a worker that was killed may hold for ever.
                bar.update(documents.get_obj().value - bar.n)
            pool.shutdown()
        except BrokenProcessPool as error:
            raise UnavailableError(
                "a worker process of pass 1 died",
                fix="it was killed, often for lack of memory: set fewer executor.workers; "
                "run the same command to resume with the tasks that are left",
            ) from error
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in set(multiprocessing.active_children()) - others:
                process.terminate()
                process.join()

    def _say_done(self, bar: tqdm) -> None:
        left = len(self.get_incomplete_ranks(range(self.tasks)))
        bar.set_postfix_str(f"{self.tasks - left} of {self.tasks} tasks done", refresh=False)


def _start_worker(documents: Synchronized) -> None:
    """What every worker does first."""
    keep_freed_memory()  # the server that forks workers is a program of its own
    compute_with_one_thread()
    # An interrupt from the keyboard reaches the whole group; the parent alone answers it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_die_with_parent, daemon=True).start()

    def add(n: int) -> None:
        with documents.get_lock():
            documents.value += n

    tell_documents_to(add)


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
