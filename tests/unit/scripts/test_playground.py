"""The playground's command line; the page itself is tested in a real browser (tests/e2e)."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from urllib.request import proxy_bypass

import pytest

from scripts.playground import (
    NOT_ASKED,
    is_loopback,
    main,
    question_of,
    reach_without_proxy,
)
from src.errors import UserError
from src.evaluation.playground.exchange import Question

ROOT = Path(__file__).resolve().parents[3]
LABELS = {"toxicity": ("nontoxic", "toxic"), "sentiment": ("neg", "pos")}
CONTROLS = {
    "models": ["m"], "prompt": "The film", "label toxicity": "nontoxic", "weight toxicity": 1.5,
    "label sentiment": NOT_ASKED, "weight sentiment": 0, "top_p": 0.8, "temperature": 1,
    "min_length": 2, "max_length": 20, "samples": 3, "seed": 7, "placement": "before_prompt",
}  # fmt: skip


def test_the_controls_make_the_question():
    assert question_of(CONTROLS, LABELS) == Question(
        prompt="The film",
        condition={"toxicity": "nontoxic"},
        weights={"toxicity": 1.5, "sentiment": 0},
        top_p=0.8,
        temperature=1,
        min_length=2,
        max_length=20,
        samples=3,
        seed=7,
        placement="before_prompt",
    )


@pytest.mark.parametrize("change", [{"seed": None}, {"samples": "many"}])
def test_an_empty_number_is_one_clear_line(change):
    with pytest.raises(UserError, match="a number is missing"):
        question_of(CONTROLS | change, LABELS)


@pytest.mark.parametrize(
    "host, only_here",
    [("127.0.0.1", True), ("localhost", True), ("::1", True), ("0.0.0.0", False), ("10.0.0.5", False),
     ("example.org", False)],
)  # fmt: skip
def test_what_only_this_computer_can_reach(host, only_here):
    assert is_loopback(host) is only_here


def test_without_gradio_one_line_says_how_to_get_it(monkeypatch, capsys):
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *rest: None if name == "gradio" else real(name, *rest),
    )
    assert main([]) == 2
    said = capsys.readouterr().err.splitlines()
    assert said == [
        "error: the playground needs gradio, which is not installed; "
        "python -m pip install -r scripts/requirements_playground.txt"
    ]


def test_folders_that_are_no_finished_runs_end_it_at_once(tmp_path, capsys, monkeypatch):
    (tmp_path / "models" / "m").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert main(["models/m"]) == 2
    assert "models/m is unfinished" in capsys.readouterr().err
    assert main([]) == 2
    assert "no finished training run" in capsys.readouterr().err


def test_help_answers_without_the_heavy_libraries():
    script = (
        "import runpy, sys; sys.argv = ['playground', '--help']\n"
        "try: runpy.run_path('scripts/playground.py', run_name='__main__')\n"
        "except SystemExit as stop: assert stop.code == 0, stop.code\n"
        "assert not {'torch', 'transformers', 'gradio'} & set(sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert "127.0.0.1" in done.stdout
    assert "--share" not in done.stdout


@pytest.mark.parametrize("before", [None, "", "intra.example", "localhost,127.0.0.1"])
def test_the_page_is_reached_without_the_user_s_proxy(monkeypatch, before):
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, before or "")
        if before is None:
            monkeypatch.delenv(name)
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://192.0.2.1:9")  # an address that nobody has
    reach_without_proxy("127.0.0.1")
    assert proxy_bypass("127.0.0.1:7860")
    assert proxy_bypass("localhost:7860")
    assert bool(proxy_bypass("intra.example")) == (before == "intra.example")
    assert not proxy_bypass("elsewhere.example")
