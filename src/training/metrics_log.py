"""`metrics.jsonl`: one row per measurement, training and validation, in the order of steps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from src.artifacts import write_text_atomically

Row = dict[str, Any]


class MetricsLog:
    """Rows of `step, split, loss, learning_rate, tokens_seen, tokens_per_second`.

    `split` is `train` (mean loss of the steps since the row before) or `validation`, whose rows also have
    `control_auc`. Losses are nats per target. Only `tokens_per_second` depends on the machine.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def rows(self) -> list[Row]:
        """All complete rows; a last one that was cut off by a kill is left out."""
        if not self.path.exists():
            return []
        lines = self.path.read_text(encoding="utf-8").split("\n")
        return [json.loads(line) for line in lines[:-1]]

    def add(self, row: Row) -> None:
        """Append a row, so that a reader sees it at once."""
        with self.path.open("a", encoding="utf-8", newline="\n") as handle:
            handle.write(json.dumps(row, allow_nan=False) + "\n")

    def cut_after(self, step: int) -> None:
        """Remove the rows of steps that will be done again."""
        kept = [row for row in self.rows() if row["step"] <= step]
        text = "".join(json.dumps(row, allow_nan=False) + "\n" for row in kept)
        write_text_atomically(self.path, text)

    def validation(self, step: int) -> Row | None:
        """The validation row of a step, if it was measured."""
        found = [row for row in self.rows() if row["step"] == step and row["split"] == "validation"]
        return found[-1] if found else None
