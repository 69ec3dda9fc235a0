"""`metrics.jsonl`: one row per measurement, training and validation, in the order of steps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from src.artifacts.atomic_files import write_text_atomically
from src.published.trained_model import METRICS, TIMING

Row = dict[str, Any]


class MetricsLog:
    """Rows of `step, split, loss, learning_rate, tokens_seen`.

    `split` is `train` (mean loss of the steps since the row before) or `validation`, whose rows also have
    `control_auc` and `control_auc_interval`. Losses are nats per target. How fast each was stands in a file
    beside it, `timing.jsonl`, as `step, split, tokens_per_second, processes`: equal trainings have equal
    metrics on any day.
    """

    def __init__(self, folder: Path) -> None:
        self.path, self.timing_path = folder / METRICS, folder / TIMING

    def rows(self) -> list[Row]:
        """All complete rows; a last one that was cut off by a kill is left out."""
        return _rows(self.path)

    def timing(self) -> list[Row]:
        """The rows of the timing file."""
        return _rows(self.timing_path)

    def add(self, row: Row, *, tokens_per_second: float, processes: int) -> None:
        """Append a row, so that a reader sees it at once.

        Args:
            row: of metrics.
            tokens_per_second: targets computed a second, by all processes together.
            processes: that computed.
        """
        timing = {"step": row["step"], "split": row["split"]}
        timing |= {"tokens_per_second": round(tokens_per_second, 1), "processes": processes}
        for path, one in ((self.path, row), (self.timing_path, timing)):
            line = json.dumps(one, allow_nan=False) + "\n"  # before the file: a NaN leaves no trace
            with path.open("a", encoding="utf-8", newline="\n") as handle:
                handle.write(line)

    def cut_after(self, step: int) -> None:
        """Remove the rows of steps that will be done again."""
        for path in (self.path, self.timing_path):
            kept = [row for row in _rows(path) if row["step"] <= step]
            text = "".join(json.dumps(row, allow_nan=False) + "\n" for row in kept)
            write_text_atomically(path, text)

    def so_far(self) -> tuple[int, int]:
        """(steps, targets trained on) by the last row; 0 of both before the first."""
        rows = self.rows()
        return (rows[-1]["step"], rows[-1]["tokens_seen"]) if rows else (0, 0)

    def validation(self, step: int) -> Row | None:
        """The validation row of a step, if it was measured."""
        found = [row for row in self.rows() if row["step"] == step and row["split"] == "validation"]
        return found[-1] if found else None


def _rows(path: Path) -> list[Row]:
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").split("\n")
    return [json.loads(line) for line in lines[:-1]]
