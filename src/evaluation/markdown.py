"""Markdown that values from outside cannot break: names are the user's, paths and sources anybody's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any


def cell(value: Any) -> str:
    """Text that neither leaves its table cell nor becomes markup; whole numbers with commas."""
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    text = " ".join(str(value).split())
    for special, instead in (("&", "&amp;"), ("<", "&lt;"), ("|", "\\|"), ("`", "\\`")):
        text = text.replace(special, instead)
    return text


def code(value: Any) -> str:
    """Text as code; a backtick in it would end it, a bar would end a table's cell."""
    text = " ".join(str(value).split()).replace("`", "'")
    return f"`{text}`"


def table(header: Sequence[str], rows: Iterable[Sequence[Any]], raw: Sequence[int] = ()) -> str:
    """A Markdown table.

    Args:
        header: of the columns.
        rows: their values.
        raw: columns that are Markdown already; a bar in them is escaped, as GitHub's tables want it.
    """
    lines = [
        [str(v).replace("|", "\\|") if i in raw else cell(v) for i, v in enumerate(row)]
        for row in rows
    ]
    rule = ["---"] * len(header)
    return "\n".join("| " + " | ".join(line) + " |" for line in ([*header], rule, *lines))
