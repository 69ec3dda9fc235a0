"""Pass 1 on Slurm: `sbatch` and `squeue` are stand-ins on PATH; the jobs that they take are really run."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from src.dataset.pipeline import create_dataset
from src.errors import ArtifactError, UnavailableError, UserError
from tests.unit.dataset.test_pipeline import RESULT, failing, files_of, same_files

SLURM = {
    "kind": "slurm",
    "workers": 2,
    "tasks": 2,
    "memory_gb": 3,
    "slurm": {"partition": "cpu", "time_limit": "1:00:00", "options": {"account": "my group"}},
}
SBATCH = """#!/bin/bash
# Keeps the script under the job's number; --test-only and the like are not asked for.
queue={queue}
id=$((100 + $(ls "$queue" | grep -c slurm$)))
cp "${{@: -1}}" "$queue/$id.slurm"
[[ -e "$queue/refuse" ]] && {{ echo "sbatch: error: no such partition" >&2; exit 1; }}
echo "Submitted batch job $id"
"""
SQUEUE = """#!/bin/bash
if [[ -e {queue}/alive ]]; then echo RUNNING; else
    echo "slurm_load_jobs error: Invalid job id specified" >&2; exit 1
fi
"""


class Queue:
    """What was submitted, and how to run it as Slurm would."""

    def __init__(self, folder):
        self.folder = folder

    def scripts(self):
        return sorted(self.folder.glob("*.slurm"))

    def directives(self, number):
        lines = re.findall(r"^#SBATCH --(.*)$", self.scripts()[number].read_text(), re.MULTILINE)
        pairs = (shlex.split(line)[0].partition("=") for line in lines)
        return {name: value for name, _, value in pairs}

    def run(self, number):
        """Run all jobs of an array at the same time; returns their exit codes and what they print."""
        array = self.directives(number).get("array")
        last = int(array.partition("%")[0].partition("-")[2]) if array else 0
        jobs = []
        for index in range(last + 1):
            place = {"SLURM_ARRAY_TASK_ID": str(index)} if array else {}
            jobs.append(
                subprocess.Popen(
                    ["bash", self.scripts()[number]],
                    cwd=self.folder,
                    env={**os.environ, **place, "RUN_OFFSET": "0"},
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                )
            )
        printed = [job.communicate()[0] for job in jobs]
        return [job.returncode for job in jobs], "\n".join(printed)


@pytest.fixture
def queue(tmp_path, monkeypatch):
    folder = tmp_path / "a queue"
    folder.mkdir()
    programs = tmp_path / "programs"
    programs.mkdir()
    for name, text in (("sbatch", SBATCH), ("squeue", SQUEUE)):
        (programs / name).write_text(text.format(queue=shlex.quote(str(folder))))
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    return Queue(folder)


def test_two_submitted_jobs_make_what_the_local_executor_makes(make_args, tmp_path, queue):
    attributes = failing(make_args, tmp_path, "scorer_error")
    args = make_args(attributes=attributes, executor=SLURM)
    said = create_dataset(args)
    assert said.startswith("submitted: pass 1 as Slurm job 100 (2 tasks, 2 at a time)")
    assert "pass 2 as job 101" in said
    asked = queue.directives(0)
    assert asked["array"] == "0-1%2"
    assert asked["partition"] == "cpu"
    assert asked["time"] == "1:00:00"
    assert asked["mem-per-cpu"] == "3G"
    assert asked["account"] == "my group"
    after = queue.directives(1)
    assert after["dependency"] == "afterok:100"
    assert after["kill-on-invalid-dep"] == "yes"
    assert "array" not in after

    (queue.folder / "alive").touch()
    assert create_dataset(args).startswith("still at work: 0 of 2 tasks of pass 1 are done")
    with pytest.raises(ArtifactError, match="submitted for another input"):
        create_dataset(make_args(attributes=attributes, executor=SLURM, seed=7), overwrite=True)
    assert len(queue.scripts()) == 2
    # --overwrite has taken the new args down; those of the jobs come back the same way.
    assert create_dataset(args, overwrite=True).startswith("still at work")

    codes, printed = queue.run(0)
    assert sorted(codes) == [0, 1], printed
    (queue.folder / "alive").unlink()
    said = create_dataset(args)
    assert "Slurm job 102 (1 tasks, 1 at a time), then pass 2 as job 103" in said
    assert queue.directives(2)["array"] == "0-0%2"
    assert queue.run(2)[0] == [0]
    codes, printed = queue.run(3)
    assert codes == [0], printed
    assert not (tmp_path / "run.partial").exists()
    assert create_dataset(args).startswith("already done")

    local = make_args(
        attributes=attributes,
        executor={"kind": "local", "tasks": 2},
        output=str(tmp_path / "local" / "run"),
    )
    create_dataset(local)
    names = files_of(args.output)
    assert names == files_of(local.output)
    assert names >= RESULT
    assert not same_files(args.output, local.output, names - {"manifest.json"})


def test_a_failed_task_is_told_before_it_is_submitted_again(make_args, tmp_path, queue, caplog):
    args = make_args(executor=SLURM)
    create_dataset(args)
    failures = tmp_path / "run.partial/work/pass_1/failures"
    failures.mkdir()
    (failures / "00001").write_text("the scorer gave up\n")
    create_dataset(args)
    assert "task 00001 failed: the scorer gave up" in caplog.text


def test_complete_tasks_leave_nothing_to_submit(make_args, tmp_path, queue):
    """Another executor may finish what Slurm began, and the other way round."""
    args = make_args(executor=SLURM)
    create_dataset(args)
    assert "data set:" in create_dataset(make_args(executor={"kind": "local", "tasks": 2}))
    assert create_dataset(args).startswith("already done")
    assert len(queue.scripts()) == 2


def test_more_tasks_than_an_array_takes_share_its_jobs(make_args, tmp_path, queue):
    create_dataset(make_args(executor={**SLURM, "tasks": 2500, "workers": 50}))
    assert queue.directives(0)["array"] == "0-833%50"


def test_what_slurm_refuses_or_does_not_answer_is_one_clear_line(
    make_args, tmp_path, queue, monkeypatch
):
    (queue.folder / "refuse").touch()
    with pytest.raises(UnavailableError, match="sbatch refused the job"):
        create_dataset(make_args(executor=SLURM))
    (queue.folder / "refuse").unlink()
    create_dataset(make_args(executor=SLURM))
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    with pytest.raises(UserError, match="no command sbatch here"):
        create_dataset(make_args(executor=SLURM), dry_run=True)
    with pytest.raises(UnavailableError, match="does not say whether job 101 is still at work"):
        create_dataset(make_args(executor={"kind": "local", "tasks": 2}))


def test_the_job_script_is_shell_that_bash_accepts(make_args, tmp_path, queue):
    slurm = {**SLURM["slurm"], "setup_command": "module load python", "qos": "normal"}
    create_dataset(make_args(executor={**SLURM, "slurm": slurm}))
    for number in (0, 1):
        script = queue.scripts()[number]
        assert "\nmodule load python\n" in script.read_text()
        assert queue.directives(number)["qos"] == "normal"
        assert subprocess.run(["bash", "-n", script], check=False).returncode == 0
    args = json.loads((tmp_path / "run.partial/work/pass_1/args.yaml").read_text())
    assert args["executor"]["kind"] == "local"


def test_slurm_needs_its_section(make_args):
    with pytest.raises(ValueError, match="the section slurm is missing"):
        make_args(executor={"kind": "slurm", "tasks": 2})


def test_other_args_of_pass_two_are_refused_while_its_job_waits_with_the_old_ones(make_args, queue):
    create_dataset(make_args(executor=SLURM))
    other = make_args(executor=SLURM, untagged_fraction=0.5)
    (queue.folder / "alive").touch()
    for dry_run in (True, False):
        with pytest.raises(ArtifactError, match="untagged_fraction: was"):
            create_dataset(other, dry_run=dry_run)
