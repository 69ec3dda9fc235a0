"""The small project of the chaos tests: its files, and what each stage needs to have been made before it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from tests.chaos.commands import Commands


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
    """A corpus, a base model and args files; the stages before the one under test run when it is asked for."""

    def __init__(self, commands: Commands, folder: Path) -> None:
        self._commands, self.folder = commands, folder
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
