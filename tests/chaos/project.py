"""The small project of the chaos tests: its files, and what each stage needs to have been made before it."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from src.published.trained_model import TIMING
from tests.chaos.commands import Command, Commands, Ended, snapshot


class Call(NamedTuple):
    """A stage's command line."""

    script: str
    args_file: str
    output: str


_STAGES = {
    "dataset": ("main_dataset_create.py", "dataset_data", "data"),
    "training": ("main_train.py", "train_model", "model"),
    "evaluation": ("main_evaluate.py", "evaluate_results", "results"),
}


class ChaosProject:
    """A corpus, a base model and args files; the stages before the one asked for run where it needs them."""

    def __init__(self, commands: Commands, folder: Path) -> None:
        self._commands, self.folder = commands, folder
        self.undisturbed: dict[tuple[str, ...], dict[str, Any]] = {}  # results, by command line
        commands.run("tests/chaos/make_project.py", folder)

    def call(self, stage: str, parent: Path) -> tuple[Call, Path]:
        """The command of a stage, with a folder in `parent` as its output; what it reads is there.

        Returns:
            (the command, the folder that it publishes).
        """
        for before in list(_STAGES)[: list(_STAGES).index(stage)]:
            script, args_file, name = _STAGES[before]
            if not (self.folder / name).exists():
                self._commands.run(script, self.folder / "args" / args_file)
        script, args_file, name = _STAGES[stage]
        run = parent / name
        return Call(script, str(self.folder / "args" / args_file), f"output={run}"), run


def comparable(files: dict[str, bytes]) -> dict[str, bytes]:
    """What of a run's files must be equal: all bytes but the speed, which no two runs share."""
    return {name: raw for name, raw in files.items() if name != TIMING}


class Disturbed:
    """A stage's command in a place of its own, with and without a fault."""

    def __init__(
        self,
        commands: Commands,
        project: ChaosProject,
        stage: str,
        parent: Path,
        seen: Path,
        overrides: Sequence[str] = (),
    ) -> None:
        """Prepare.

        Args:
            commands: where to start it.
            project: what it reads.
            stage: `dataset`, `training` or `evaluation`.
            parent: where it publishes, alone; made here.
            seen: the same folder as the test sees it (on the small disk another path).
            overrides: `key=value` on the command line.
        """
        self._commands, self._project, self._parent = commands, project, parent
        call, run = project.call(stage, parent)
        self.call = (*call, *overrides)
        self.parent, self.run = seen, seen / run.name
        self.partial = seen / f"{run.name}.partial"
        seen.mkdir(parents=True)

    def start(self, *flags: str, **watch: Any) -> Command:
        """Start the command, `watch` as in `file_steps.watch`."""
        watched = {"below": str(self._parent), **watch} if watch else None
        return self._commands.start(*self.call, *flags, watch=watched)

    def go(self, *flags: str, expect: int = 0, **watch: Any) -> Ended:
        """Run the command to its end."""
        watched = {"below": str(self._parent), **watch} if watch else None
        return self._commands.run(*self.call, *flags, expect=expect, watch=watched)

    def killed_before(self, step: str) -> None:
        """Run the command, and kill it before a step on the file system."""
        self.go(expect=-9, strike="kill", at=step)

    def undisturbed(self) -> dict[str, Any]:
        """The result without a fault; run once for each command line."""
        known = self._project.undisturbed
        if self.call not in known:
            self.go()
            known[self.call] = self.result()
        return known[self.call]

    def result(self) -> dict[str, Any]:
        """What it published, alone in its folder; taken away."""
        assert [path.name for path in self.parent.iterdir()] == [self.run.name]
        files = comparable(snapshot(self.run))
        shutil.rmtree(self.run)
        return files
