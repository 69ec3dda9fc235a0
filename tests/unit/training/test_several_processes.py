"""Two processes, whole or sharded, train what one does; runs go on with another number; a lost process.

Llamas, and a GPT-2 without dropout: what is dropped differs from process to process.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file

from src.artifacts.manifest import read_manifest
from src.training.run import train
from tests.unit.training.small_data import interrupted, training_args

ROOT = Path(__file__).resolve().parents[3]
TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2")
# 120 sentences are seven steps and a half: the incomplete one has to be shared too.
STEPS = {"learning_rate": 3e-3, "precision": "fp32", "batch_sentences": 16, "max_steps": 18}
FSDP = {"strategy": "fsdp"}
# With exchanged tokens: they are counted over the processes.
CHANGES = {"optimisation": STEPS, "objective": {"discrimination": 0.5}}


def start(launcher, *arguments):
    return subprocess.Popen(
        [*launcher, *map(str, arguments)],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def finished(process):
    try:
        said = process.communicate(timeout=900)[0]
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    return said


def rows(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def assert_same_training(folder, expected, processes):
    """Files and rows equal, weights and losses to within rounding."""
    weights = "model.safetensors"
    files = [
        sorted(p.relative_to(f) for p in f.rglob("*") if p.is_file()) for f in (folder, expected)
    ]
    assert files[0] == files[1]
    for path in sorted(expected.glob("*/**/*.*")):
        same = folder / path.relative_to(expected)
        if path.name != weights:
            assert same.read_bytes() == path.read_bytes(), path
            continue
        ours, theirs = load_file(same), load_file(path)
        assert ours.keys() == theirs.keys()
        for name in theirs:
            apart = (ours[name] - theirs[name]).abs()
            if name.endswith("c_attn.bias"):
                # The keys' bias has no gradient but rounding, which AdamW scales up.
                queries, _, values = apart.chunk(3)
                apart = torch.cat([queries, values])
            assert apart.max() < 1e-5, name
    for row, wanted in zip(rows(folder), rows(expected), strict=True):
        for name in ("step", "split", "tokens_seen", "learning_rate"):
            assert row[name] == wanted[name]
        assert row["loss"] == pytest.approx(wanted["loss"], abs=1e-5)
    assert read_manifest(folder, "training")["processes"] == processes


@pytest.fixture(scope="module")
def smooth_gpt2(gpt2, tmp_path_factory):
    """(base, data set) of the GPT-2 without dropout."""
    base = tmp_path_factory.mktemp("smooth") / "base"
    base.mkdir()
    for path in gpt2[0].iterdir():
        (base / path.name).write_bytes(path.read_bytes())
    config = json.loads((base / "config.json").read_text())
    config |= {"attn_pdrop": 0.0, "embd_pdrop": 0.0, "resid_pdrop": 0.0}
    (base / "config.json").write_text(json.dumps(config))
    return base, gpt2[1]


@pytest.fixture(scope="module")
def alone(llama, smooth_gpt2, tmp_path_factory):
    """Finished runs of one process, by shape."""
    folder = tmp_path_factory.mktemp("alone")
    for name, (base, data) in {"llama": llama, "gpt2": smooth_gpt2}.items():
        train(training_args(folder / name, data, base, **CHANGES))
    return {name: folder / name for name in ("llama", "gpt2")}


@pytest.fixture(scope="module")
def together(llama, smooth_gpt2, tmp_path_factory):
    """Folders of runs that two processes took part in, by what they are."""
    folder = tmp_path_factory.mktemp("together")

    def args(name, made_of=llama, **changes):
        base, data = made_of
        return training_args(folder / name, data, base, **(CHANGES | changes))

    accumulated = STEPS | {
        "batch_sentences": 4, "gradient_accumulation_steps": 4, "gradient_checkpointing": True,
    }  # fmt: skip
    interrupted(args("one then two sharded"), at_step=7)
    interrupted(args("one then two"), at_step=7)
    jobs = [
        (args("sharded", parallel=FSDP), None),
        (args("sharded gpt2", smooth_gpt2, optimisation=accumulated, parallel=FSDP), None),
        (args("two sharded then one", parallel=FSDP), 13),
        (args("one then two sharded", parallel=FSDP), None),
        (args("one then two"), None),
    ]
    described = [{"args": a.model_dump(mode="json"), "stop_at": stop} for a, stop in jobs]
    (folder / "jobs.json").write_text(json.dumps(described))
    with start(
        TORCHRUN, "tests/unit/training/several_trainings.py", folder / "jobs.json"
    ) as process:
        said = finished(process)
    assert process.returncode == 0, said
    assert not (folder / "two sharded then one").exists()
    train(args("two sharded then one"))
    return folder


@pytest.mark.parametrize(
    "name, shape, processes",
    [
        ("sharded", "llama", [2]),
        ("two sharded then one", "llama", [2, 1]),
        ("one then two sharded", "llama", [1, 2]),
        ("one then two", "llama", [1, 2]),
    ],
)
def test_it_is_the_training_of_one_process(name, shape, processes, together, alone):
    assert_same_training(together / name, alone[shape], processes)


def test_a_sharded_tied_model_in_accumulated_recomputed_passes(together, alone):
    # Its batches are others', so its args are; the sentences of a step are not.
    assert_same_training(together / "sharded gpt2", alone["gpt2"], [2])


def as_a_file(args, folder):
    path = folder / "args.yaml"
    path.write_text(yaml.safe_dump(args.model_dump(mode="json")))
    return path


def test_two_processes_of_the_command_and_one_that_speaks(llama, alone, tmp_path):
    args = training_args(tmp_path / "m", llama[1], llama[0], **CHANGES)
    with start(TORCHRUN, "main_train.py", as_a_file(args, tmp_path)) as process:
        said = finished(process)
    assert process.returncode == 0, said
    assert said.count("model: ") == said.count(f"step {STEPS['max_steps']}: validation") == 1, said
    assert_same_training(tmp_path / "m", alone["llama"], [2])


# -------------------------------------------------------------------------------------- a lost process


def worker(launcher, rank):
    """Process id of a rank that a launcher has started, or None."""
    children = Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split()
    for child in children:
        if f"RANK={rank}".encode() in Path(f"/proc/{child}/environ").read_bytes().split(b"\0"):
            return int(child)
    return None


def kill_a_process_once(ready, rank, process):
    deadline = time.monotonic() + 900
    while not ready():
        assert process.poll() is None, finished(process)
        assert time.monotonic() < deadline
        time.sleep(0.002)
    os.kill(worker(process.pid, rank), signal.SIGKILL)
    return finished(process)


def test_a_killed_process_is_one_clear_line_and_the_same_command_goes_on(llama, tmp_path):
    """First the process that writes is lost, then the other; at last one process alone goes on."""
    optimisation = STEPS | {"max_steps": 150}
    folder, partial = tmp_path / "m", tmp_path / "m.partial"
    args = training_args(folder, llama[1], llama[0], optimisation=optimisation)
    file = as_a_file(args, tmp_path)
    checkpoints = partial / "work"
    for rank, step in ((0, 5), (1, 40)):

        def ready(step=step):
            done = checkpoints.glob("checkpoint-*/complete.json")
            return any(int(one.parent.name.split("-")[1]) >= step for one in done)

        with start(TORCHRUN, "main_train.py", file) as process:
            said = kill_a_process_once(ready, rank, process)
        assert process.returncode == 1
        lines = [line for line in said.splitlines() if line.startswith("error: ")]
        assert len(lines) == 1, said
        assert lines[0].startswith(f"error: process {1 - rank} of 2 "), said
        assert "run the same command to resume" in lines[0]
        assert not folder.exists()
        assert not (partial / "manifest.json").exists()
    train(args)
    expected = tmp_path / "expected" / "m"
    train(training_args(expected, llama[1], llama[0], optimisation=optimisation))
    assert [row["tokens_seen"] for row in rows(folder)] == [
        row["tokens_seen"] for row in rows(expected)
    ]
    assert rows(folder)[-1]["loss"] == pytest.approx(rows(expected)[-1]["loss"], abs=1e-3)
    assert read_manifest(folder, "training")["processes"] == [2, 1]
    assert sorted(p.name for p in folder.iterdir()) == sorted(p.name for p in expected.iterdir())


# --------------------------------------------------------------------------------------------- before


def test_a_dry_run_is_the_work_of_one_process_of_a_machine(llama, tmp_path):
    args = as_a_file(training_args(tmp_path / "m", llama[1], llama[0]), tmp_path)
    script = (
        "import sys; sys.argv = ['main_train.py', *sys.argv[1:]]\n"
        "import runpy\n"
        "try: runpy.run_path('main_train.py', run_name='__main__')\n"
        "except SystemExit as stop: assert stop.code == 0, stop.code\n"
        "assert not {'torch', 'transformers', 'accelerate'} & set(sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(args), "--dry-run"],
        cwd=ROOT,
        env=os.environ | {"RANK": "1", "LOCAL_RANK": "1", "WORLD_SIZE": "2"},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_refusal_is_said_by_one_process_of_a_machine(tmp_path, monkeypatch, capfd):
    from src.config.command_line import run_stage
    from src.config.training import TrainingArgs

    (tmp_path / "a.yaml").write_text("output: 5\n")
    for local_rank, said in (("0", 1), ("1", 0)):
        monkeypatch.setenv("LOCAL_RANK", local_rank)
        assert run_stage(TrainingArgs, None, "", [str(tmp_path / "a.yaml")]) == 2
        assert capfd.readouterr().err.count("error: ") == said


def test_processes_that_cannot_meet_say_why_in_one_line(llama, tmp_path):
    file = as_a_file(training_args(tmp_path / "m", llama[1], llama[0]), tmp_path)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        group = {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1"}
        done = subprocess.run(
            [sys.executable, "main_train.py", file],
            cwd=ROOT,
            env=os.environ | group | {"MASTER_PORT": str(taken.getsockname()[1])},
            capture_output=True,
            text=True,
            timeout=300,
        )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "error: process 0 of 2 cannot meet the others: " in done.stderr
    assert "address already in use" in done.stderr
    assert not (tmp_path / "m.partial").exists()
