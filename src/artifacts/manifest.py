"""The manifest of a finished run: what the next stage reads, and refuses where the files differ from it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from src.artifacts.atomic_files import file_sha256, json_sha256
from src.artifacts.manifest_schema import SCHEMA_VERSIONS, broken_promises
from src.errors import ArtifactError, UserError

MANIFEST = "manifest.json"
STAGE_COMMANDS = {"dataset": "dataset_create", "training": "train", "evaluation": "evaluate"}


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
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise ArtifactError(
            f"{path} cannot be read ({error})", fix=f"make it again with {command}"
        ) from error
    check_schema(folder, stage, *found)
    if broken := broken_promises(stage, content):
        raise ArtifactError(
            f"{path} cannot be read ({'; '.join(broken)})", fix=f"make it again with {command}"
        )
    manifest = Manifest(folder, content)
    if verify:
        check_files(manifest)
    return manifest


def check_schema(folder: Path, stage: str, schema: Any, made_by: Any) -> None:
    """Raise ArtifactError where a folder was made by another stage, or by another schema of it."""
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


def check_files(manifest: Manifest, prefix: str = "", *, hash_files: bool = True) -> None:
    """Compare a run's files with its manifest.

    Args:
        prefix: look only at the files whose path in the folder begins so: those that will be read.
        hash_files: compare the contents too, not the sizes alone.

    Raises:
        ArtifactError: a file is missing, changed, or named outside of the folder; all of them in one.
    """
    problems = []
    for name, recorded in manifest["files"].items():
        if not name.startswith(prefix):
            continue
        path = manifest.folder / name
        if PurePath(name).is_absolute() or ".." in PurePath(name).parts:
            problems.append(f"{name} is outside of the folder")
        elif not path.is_file():
            problems.append(f"{name} is missing")
        elif path.stat().st_size != recorded["bytes"] or (
            hash_files and file_sha256(path) != recorded["sha256"]
        ):
            problems.append(f"{name} has changed")
    if problems:
        more = f" and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise ArtifactError(
            f"{manifest.folder} is not as it was published: {', '.join(problems[:3])}{more}",
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


def is_finished(folder: Path) -> bool:
    """Whether a finished run is there and no later one is being written in its place.

    Raises:
        UserError: see `partial_folder`.
    """
    return (folder / MANIFEST).is_file() and not partial_folder(folder).exists()
