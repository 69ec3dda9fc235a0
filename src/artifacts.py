"""Run folders: written aside, described by a manifest, published in one step.

A stage writes into `<run>.partial/`, writes `manifest.json` last, then renames. A folder without a
manifest is unfinished, and the next stage refuses it. The same args again resume an unfinished run or
find it done; other args on an existing run are an error that lists the differences.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import platform
import shutil
import subprocess
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path, PurePath
from typing import Any, Literal

from src.errors import ArtifactError, UnavailableError, UserError

SCHEMA_VERSIONS = {"dataset": 1, "training": 1, "evaluation": 2}
"""Raise a stage's when what it writes changes so that this code cannot read an older folder any more."""
MANIFEST = "manifest.json"
ARGS = "args.json"
RECORDED_PACKAGES = (
    "torch",
    "transformers",
    "tokenizers",
    "datasets",
    "datatrove",
    "detoxify",
    "vaderSentiment",
    "alt-profanity-check",
    "scikit-learn",
    "sentencex",
    "pyarrow",
    "numpy",
)
REPOSITORY = Path(__file__).resolve().parent.parent

STAGE_COMMANDS = {"dataset": "dataset_create", "training": "train", "evaluation": "evaluate"}

Status = Literal["fresh", "resumed", "done"]


def file_sha256(path: Path) -> str:
    """Hex sha256 of a file's bytes, read in blocks."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def json_sha256(value: Any) -> str:
    """Hex sha256 of a JSON value in canonical form (sorted keys, no spaces)."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _temporary(path: Path) -> Path:
    """Where a file is until it is written."""
    return path.with_name(f".{path.name}.tmp")


def write_text_atomically(path: Path, text: str) -> None:
    """Write a file so that a reader sees the old content or the new one, never a part."""
    temporary = _temporary(path)
    with temporary.open("w", encoding="utf-8", newline="\n") as handle:
        handle.write(text)
        handle.flush()
        os.fsync(handle.fileno())
    temporary.replace(path)


def write_json_atomically(path: Path, value: Any) -> None:
    """`write_text_atomically` for a JSON value, readable, with a final newline. NaN is refused."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    write_text_atomically(path, text + "\n")


def files_below(folder: Path) -> Iterator[Path]:
    """Regular files below a folder, sorted by their path."""
    return iter(sorted(p for p in folder.rglob("*") if p.is_file()))


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


def git_commit() -> str:
    """The commit of this code, with `+changes` where the tree differs; `unknown` without git."""
    command = [
        "git",
        "-C",
        str(REPOSITORY),
        "describe",
        "--always",
        "--dirty=+changes",
        "--abbrev=40",
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return done.stdout.strip() or "unknown"


def package_versions() -> dict[str, str]:
    """Versions of the packages whose behaviour can change a result."""
    versions = {"python": platform.python_version()}
    for package in RECORDED_PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return versions


def check_disk_space(folder: Path, needed_bytes: int) -> None:
    """Raise UnavailableError where less than `needed_bytes` are free on the disk of `folder`."""
    existing = next(p for p in (folder, *folder.resolve().parents) if p.exists())
    free = shutil.disk_usage(existing).free
    if free < needed_bytes:
        raise UnavailableError(
            f"not enough disk space for {folder}: {needed_bytes / 1e9:.1f} GB needed",
            got=f"{free / 1e9:.1f} GB free",
            fix="free some space or set another output folder",
        )


@dataclass(frozen=True)
class Manifest:
    """A finished run's description, with the folder it was read from."""

    folder: Path
    content: dict[str, Any]

    @property
    def sha256(self) -> str:
        """What later stages record of this run."""
        return json_sha256(self.content)

    def __getitem__(self, key: str) -> Any:
        return self.content[key]

    def get(self, key: str, default: Any = None) -> Any:
        """As a dict's `get`."""
        return self.content.get(key, default)


def read_manifest(folder: Path, stage: str, *, verify: bool = True) -> Manifest:
    """Read a finished run of the stage before.

    Args:
        folder: the run's folder.
        stage: what it must have been made by (`dataset`, `training`, `evaluation`).
        verify: also compare every file's size and sha256 with the manifest.

    Raises:
        ArtifactError: missing, unfinished, made by another stage or schema, or changed since.
    """
    command = f"main_{STAGE_COMMANDS[stage]}.py"
    path = folder / MANIFEST
    if not path.is_file():
        partial = partial_folder(folder)
        if partial.exists() or folder.exists():
            raise ArtifactError(
                f"{folder} is unfinished: it has no {MANIFEST}", fix=f"finish it with {command}"
            )
        raise ArtifactError(f"{folder} does not exist", fix=f"make it with {command}")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        found = (content["schema_version"], content["stage"])
        files = [(name, one["bytes"], one["sha256"]) for name, one in content["files"].items()]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ArtifactError(
            f"{path} cannot be read ({error})", fix=f"make it again with {command}"
        ) from error
    _check_schema(folder, stage, *found)
    if verify:
        _verify_files(folder, files)
    return Manifest(folder, content)


def _check_schema(folder: Path, stage: str, schema: Any, made_by: Any) -> None:
    command = f"main_{STAGE_COMMANDS[stage]}.py"
    if made_by != stage:
        raise ArtifactError(
            f"{folder} was made by another stage",
            got=made_by,
            allowed=stage,
            fix=f"name a folder made by {command}",
        )
    if schema != SCHEMA_VERSIONS[stage]:
        raise ArtifactError(
            f"{folder} was made by another version of this program, whose files this one does not read",
            got=f"schema {schema}",
            allowed=f"schema {SCHEMA_VERSIONS[stage]}",
            fix=f"move it away, or make it again with {command} … --overwrite",
        )


def _verify_files(folder: Path, files: Sequence[tuple[str, Any, Any]]) -> None:
    problems = []
    for name, n_bytes, sha256 in files:
        path = folder / name
        if PurePath(name).is_absolute() or ".." in PurePath(name).parts:
            problems.append(f"{name}: outside of the folder")
        elif not path.is_file():
            problems.append(f"{name}: missing")
        elif path.stat().st_size != n_bytes or file_sha256(path) != sha256:
            problems.append(f"{name}: changed")
    if problems:
        raise ArtifactError(
            f"{folder} was changed after it was made: " + ", ".join(problems),
            fix="make it again with --overwrite",
        )


def partial_folder(folder: Path) -> Path:
    """Where a run is written until it is finished.

    Raises:
        UserError: the path names no folder of its own: empty, `.`, `..`, `/`, or with a zero byte.
    """
    if folder.name in ("", "..") or "\0" in str(folder):
        raise UserError(
            "this cannot be a run's folder",
            got=str(folder),
            allowed="a path that ends in a new name",
        )
    return folder.with_name(folder.name + ".partial")


class Run:
    """One stage's output folder while it is being made.

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
        lead: bool = True,
    ) -> None:
        """Prepare, without touching the disk.

        Args:
            folder: where the finished run will be.
            stage: `dataset`, `training` or `evaluation`.
            args: the resolved args as JSON; a run is resumed only with equal ones.
            overwrite: delete what is there and start anew.
            keep_on_overwrite: names inside an unfinished run that overwriting leaves there; the stage itself
                decides whether they fit the new args.
            lead: False in the side processes of a distributed run: they look, and write nothing. They
                must enter after the leading process has.
        """
        self.folder, self.stage = Path(folder), stage
        self.args = json.loads(json.dumps(args, allow_nan=False))
        self.partial = partial_folder(self.folder)
        self.status: Status = "fresh"
        self._retired = self.folder.with_name(self.folder.name + ".replaced")
        self._overwrite, self._lead = overwrite, lead
        self._kept = frozenset(keep_on_overwrite)
        self._lock: int | None = None

    def __enter__(self) -> Run:
        try:
            if self._lead:
                self._enter()
            elif not self.partial.exists():
                self.status = "done"
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
            _check_schema(self.partial, self.stage, content["schema_version"], content["stage"])
            self._check_same(content["args"])
            self._give_final_name()
            return
        elif (self.partial / ARGS).is_file():
            self._check_same(json.loads((self.partial / ARGS).read_text(encoding="utf-8")))
            self.status = "resumed"
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
                self._check_same(content["args"] if path.name == MANIFEST else content)
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

    def _check_same(self, before: dict[str, Any]) -> None:
        different = differences(before, self.args)
        if different:
            raise ArtifactError(
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
        """Write the manifest last, then give the folder its final name. Only the lead writes.

        Nothing in the manifest depends on the clock, so that an undisturbed and a resumed run are equal.

        Args:
            unhashed: files that tell how the run went, such as its speed: not part of what was made.
            facts: what the stage has to say: attributes, seed, scorers, counts, made_from …
        """
        if not self._lead:
            return
        # Left by a run killed while it wrote its manifest: no file of the run.
        _temporary(self.partial / MANIFEST).unlink(missing_ok=True)
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
