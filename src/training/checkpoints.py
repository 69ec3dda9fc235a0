"""Checkpoints: finding the one to go on from, and giving out plain Hugging Face folders.

What a run goes on from lives in `work/checkpoint-N` until the run is published: the model, a plain Hugging
Face folder, and the optimiser's state. A marker that is written last says that one is complete. Its model is
given out as `checkpoints/step-NNNNNN`, its files hard links where the disk can: no weight is written twice.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from src.artifacts.atomic_files import write_json_atomically
from src.errors import ArtifactError
from src.published.trained_model import CHECKPOINTS, FINAL
from src.training.layout import WORK

MARKER = "complete.json"
MODEL = "model"


@dataclass(frozen=True)
class Progress:
    """What a complete checkpoint says of the run so far.

    Attributes:
        step: optimiser steps done.
        tokens_seen: targets trained on.
        finished: whether this is the last step.
    """

    step: int
    tokens_seen: int
    finished: bool


class Checkpoints:
    """The checkpoints of one unfinished run."""

    def __init__(self, partial: Path, keep: int | None) -> None:
        """Prepare, without touching the disk.

        Args:
            partial: the run's unfinished folder.
            keep: checkpoints given out that stay, the newest; None for all.
        """
        self._work = partial / WORK
        self._published = partial / CHECKPOINTS
        self._final = partial / FINAL
        self._keep = keep

    def folder(self, step: int) -> Path:
        """Where the checkpoint of a step is written."""
        return self._work / f"checkpoint-{step}"

    def newest(self) -> tuple[Path, Progress] | None:
        """The newest complete checkpoint, if there is one."""
        found = []
        for marker in self._work.glob(f"checkpoint-*/{MARKER}"):
            progress = _read_progress(marker)
            found.append((progress.step, marker.parent, progress))
        return max(found)[1:] if found else None

    def clean(self) -> None:
        """Remove what a killed run left half-written, and what it gave out after the newest complete one."""
        newest = self.newest()
        step = newest[1].step if newest else 0
        for folder in self._work.glob("checkpoint-*"):
            if newest is None or folder != newest[0]:
                shutil.rmtree(folder)
        for folder in self._published.glob("*"):
            if folder.name.startswith(".") or int(folder.name.removeprefix("step-")) > step:
                shutil.rmtree(folder)

    def complete(self, progress: Progress, *, publish: bool) -> None:
        """Mark a checkpoint as complete, give out its model, and drop the ones before it.

        Args:
            progress: what the marker says.
            publish: whether it stays as `checkpoints/step-NNNNNN`.
        """
        folder = self.folder(progress.step)
        if publish:
            _link_folder(folder / MODEL, self._published / f"step-{progress.step:06d}")
            if self._keep is not None:
                for old in self.published()[: -self._keep]:
                    shutil.rmtree(old)
        _flush(folder)
        write_json_atomically(folder / MARKER, asdict(progress))
        for other in self._work.glob("checkpoint-*"):
            if other != folder:
                shutil.rmtree(other)

    def published(self) -> list[Path]:
        """The checkpoints given out, oldest first."""
        return sorted(
            self._published.glob("step-*"), key=lambda path: int(path.name.removeprefix("step-"))
        )

    def is_final(self) -> bool:
        """Whether a killed run had come as far as removing its work: all that is left is to publish."""
        return self._final.exists() and not self._work.exists()

    def finish(self) -> None:
        """Give out the last checkpoint as `final`."""
        newest = self.newest()
        if newest is not None:
            _link_folder(newest[0] / MODEL, self._final)

    def discard_work(self) -> None:
        """Remove what is not part of the finished run, in one step as seen from a run after a kill."""
        discarded = self._work.with_name(".discarded")
        if self._work.exists():
            shutil.rmtree(discarded, ignore_errors=True)
            self._work.rename(discarded)
        shutil.rmtree(discarded, ignore_errors=True)


def _read_progress(marker: Path) -> Progress:
    content = json.loads(marker.read_text(encoding="utf-8"))
    try:
        return Progress(**content)
    except TypeError as error:
        raise ArtifactError(
            f"the checkpoint {marker.parent} is another version's of this program",
            got=", ".join(content),
            allowed=", ".join(f.name for f in fields(Progress)),
            fix="start anew with --overwrite",
        ) from error


def _link_folder(source: Path, target: Path) -> None:
    """A folder with the files of another."""
    temporary = target.with_name(f".{target.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    for path in sorted(source.iterdir()):
        try:
            os.link(path, temporary / path.name)
        except OSError:  # a file system without hard links
            shutil.copyfile(path, temporary / path.name)
    shutil.rmtree(target, ignore_errors=True)
    temporary.rename(target)


def _flush(folder: Path) -> None:
    """Bring every file to the disk before the marker says that they are there."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as handle:
                os.fsync(handle.fileno())
