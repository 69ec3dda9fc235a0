"""Publishes a small run folder: `python tests/chaos/publish.py FOLDER TEXT [--overwrite]`."""

import sys
from pathlib import Path

from src.artifacts.atomic_files import write_text_atomically
from src.artifacts.run_folder import Run
from tests.builders import MANIFEST_FACTS


def publish(folder: Path, text: str, overwrite: bool) -> str:
    """Make a run of two files, or find it done. Returns what happened."""
    with Run(folder, "dataset", {"text": text}, overwrite=overwrite) as run:
        if run.status == "done":
            return "already done"
        (run.partial / "sub").mkdir(exist_ok=True)
        write_text_atomically(run.partial / "sub" / "rows.txt", text)
        write_text_atomically(run.partial / "stats.txt", text[::-1])
        run.publish(rows=1, **MANIFEST_FACTS)
    return "published"


if __name__ == "__main__":
    print(publish(Path(sys.argv[1]), sys.argv[2], "--overwrite" in sys.argv))  # noqa: T201
