"""kill -9, again and again, each time resumed by the same command, and what is left compared."""

from __future__ import annotations

import json
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from src.runtime.randomness import keyed_uniform
from tests.chaos.commands import Command, Commands, assert_nothing_half_published, snapshot
from tests.chaos.project import comparable

KILLS_IN_CI = 25


@dataclass
class Figures:
    """What a chaos test did.

    Attributes:
        stage: which of the three.
        how: `moments` (kills at random moments) or `steps` (kills before steps on the file system).
        kills: commands killed.
        resumes: commands that went on with what a killed one had left.
        finished: runs that came to their end and were compared with the undisturbed one.
        differences: files that differed. Zero, or the test fails.
        left_behind: files and folders beside the finished run. Zero, or the test fails.
    """

    stage: str
    how: str
    kills: int = 0
    resumes: int = 0
    finished: int = 0
    differences: int = 0
    left_behind: int = 0


class Chaos:
    """One stage's command, its undisturbed result, and the folder where it is made."""

    def __init__(
        self,
        commands: Commands,
        stage: str,
        call: tuple[str, str],
        run: Path,
    ) -> None:
        """Run the command undisturbed.

        Args:
            commands: where to start it.
            stage: `dataset`, `training` or `evaluation`.
            call: the script and its args file.
            run: the folder that it publishes, alone in its parent.
        """
        self._commands, self.stage, self._call, self.run = commands, stage, call, run
        self._clear()
        started = time.monotonic()
        commands.run(*call)
        self.seconds = time.monotonic() - started
        self._undisturbed = comparable(snapshot(run))
        assert self._undisturbed

    def kill_at_moments(self, kills: int) -> Figures:
        """Kill after a random share of the time that an undisturbed run takes."""
        figures = Figures(self.stage, "moments")
        self._clear()
        while figures.kills < kills:
            key = f"{self.stage}/{figures.kills}/{figures.finished}"
            moment = self.seconds * keyed_uniform(0, "moment of the kill", key)
            command = self._start(figures)
            if command.ends_within(moment):
                self._finished(figures, command.wait().code)
                continue
            command.kill()
            if command.wait().code == 0:  # it ended in the last instant
                self._finished(figures, 0)
                continue
            figures.kills += 1
            assert_nothing_half_published(self.run, self.stage)
        self._finished(figures, self._start(figures).wait().code)
        return figures

    def kill_before_steps(self, ledger: Path, *, each_file: bool) -> Figures:
        """Kill before the first step on the file system that no kill has come before yet.

        So every kind of step is once the one that was not taken, those of cleaning up after a kill included.

        Args:
            ledger: file for the names of the steps.
            each_file: see `file_steps.watch`.
        """
        figures = Figures(self.stage, "steps")
        watch = {"below": str(self.run.parent), "strike": "kill", "seen": str(ledger)}
        watch["each_file"] = each_file
        self._clear()
        while (ended := self._start(figures, watch).wait()).code == -signal.SIGKILL:
            figures.kills += 1
            assert_nothing_half_published(self.run, self.stage)
        self._finished(figures, ended.code)
        return figures

    def _start(self, figures: Figures, watch: dict[str, Any] | None = None) -> Command:
        figures.resumes += any(self.run.parent.iterdir())
        return self._commands.start(*self._call, watch=watch)

    def _finished(self, figures: Figures, code: int) -> None:
        """Compare a run that came to its end, and clear the place for the next."""
        assert code == 0, f"exit {code} after {figures}"
        found = comparable(snapshot(self.run))
        names = {*found, *self._undisturbed}
        differing = sorted(n for n in names if found.get(n) != self._undisturbed.get(n))
        left = sorted(p.name for p in self.run.parent.iterdir() if p != self.run)
        figures.finished += 1
        figures.differences += len(differing)
        figures.left_behind += len(left)
        assert differing == [], figures
        assert left == [], figures
        self._clear()

    def _clear(self) -> None:
        shutil.rmtree(self.run.parent, ignore_errors=True)
        self.run.parent.mkdir(parents=True)


def report(figures: Figures, folder: Path, record_property: Callable[[str, str], None]) -> None:
    """Keep the figures as JSON in a folder, and for the line that pytest prints at its end."""
    facts = asdict(figures)
    path = folder / f"chaos_{figures.stage}_{figures.how}.json"
    path.write_text(json.dumps(facts) + "\n", encoding="utf-8")
    record_property("chaos", ", ".join(f"{key} {value}" for key, value in facts.items()))
