"""Runs pass 1 on a Ray cluster, or on Ray started on this machine.

datatrove's own `run` forks inside of Ray's workers, swallows what a task raised and reports success. A
task is the same as on the local executor, and so is the marker that it is complete.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import loguru
from datatrove.executor import RayPipelineExecutor
from datatrove.pipeline.base import PipelineStep

from src.artifacts.provenance import REPOSITORY
from src.config.executor import ExecutorArgs
from src.dataset.executors.progress import tell_documents_to
from src.dataset.executors.tasks import ResumableExecutor, compute_with_one_thread, say_start
from src.errors import ProjectError, UnavailableError, UserError
from src.runtime.console import progress

logger = logging.getLogger(__name__)
POLL_SECONDS = 1.0
CONNECT_SECONDS = 10.0
GIGABYTE = 1024**3
# The shards go through the file system; Ray's own store holds the steps alone. It takes no less.
OBJECT_STORE_BYTES = 80 * 1024**2
LOOPBACK = "127.0.0.1"
INSTALL = "python -m pip install -r scripts/requirements_ray.txt"


class ResumableRayExecutor(ResumableExecutor, RayPipelineExecutor):
    """One Ray task per task of pass 1, `workers` of them at a time."""

    def __init__(self, pipeline: list[PipelineStep], args: ExecutorArgs, logging_dir: Path) -> None:
        loguru.logger.disable("datatrove")  # its note on shared folders; `executor.kind` says it
        super().__init__(
            pipeline,
            tasks=args.tasks,
            workers=args.workers,
            logging_dir=str(logging_dir.absolute()),
            gpus_per_task=args.gpus_per_task,
            mem_per_cpu_gb=args.memory_gb,
        )
        loguru.logger.enable("datatrove")
        self.address = args.ray_address
        self.working_folder = str(Path.cwd())

    def run(self) -> None:
        """Run the tasks that are not complete yet.

        Raises:
            ProjectError: what a task raised, as it is.
            UnavailableError: Ray or one of its workers went away.
            RuntimeError: a task failed for a reason that nobody foresaw; its log has the traceback.
        """
        ranks = self.tasks_left()
        if not ranks:
            return
        say_start(ranks, self.workers, " on Ray")
        with _ray(self.address, self.workers, self._resources()) as ray:
            remote = ray.remote(max_retries=0, **self._resources())(_run_rank)
            shared = ray.put(self)
            waiting: dict[Any, int] = {}
            try:
                with progress(what="pass 1", unit="document") as bar:
                    for documents in self._results(ray, remote, shared, ranks, waiting):
                        done = self.tasks - len(self._left())
                        bar.set_postfix_str(f"{done} of {self.tasks} tasks done", refresh=False)
                        bar.update(documents)
            finally:
                for task in waiting:
                    ray.cancel(task, force=True)

    def _left(self) -> list[int]:
        return self.get_incomplete_ranks(range(self.tasks))

    def _resources(self) -> dict[str, float]:
        memory = int(self.mem_per_cpu_gb * GIGABYTE)
        return {"num_cpus": 1, "num_gpus": self.gpus_per_task, "memory": memory}

    def _results(
        self, ray: Any, remote: Any, shared: Any, ranks: Sequence[int], waiting: dict[Any, int]
    ) -> Iterator[int]:
        """Documents read by each task, as they end; `waiting` holds the tasks that are at work."""
        todo = list(ranks)
        while todo or waiting:
            while todo and len(waiting) < self.workers:
                rank = todo.pop(0)
                waiting[remote.remote(shared, rank)] = rank
            done, _ = ray.wait(list(waiting), num_returns=1, timeout=POLL_SECONDS)
            for task in done:
                rank = waiting.pop(task)
                yield _result(ray, task, rank)


def _result(ray: Any, task: Any, rank: int) -> int:
    try:
        return ray.get(task)
    except ray.exceptions.RayTaskError as error:
        cause = error.cause
        if isinstance(cause, ProjectError):
            raise cause from None
        raise RuntimeError(str(cause)) from error
    except ray.exceptions.RayError as error:
        raise UnavailableError(
            f"the worker of task {rank} of pass 1 went away ({type(error).__name__})",
            fix="it was killed, often for lack of memory, or its machine was lost: raise "
            "executor.memory_gb; run the same command to resume",
        ) from error


def _run_rank(executor: ResumableRayExecutor, rank: int) -> int:
    """On a worker: run a task; returns the number of documents that it read."""
    os.chdir(executor.working_folder)
    compute_with_one_thread()
    read: list[int] = []
    tell_documents_to(read.append)
    try:
        executor.run_task(rank)
    finally:
        tell_documents_to(None)
    return sum(read)


@contextmanager
def _ray(address: str | None, workers: int, resources: dict[str, float]) -> Iterator[Any]:
    """Ray, connected; one that was started here ends here."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    ray = import_ray()
    path = os.pathsep.join([str(REPOSITORY), *filter(None, [os.environ.get("PYTHONPATH")])])
    options: dict[str, Any] = {
        "runtime_env": {"env_vars": {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"}},
        "log_to_driver": False,
        "logging_level": logging.ERROR,
    }
    if address is None:
        options |= {
            "_node_ip_address": LOOPBACK,  # nobody outside of this machine can reach it
            "include_dashboard": False,
            "num_cpus": workers,
            "num_gpus": int(workers * resources["num_gpus"]) or None,
            "_memory": workers * resources["memory"],
            "object_store_memory": OBJECT_STORE_BYTES,
        }
    _check_reachable(address)
    try:
        ray.init(address=address or "local", **options)
    except (ConnectionError, ValueError, RuntimeError, ray.exceptions.RayError) as error:
        raise _no_ray(address, error) from error
    try:
        _warn_of_no_room(ray.cluster_resources(), resources)
        yield ray
    finally:
        ray.shutdown()


def _check_reachable(address: str | None) -> None:
    """Raises UnavailableError at once, where Ray itself would try for minutes."""
    host, colon, port = (address or "").removeprefix("ray://").rpartition(":")
    if not (colon and port.isdecimal()):
        return
    try:
        socket.create_connection((host, int(port)), CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise _no_ray(address, error) from error


def _no_ray(address: str | None, error: Exception) -> UnavailableError:
    where = f"reached at executor.ray_address {address!r}" if address else "started on this machine"
    return UnavailableError(
        f"Ray cannot be {where} ({' '.join(str(error).split())[:300]})",
        fix="start the cluster (`ray start`), correct executor.ray_address, or set executor.kind=local",
    )


def import_ray() -> Any:
    """The package, which is an extra requirement.

    Raises:
        UserError: it is not installed.
    """
    try:
        import ray
        import ray.exceptions
    except ImportError as error:
        raise UserError(
            "executor.kind is ray, and the package ray is not installed",
            fix=f"install it with `{INSTALL}`, or set executor.kind=local",
        ) from error
    return ray


def _warn_of_no_room(there: dict[str, float], resources: dict[str, float]) -> None:
    """A task that fits nowhere would wait for ever; a cluster that grows may yet make room."""
    names = {"num_cpus": "CPU", "num_gpus": "GPU", "memory": "memory"}
    short = [name for key, name in names.items() if there.get(name, 0) < resources[key]]
    if short:
        logger.warning(
            "the Ray cluster has not enough %s for a single task now: pass 1 waits until it has",
            " and ".join(short),
        )
