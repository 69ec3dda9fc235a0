"""An evaluation under `torchrun`: whole batches are shared out, and the results are those of one process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from src.evaluation import batch_steps as steps
from src.evaluation.run import evaluate

ROOT = Path(__file__).resolve().parents[3]
SWEEP = {
    "model": "M-TS",
    "condition": {"toxicity": "nontoxic", "sentiment": "pos"},
    "decoding": "contrast",
    "contrast_weights": {"sentiment": [1.0, 3.0]},
    "prompts": {"kind": "unprompted", "count": 5},
}
CHANGES = {"sweep": SWEEP, "choose": {"perplexity_ratio_at_most": 1000.0}, "batch_size": 2}


def under_torchrun(args, *flags, script="main_evaluate.py"):
    """`main_evaluate.py`, or a script that runs it, in two processes."""
    file = args.output.with_suffix(".yaml")
    file.write_text(args.model_dump_json(), encoding="utf-8")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2"]
    return subprocess.run(
        [*torchrun, script, file, *flags],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=280,
    )


@pytest.fixture
def alone(project, monkeypatch):
    """The same evaluation in this process, and how many pieces of work it wrote."""
    real, paths = steps.write_work, []
    monkeypatch.setattr(
        steps, "write_work", lambda path, *rest: (paths.append(path.name), real(path, *rest))
    )
    evaluate(project.args("by_one", **CHANGES))
    return project.folder / "by_one", len(paths)


def test_two_processes_write_the_same_bytes_as_one(project, alone):
    folder, n_pieces = alone
    # Three steps of: three cells of five and of four texts, and three trials of five, in twos.
    assert n_pieces == 3 * (3 * 3 + 3 * 2 + 3 * 3)
    args = project.args("shared", **CHANGES)
    done = under_torchrun(args)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("More: ") == 1
    for name in ("metrics.json", "generations.parquet", "tables.md", "tables.csv", "tables.tex"):
        assert (args.output / name).read_bytes() == (folder / name).read_bytes(), name
    assert not args.output.with_name("shared.partial").exists()


HUB_AWAY_IN = """
import os, runpy, sys
import src.evaluation.run
from src.errors import UnavailableError

def away(*_, **__):
    raise UnavailableError("the hub is away")

if os.environ["RANK"] in RANKS:
    src.evaluation.run.find_inputs = away
runpy.run_path("main_evaluate.py", run_name="__main__")
"""


@pytest.mark.parametrize(
    "ranks, line",
    [("1", "error: process 1 of 2: the hub is away"), ("01", "error: the hub is away")],
)
def test_an_input_that_is_missing_is_said_once_whichever_process_missed_it(
    project, tmp_path, ranks, line
):
    script = tmp_path / "evaluate.py"
    script.write_text(HUB_AWAY_IN.replace("RANKS", repr(ranks)), encoding="utf-8")
    done = under_torchrun(project.args("away"), script=script)
    assert done.returncode != 0
    assert [one for one in done.stderr.splitlines() if one.startswith("error: ")] == [line]
    assert not (project.folder / "away").exists()
