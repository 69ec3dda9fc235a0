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
    assert len(RUNS) == len(steps) - 3  # without the environment, the assets and the first texts


@pytest.mark.parametrize("main, args_file", RUNS)
def test_every_step_s_args_are_there(main, args_file, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert load_args(MODELS[main], args_file)


def test_texts_are_shown_of_the_first_model():
    model = load_args(TrainingArgs, RUNS[1][1]).output
    assert f"generate.py {model} " in SCRIPT
    assert SCRIPT.index(RUNS[1][1]) < SCRIPT.index("generate.py") < SCRIPT.index(RUNS[2][1])
