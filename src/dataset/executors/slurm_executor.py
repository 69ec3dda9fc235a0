"""Runs pass 1 as a job array of a Slurm cluster, and pass 2 as a job after it.

The command submits both and ends. The same command again says how far they are, submits anew what
failed, or, where pass 1 is complete, does pass 2 itself.
"""

from __future__ import annotations

import json
import logging
import math
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from datatrove.executor import SlurmPipelineExecutor
from datatrove.executor.base import DistributedEnvVars
from datatrove.executor.slurm import launch_slurm_job
from datatrove.pipeline.base import PipelineStep

from src.artifacts.atomic_files import write_json_atomically, write_text_atomically
from src.artifacts.provenance import REPOSITORY
from src.config.dataset import DatasetArgs
from src.dataset.executors.tasks import ResumableExecutor, compute_with_one_thread, say_start
from src.errors import UnavailableError, UserError

logger = logging.getLogger(__name__)
JOB = "slurm_job.json"
FAILURES = "failures"
RESOLVED_ARGS = "args.yaml"
# Slurm's own default allows arrays of 1001; with more tasks, a job of the array does several.
MAX_ARRAY = 1000
FAILURES_SHOWN = 3


class ResumableSlurmExecutor(ResumableExecutor, SlurmPipelineExecutor):
    """A job array with one or more tasks of pass 1 in each job."""

    def __init__(self, pipeline: list[PipelineStep], args: DatasetArgs, work: Path) -> None:
        wanted, slurm = args.executor, args.executor.slurm
        super().__init__(
            pipeline,
            tasks=wanted.tasks,
            time=slurm.time_limit,
            partition=slurm.partition,
            mem_per_cpu_gb=wanted.memory_gb,
            gpus_per_task=wanted.gpus_per_task,
            workers=wanted.workers,
            job_name=f"pass-1-{args.output.name}",
            qos=slurm.qos,
            sbatch_args=dict(slurm.options),
            max_array_size=-1,
            tasks_per_job=math.ceil(wanted.tasks / MAX_ARRAY),
            logging_dir=str(work.absolute()),
            requeue_signals=None,
            with_srun=False,
        )
        self.setup_command = slurm.setup_command
        self.working_folder = str(Path.cwd())
        self.work = work.absolute()
        self.resolved_args = args.model_dump(mode="json")
        self.submitted = False  # set in the copy that the jobs load

    # -------------------------------------------------------------------------- where the user is

    def finish(self) -> str | None:
        """Submit the tasks that are not complete, and pass 2 after them.

        Returns:
            What to tell the user; None where all tasks are complete.

        Raises:
            UserError: there is no sbatch here.
            UnavailableError: Slurm refused a job or does not answer.
        """
        ranks = self.tasks_left()
        if not ranks:
            return None
        check_sbatch()
        self._say_failures()
        say_start(ranks, self.workers, " on Slurm")
        # JSON is YAML: pass 2 takes these args, whatever becomes of the user's file until then.
        local = {**self.resolved_args["executor"], "kind": "local"}
        text = json.dumps({**self.resolved_args, "executor": local}, indent=2)
        write_text_atomically(self.work / RESOLVED_ARGS, text + "\n")
        self.submitted = True
        try:
            self.launch_job()
        except (OSError, subprocess.CalledProcessError) as error:
            raise UnavailableError(
                f"sbatch refused the job ({error}; its reason stands above)",
                fix=f"correct executor.slurm; the job script is {self.work}/launch_script.slurm",
            ) from error
        at_a_time = min(self.workers, len(ranks))
        return (
            f"submitted: pass 1 as Slurm job {self.job_id} ({len(ranks)} tasks, {at_a_time} at a time), "
            f"then pass 2 as job {self.pass_two_id}, which makes {self.resolved_args['output']}\n"
            f"  logs: {self.slurm_logs_folder}\n"
            "  the same command says how far they are, submits anew what failed, and does what is left"
        )

    def launch_merge_stats(self) -> None:
        """Submit pass 2; datatrove would submit a job that merges its statistics, which nobody reads."""
        shared = self.get_sbatch_args()
        del shared["array"]
        sbatch_args = {
            **shared,
            "job-name": self.job_name.replace("pass-1", "pass-2"),
            "output": f"{self.slurm_logs_folder}/pass_2_%j.out",
            "error": f"{self.slurm_logs_folder}/pass_2_%j.out",
            "dependency": f"afterok:{self.job_id}",
            "kill-on-invalid-dep": "yes",
        }
        command = [sys.executable, str(REPOSITORY / "main_dataset_create.py")]
        command.append(str(self.work / RESOLVED_ARGS))
        contents = self.get_launch_file_contents(sbatch_args, shlex.join(command))
        write_text_atomically(self.work / "launch_pass_2.slurm", contents)
        self.pass_two_id = launch_slurm_job(contents, self.job_id_retriever)
        write_json_atomically(
            self.work / JOB,
            {"pass_1": self.job_id, "pass_2": self.pass_two_id, "tasks": self.tasks},
        )

    def get_launch_file_contents(self, sbatch_args: Mapping[str, Any], run_script: str) -> str:
        """The job script; paths may hold spaces, and no activated environment is needed."""
        if run_script.startswith("launch_pickled_pipeline"):
            module = "datatrove.tools.launch_pickled_pipeline"
            run_script = shlex.join([sys.executable, "-m", module, f"{self.work}/executor.pik"])
        directives = [
            f"#SBATCH --{name}={shlex.quote(str(value))}" if value else f"#SBATCH --{name}"
            for name, value in sbatch_args.items()
        ]
        return "\n".join(
            [
                "#!/bin/bash",
                *directives,
                "set -euo pipefail",
                f"cd {shlex.quote(self.working_folder)}",
                f"export PYTHONPATH={shlex.quote(str(REPOSITORY))}${{PYTHONPATH:+:$PYTHONPATH}}",
                "export PYTHONUNBUFFERED=1 OMP_NUM_THREADS=1",
                *([self.setup_command] if self.setup_command else []),
                run_script,
                "",
            ]
        )

    def _say_failures(self) -> None:
        for path in sorted((self.work / FAILURES).glob("*"))[:FAILURES_SHOWN]:
            logger.warning(
                "task %s failed: %s", path.name, path.read_text(encoding="utf-8").strip()
            )

    # -------------------------------------------------------------------------- on a node

    def run(self) -> None:
        """On a node: do the tasks of this job. (Where the user is, it is `finish`.)"""
        if not self.submitted:
            raise RuntimeError("the executor of a Slurm run is started by `finish`")
        compute_with_one_thread()
        super().run()

    def _run_for_rank(self, rank: int, local_rank: int = 0, node_rank: int = -1) -> None:
        """Run one task; why it failed is kept for the user's next command."""
        failure = self.work / FAILURES / f"{rank:05d}"
        try:
            self.run_task(rank)
        except Exception as error:
            failure.parent.mkdir(exist_ok=True)
            write_text_atomically(failure, f"{error}\n")
            raise
        failure.unlink(missing_ok=True)

    def get_distributed_env(self, node_rank: int = -1) -> DistributedEnvVars:
        """A task has one node, so there is no list of them to ask Slurm for."""
        return DistributedEnvVars(
            datatrove_node_ips="",
            datatrove_cpus_per_task="1",
            datatrove_mem_per_cpu=str(self.mem_per_cpu_gb),
            datatrove_gpus_on_node=str(self.gpus_per_task),
            datatrove_executor="SLURM",
        )


def check_sbatch() -> None:
    """Raises UserError where no job can be submitted from."""
    if shutil.which("sbatch") is None:
        raise UserError(
            "executor.kind is slurm, and there is no command sbatch here",
            fix="run it on a login node of the cluster, or set executor.kind=local",
        )


def still_at_work(work: Path) -> str | None:
    """What to tell a user whose tasks are waiting or running on Slurm; None where none is.

    Raises:
        UnavailableError: there are jobs, and Slurm does not say what became of them.
    """
    try:
        job = json.loads((work / JOB).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    done = len(list((work / "completions").glob("*")))
    if done >= job["tasks"] or not _is_queued(job["pass_1"]):
        return None
    return (
        f"still at work: {done} of {job['tasks']} tasks of pass 1 are done, Slurm job {job['pass_1']}; "
        f"pass 2 is job {job['pass_2']}\n"
        f"  `squeue --jobs={job['pass_1']}` shows it, `scancel {job['pass_1']}` ends it"
    )


def _is_queued(job_id: str) -> bool:
    command = ["squeue", "--noheader", "--format=%T", f"--jobs={job_id}"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _silent(job_id, str(error)) from error
    if found.returncode and "Invalid job id" not in found.stderr:
        raise _silent(job_id, found.stderr.strip())
    return bool(found.stdout.strip())


def _silent(job_id: str, reason: str) -> UnavailableError:
    return UnavailableError(
        f"Slurm does not say whether job {job_id} is still at work ({reason})",
        fix="run it on a login node of the cluster, or try again later",
    )
