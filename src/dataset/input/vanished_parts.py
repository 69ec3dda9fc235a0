"""A part of the input that goes away while a run is unfinished must not go unnoticed.

A run reads what is there when it begins. When it goes on after an interruption and a part is missing, the
rest would make another, smaller data set, and what was scored so far would be thrown away for it.
"""

from __future__ import annotations

import json

from src.artifacts.atomic_files import write_json_atomically
from src.artifacts.run_folder import Run
from src.config.dataset import DatasetArgs, FilesSource
from src.dataset.input.opening import open_input
from src.dataset.layout import WORK
from src.errors import DataError

PARTS = "parts.json"
NAMED_AT_MOST = 5


def check_no_part_vanished(args: DatasetArgs, run: Run) -> None:
    """Keep the names of the input's parts while the run is unfinished, and miss those that go away.

    Args:
        args: of the run. A hub data set is read at one commit, so its parts cannot go away.
        run: entered.

    Raises:
        DataError: a part that was there when the run was begun is gone.
    """
    if not isinstance(args.source, FilesSource):
        return
    path, parts = run.partial / WORK / PARTS, open_input(args.source).names()
    if run.status == "resumed" and path.is_file():
        gone = sorted(set(json.loads(path.read_text(encoding="utf-8"))) - set(parts))
        if gone:
            more = f" and {len(gone) - NAMED_AT_MOST} more" if len(gone) > NAMED_AT_MOST else ""
            raise DataError(
                f"{', '.join(gone[:NAMED_AT_MOST])}{more} of source.path {args.source.path} "
                "is gone since the run began",
                fix="put it back and run the same command to resume, or start anew without it: --overwrite",
            )
    path.parent.mkdir(exist_ok=True)
    write_json_atomically(path, parts)
