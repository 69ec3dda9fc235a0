"""The quickstart script and the args files it runs, kept in step."""

import re
from pathlib import Path

import pytest

from src.config.dataset import DatasetArgs
from src.config.evaluation import EvaluationArgs
from src.config.loading import load_args
from src.config.training import TrainingArgs

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = (ROOT / "scripts" / "quickstart.sh").read_text(encoding="utf-8")
RUNS = re.findall(r'"\$python" (main_\w+\.py) (\S+)', SCRIPT)
MODELS = {
    "main_dataset_create.py": DatasetArgs,
    "main_train.py": TrainingArgs,
    "main_evaluate.py": EvaluationArgs,
}


def test_the_steps_are_counted_right():
    steps = re.findall(r'^step "', SCRIPT, flags=re.MULTILINE)
    assert f"n_steps={len(steps)}\n" in SCRIPT
    assert len(RUNS) == len(steps) - 2  # without the environment and the assets


@pytest.mark.parametrize("main, args_file", RUNS)
def test_what_a_step_makes_is_listed_at_the_end(main, args_file, monkeypatch):
    monkeypatch.chdir(ROOT)
    args = load_args(MODELS[main], args_file)
    listed = re.search(r"outputs=\((.*)\)", SCRIPT)[1].split()
    assert str(args.output) in listed


def test_nothing_else_is_listed():
    assert len(re.search(r"outputs=\((.*)\)", SCRIPT)[1].split()) == len(RUNS)
