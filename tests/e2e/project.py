"""A small project in a folder of its own: shards, a tiny base model, and args files for all stages."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from tests import builders
from tests.demo_attributes import SENTIMENT

ROOT = Path(__file__).resolve().parents[2]

ATTRIBUTES: dict[str, Any] = {
    "toxicity": {
        "scorer": {"name": "profanity_check"},
        "labels": ["nontoxic", "toxic"],
        "quantiles": [0.6],
        "desired": "nontoxic",
        "words": {"nontoxic": ["polite"], "toxic": ["rude"]},
    },
    "sentiment": SENTIMENT,
}


class _PlainDumper(yaml.SafeDumper):
    """Writes a value that is used twice twice: the project refuses YAML's aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


class Project:
    """Runs the three mains as a user would, as processes of their own."""

    def __init__(self, folder: Path, shape: str = "gpt2", documents: int = 240) -> None:
        self.folder = folder
        self.base = getattr(builders, f"tiny_{shape}")(folder / "base")
        self.corpus = folder / "corpus"
        builders.pile_jsonl(self.corpus, n=documents)

    def args(self, name: str, content: Mapping[str, Any]) -> Path:
        """Write an args file, without its ending in the path returned, as users type it."""
        path = self.folder / "args" / f"{name.replace('/', '_')}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(yaml.dump(dict(content), Dumper=_PlainDumper, sort_keys=False), "utf-8")
        return path.with_suffix("")

    def dataset_args(self, output: str = "data", **changes: Any) -> Path:
        content = {
            "output": str(self.folder / output),
            "source": {"kind": "files", "path": str(self.corpus)},
            "attributes": ATTRIBUTES,
            "tokenizer": {"base": str(self.base)},
            "min_words": 4,
            "context_length": 96,
            "untagged_fraction": 0.05,
            "validation": {"document_share": 0.3, "sentences": 24, "min_words": 4, "max_words": 30},
            "executor": {"workers": 1, "tasks": 3},
            "seed": 3,
        }
        return self.args(f"dataset_{output}", content | changes)

    def train_args(self, output: str, condition_on: list[str], **changes: Any) -> Path:
        content = {
            "output": str(self.folder / output),
            "dataset": str(self.folder / "data"),
            "model": {"name": str(self.base)},
            "condition_on": condition_on,
            "optimisation": {"learning_rate": 3e-3, "batch_sentences": 8, "max_sentences": 96},
            "checkpoints": {"every_steps": 4, "evaluation_sentences": 16},
            "device": "cpu",
            "seed": 5,
        }
        return self.args(f"train_{output}", content | changes)

    def evaluate_args(self, output: str, models: Mapping[str, Any], **changes: Any) -> Path:
        content = {
            "output": str(self.folder / output),
            "dataset": str(self.folder / "data"),
            "models": dict(models),
            "prompts": [{"kind": "unprompted", "count": 12}, {"kind": "validation", "count": 8}],
            "decodings": {
                "sample": {"top_p": 0.9, "max_length": 12},
                "contrast": {
                    "top_p": 0.9,
                    "max_length": 12,
                    "contrast_weights": {"toxicity": 1.0, "sentiment": 1.0},
                },
            },
            "batch_size": 8,
            "device": "cpu",
        }
        return self.args(f"evaluate_{output}", content | changes)


def environment() -> dict[str, str]:
    """The process's own, without hubs and with one thread, so that runs are comparable."""
    return os.environ | {
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }


def run(main: str, *arguments: object, expect: int = 0) -> subprocess.CompletedProcess[str]:
    """Run `main_<main>.py` and check its exit code."""
    done = subprocess.run(
        [sys.executable, f"main_{main}.py", *map(str, arguments)],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=300,
    )
    said = f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert done.returncode == expect, said
    if expect == 2:
        assert "Traceback" not in done.stderr, said
        assert done.stderr.count("error:") == 1, said
    return done


def kill_when(main: str, *arguments: object, ready: Callable[[], bool]) -> None:
    """Start `main_<main>.py` and kill -9 its whole group as soon as `ready()` holds."""
    process = subprocess.Popen(
        [sys.executable, f"main_{main}.py", *map(str, arguments)],
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 120
    while process.poll() is None and not ready():
        assert time.monotonic() < deadline, "never ready to be killed"
        time.sleep(0.01)
    assert process.poll() is None, "it ended before it could be killed"
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder by its relative name."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
