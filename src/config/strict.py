"""The base of every args model: frozen, no unknown keys, a description on every field."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict


class Strict(BaseModel):
    """Immutable, and an unknown key is an error, never ignored."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False, strict=False
    )


def _local(folder: Path) -> Path:
    # A path drops the second slash of `s3://`.
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", str(folder)):
        raise ValueError(
            f"{str(folder)!r} is a URL, and results are published by renaming a folder, which object stores "
            "cannot do: set a local or mounted folder, and copy the finished run from there"
        )
    if folder.name in ("", "..") or "\0" in str(folder):
        raise ValueError(
            f"{str(folder)!r} cannot be a run's folder: set a path that ends in a new name"
        )
    return folder


OutputFolder = Annotated[Path, AfterValidator(_local)]
"""Where a run is made and published: a folder of a file system that can lock and rename."""
