"""Run folders: written aside, described by a manifest, published in one step.

A stage writes into `<run>.partial/`, writes `manifest.json` last, then renames. A folder without a
manifest is unfinished, and the next stage refuses it. The same args again resume an unfinished run or
find it done. Other args on a finished run are an error that lists the differences; on an unfinished one,
the stage says what of it fits them too.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from src.artifacts.atomic_files import file_sha256, files_below, temporary, write_json_atomically
from src.artifacts.manifest import (
    MANIFEST,
    check_schema,
    partial_folder,
    read_manifest,
)
from src.artifacts.manifest_schema import SCHEMA_VERSIONS
from src.artifacts.provenance import git_commit, package_versions
from src.errors import ArtifactError, UnavailableError

logger = logging.getLogger(__name__)

ARGS = "args.json"
Status = Literal["fresh", "resumed", "done"]
Fits = Callable[[Mapping[str, Any], Path], Collection[str] | None]
"""(args of an unfinished run, its folder) → names in the folder that fit other args too, none where nothing
that took long is there yet; None: something would be lost."""


def never_fits(before: Mapping[str, Any], partial: Path) -> None:
    """An unfinished run of other args is refused."""


class Run:
    """One stage's output folder while it is being made; of several processes, only the main one enters it.

    Use as a context manager: it holds a lock, so that two runs on one output cannot mix.

        with Run(folder, "dataset", args) as run:
            if run.status != "done":
                ... write into run.partial ...
                run.publish(rows=…)
    """

    def __init__(
        self,
        folder: Path,
        stage: str,
        args: Mapping[str, Any],
        *,
        overwrite: bool = False,
        keep_on_overwrite: Collection[str] = (),
        fits: Fits = never_fits,
    ) -> None:
        """Prepare, without touching the disk.

        Args:
            folder: where the finished run will be.
            stage: `dataset`, `training` or `evaluation`.
            args: the resolved args as JSON; a run is resumed only with equal ones.
            overwrite: delete what is there and start anew.
            keep_on_overwrite: names inside an unfinished run that overwriting leaves there; the stage itself
                decides whether they fit the new args.
            fits: what the stage does with an unfinished run of other args.
        """
        self.folder, self.stage = Path(folder), stage
        self.args = json.loads(json.dumps(args, allow_nan=False))
        self.partial = partial_folder(self.folder)
        self.status: Status = "fresh"
        self._retired = self.folder.with_name(self.folder.name + ".replaced")
        self._overwrite = overwrite
        self._fits = fits
        self._kept = frozenset(keep_on_overwrite)
        self._lock: int | None = None

    def __enter__(self) -> Run:
        try:
            self._enter()
        except OSError as error:
            self._unlock()
            raise UnavailableError(
                f"{self.folder} cannot be written ({error.strerror or error})",
                fix="set an output folder that this user may write to",
            ) from error
        except BaseException:
            # Also where the user interrupts: `with` calls no `__exit__` for an `__enter__` that failed.
            # Nothing is kept back, the error goes on.
            self._unlock()
            raise
        return self

    def _enter(self) -> None:
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        if self.folder.exists() and not self._overwrite and not self.partial.exists():
            self.check_args()
            shutil.rmtree(self._retired, ignore_errors=True)  # of a run killed while it was removed
            self.status = "done"
            return
        self.partial.mkdir(exist_ok=True)
        if not self._take_lock():
            self._enter()  # the other run finished in between: look again
            return
        if self._overwrite:
            _empty(self.partial, self._kept)
        elif (self.partial / MANIFEST).is_file():
            # Killed between the manifest and the new name: all that is left is to publish.
            content = json.loads((self.partial / MANIFEST).read_text(encoding="utf-8"))
            check_schema(self.partial, self.stage, content["schema_version"], content["stage"])
            self._check_same(content["args"])
            self._give_final_name()
            return
        elif (self.partial / ARGS).is_file():
            self.status = self._go_on(json.loads((self.partial / ARGS).read_text(encoding="utf-8")))
        elif self.folder.exists():
            # Another run published it a moment ago, or --overwrite was killed before it began.
            shutil.rmtree(self.partial)
            self._unlock()
            self._enter()
            return
        else:
            _empty(self.partial)
        write_json_atomically(self.partial / ARGS, self.args)

    def check_args(self) -> None:
        """Raise ArtifactError where the folder holds a run of other args, or something that is no run."""
        for path in (self.partial / MANIFEST, self.partial / ARGS):
            if path.is_file():
                content = json.loads(path.read_text(encoding="utf-8"))
                if path.name == MANIFEST:
                    self._check_same(content["args"])
                elif self._fits(content, self.partial) is None:
                    self._check_same(content)
                return
        if self.folder.exists() and not self.partial.exists():
            self._check_same(self._args_of_finished())

    def _args_of_finished(self) -> dict[str, Any]:
        if not (self.folder / MANIFEST).is_file():
            raise ArtifactError(
                f"{self.folder} exists and is not a finished run: it has no {MANIFEST}",
                fix="move it away, set another output folder, or replace it with --overwrite",
            )
        return read_manifest(self.folder, self.stage, verify=False)["args"]

    def _go_on(self, before: dict[str, Any]) -> Status:
        """Take over what an unfinished run did, as far as it fits these args."""
        different = differences(before, self.args)
        if not different:
            return "resumed"
        kept = self._fits(before, self.partial)
        if kept is None:
            raise self._made_with_other(different)
        used = f"{', '.join(kept)} is used again" if kept else "nothing of it is used"
        logger.info("an unfinished run of other args: %s (%s)", used, "; ".join(different))
        _empty(self.partial, {*kept, ARGS})  # without its args it would be taken for nobody's
        return "resumed" if kept else "fresh"

    def _check_same(self, before: dict[str, Any]) -> None:
        different = differences(before, self.args)
        if different:
            raise self._made_with_other(different)

    def _made_with_other(self, different: Sequence[str]) -> ArtifactError:
        return ArtifactError(
            f"{self.folder} was made with other args:\n  " + "\n  ".join(different) + "\n",
            fix="set another output folder, or replace it with --overwrite",
        )

    def _take_lock(self) -> bool:
        """Lock the unfinished folder; False where it is no longer the folder of that name."""
        try:
            self._lock = os.open(self.partial, os.O_RDONLY)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ArtifactError(
                f"another run is writing to {self.partial}", fix="wait for it, or stop it"
            ) from error
        # Another run may have published the folder since it was opened: the lock would be on its result.
        try:
            if os.path.samestat(os.fstat(self._lock), self.partial.stat()):
                return True
        except FileNotFoundError:
            pass
        self._unlock()
        return False

    def __exit__(self, *_: object) -> None:
        self._unlock()

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def publish(self, *, unhashed: Collection[str] = (), **facts: Any) -> None:
        """Write the manifest last, then give the folder its final name.

        Nothing in the manifest depends on the clock, so that an undisturbed and a resumed run are equal.

        Args:
            unhashed: files that tell how the run went, such as its speed: not part of what was made.
            facts: what the stage has to say: attributes, seed, scorers, counts, made_from …
        """
        # Left by a run killed while it wrote its manifest: no file of the run.
        temporary(self.partial / MANIFEST).unlink(missing_ok=True)
        content = {
            "schema_version": SCHEMA_VERSIONS[self.stage],
            "stage": self.stage,
            "args": self.args,
            "git_commit": git_commit(),
            "packages": package_versions(),
            **json.loads(json.dumps(facts, allow_nan=False)),
            "files": self._describe_files(unhashed),
        }
        write_json_atomically(self.partial / MANIFEST, content)
        self._give_final_name()

    def _describe_files(self, unhashed: Collection[str]) -> dict[str, dict[str, Any]]:
        own = {self.partial / name for name in (ARGS, MANIFEST, *unhashed)}
        return {
            path.relative_to(self.partial).as_posix(): {
                "bytes": path.stat().st_size,
                "sha256": file_sha256(path),
            }
            for path in files_below(self.partial)
            if path not in own
        }

    def _give_final_name(self) -> None:
        (self.partial / ARGS).unlink(missing_ok=True)
        if self.folder.exists():
            shutil.rmtree(self._retired, ignore_errors=True)
            self.folder.rename(self._retired)
        self.partial.rename(self.folder)
        shutil.rmtree(self._retired, ignore_errors=True)
        self.status = "done"


def _empty(folder: Path, kept: Collection[str] = ()) -> None:
    for child in folder.iterdir():
        if child.name not in kept:
            shutil.rmtree(child) if child.is_dir() and not child.is_symlink() else child.unlink()


def differences(before: Any, now: Any, path: str = "") -> list[str]:
    """What differs between two JSON values, one line per place: `a.b: was 1, now 2`."""
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        lines = []
        for key in sorted({*before, *now}, key=str):
            here = f"{path}.{key}" if path else str(key)
            if key not in before:
                lines.append(f"{here}: was not set, now {now[key]!r}")
            elif key not in now:
                lines.append(f"{here}: was {before[key]!r}, now not set")
            else:
                lines.extend(differences(before[key], now[key], here))
        return lines
    return [] if before == now else [f"{path}: was {before!r}, now {now!r}"]
