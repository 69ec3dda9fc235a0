"""Whether a run can write its results into a folder: one check for the three stages, before any work."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from src.artifacts.manifest import partial_folder
from src.artifacts.run_folder import Fits, Run, never_fits
from src.errors import UnavailableError, UserError


def check_output(
    folder: Path,
    stage: str,
    args: Mapping[str, Any] | None = None,
    *,
    overwrite: bool = False,
    fits: Fits = never_fits,
) -> Literal["fresh", "resumed", "done", "replaced"]:
    """Whether a run can write its results there; looks, and writes nothing.

    Args:
        folder: where the finished run will be.
        stage: of the run.
        args: the resolved args as JSON, to be compared with those of what is there; None: not compared.
        overwrite: what is there will be replaced, so it may be of other args.
        fits: what the stage does with an unfinished run of other args.

    Returns:
        What a run would find: nothing, an unfinished run, a finished one, or something to replace.

    Raises:
        UserError: it is a file.
        UnavailableError: no permission.
        ArtifactError: it holds a run of other args, or something else.
    """
    existing = next(p for p in (folder, *folder.absolute().parents) if p.exists())
    if existing == folder and not folder.is_dir():
        raise UserError(
            "output is a file", got=str(folder), fix="set output to a folder of its own"
        )
    parent = folder.absolute().parent if existing == folder else existing
    if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
        raise UnavailableError(
            f"output {folder} cannot be written: no permission in {parent}",
            fix="set an output folder that this user may write to",
        )
    if overwrite:
        return "replaced" if folder.exists() else "fresh"
    unfinished = partial_folder(folder)
    if not unfinished.exists() and not folder.exists():
        return "fresh"
    run = Run(folder, stage, args or {}, fits=fits)
    if args is not None:
        run.check_args()
    return "resumed" if unfinished.exists() else "done"


def check_disk_space(folder: Path, needed_bytes: int) -> None:
    """Raise UnavailableError where a run of `needed_bytes` does not fit on the disk of `folder`.

    What an unfinished run has written there is part of them.
    """
    existing = next(p for p in (folder, *folder.resolve().parents) if p.exists())
    free = shutil.disk_usage(existing).free
    missing = needed_bytes - _bytes_below(partial_folder(folder))
    if free < missing:
        raise UnavailableError(
            f"not enough disk space for {folder}: {missing / 1e9:.1f} GB needed",
            got=f"{free / 1e9:.1f} GB free",
            fix="free some space or set another output folder",
        )


def _bytes_below(folder: Path) -> int:
    """Size of a folder's files, each counted once however many names it has; 0 where there is none."""
    found = [path.stat() for path in folder.rglob("*") if path.is_file()]
    return sum({(one.st_dev, one.st_ino): one.st_size for one in found}.values())
