"""`hand_check.csv`: sentences for a person to read and label, beside what the scorer said of them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any

from src.attributes.attribute import Attributes
from src.dataset.audit.audit_sample import AuditSamples, Sampled
from src.presentation.spreadsheet import text_cell

# What a person reads and fills in comes first; what could sway him, last.
COLUMNS = (
    "attribute",
    "text",
    "your_label",
    "your_note",
    "label",
    "score",
    "edge",
    "chosen",
    "source",
    "id",
)


def hand_check_sheet(attributes: Attributes, samples: AuditSamples, hand_check: int) -> str:
    """The sheet as CSV.

    Args:
        attributes: with their edges.
        samples: the sentences nearest to each edge, and the random ones.
        hand_check: random sentences for each attribute.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    random = [row for row in samples.any_kept.items() if row.used][:hand_check]
    for name, one in attributes.items():
        for number, edge in enumerate(one.edges):
            writer.writerows(_around(name, number, edge, samples))
        writer.writerows(_line(name, row, "", "at random") for row in random)
    return out.getvalue()


def _around(name: str, number: int, edge: float, samples: AuditSamples) -> Iterator[Sequence[Any]]:
    """From the lowest score to the highest, across the edge."""
    chosen = [
        (row, why)
        for side, why in enumerate(("at or below the edge", "above the edge"))
        for row in samples.nearest[(name, number, side)].items()
    ]
    for row, why in sorted(chosen, key=lambda one: (one[0].scores[name], one[0].id)):
        yield _line(name, row, f"{edge:.6g}", why)


def _line(name: str, row: Sampled, edge: str, why: str) -> Sequence[Any]:
    return [
        name,
        text_cell(row.text),
        "",
        "",
        row.labels[name],
        f"{row.scores[name]:.6g}",
        edge,
        why,
        text_cell(row.source),
        text_cell(row.id),
    ]
