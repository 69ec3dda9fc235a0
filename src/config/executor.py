"""Args of how the heavy pass of stage 1 is spread: over processes, a Ray cluster or a Slurm cluster."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from src.config.strict import Strict


class SlurmArgs(Strict):
    """What Slurm is asked for, for each task and for pass 2."""

    partition: str = Field(description="partition of the cluster, as `sinfo` lists them")
    time_limit: str = Field(
        pattern=r"^(\d+-\d+(:\d\d){0,2}|\d+(:\d\d){0,2})$",
        description="longest time of one job, as Slurm writes it: 12:00:00, or 2-00 for two days",
    )
    qos: str | None = Field(default=None, description="quality of service; null: the cluster's own")
    setup_command: str | None = Field(
        default=None, description="shell line at the start of every job, such as `module load …`"
    )
    options: dict[str, str] = Field(
        default_factory=dict,
        description="further options of sbatch by their long names: {account: …}",
    )


class ExecutorArgs(Strict):
    """How pass 1 is spread (datatrove). None of it but `tasks` can change what is made."""

    kind: Literal["local", "ray", "slurm"] = Field(
        default="local",
        description="local: processes of this machine; ray: a Ray cluster; slurm: jobs of a Slurm cluster. "
        "For the last two every node must see the folders of the args, and this program, under one path",
    )
    workers: int = Field(default=1, ge=1, description="tasks at the same time")
    tasks: int = Field(
        default=1,
        ge=1,
        description="parts that the input is cut into; a finished part is never redone",
    )
    memory_gb: int = Field(
        default=4, ge=1, description="memory that Ray and Slurm keep for a task, in GB"
    )
    gpus_per_task: int = Field(
        default=0, ge=0, description="GPUs that Ray and Slurm keep for a task"
    )
    ray_address: str | None = Field(
        default=None,
        description="address of a running Ray cluster (`auto`: the one that this machine is a part of); "
        "null: Ray is started on this machine alone for the time of the run",
    )
    slurm: SlurmArgs | None = Field(default=None, description="what Slurm is asked for")

    @model_validator(mode="after")
    def _whole(self) -> ExecutorArgs:
        if self.kind == "slurm" and self.slurm is None:
            raise ValueError(
                "kind is slurm, and the section slurm is missing: slurm: {partition: …, time_limit: …}"
            )
        return self
