"""Markdown that values from outside cannot break: names are the user's, sources and paths anybody's.

Every card and table of every stage writes through this one place. A value stays text: it neither leaves its
table cell nor becomes markup, a link, a picture or HTML.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from typing import Any

# In this order: an escape must not be escaped again.
_ESCAPES = (
    ("&", "&amp;"),
    ("\\", "\\\\"),  # else a backslash would take the bar's own escape away
    ("<", "&lt;"),
    ("|", "\\|"),
    ("`", "\\`"),
    ("*", "\\*"),
    ("~", "\\~"),
    ("$", "&#36;"),  # GitHub and the hub set formulas between two of them
    # Links and pictures; a bracket alone is none, and intervals stay readable.
    ("](", "]&#40;"),
    ("][", "]&#91;"),
    # GitHub and the hub make links of bare addresses.
    ("://", "&#58;//"),
)
# Emphasis; within a word an underscore is none, and the names of runs stay readable.
_OUTER_UNDERSCORES = re.compile(r"(?<![^\W_])_+|_+(?![^\W_])")
_WWW = re.compile(r"www\.", re.IGNORECASE)
# Controls end lines or hide; those of the writing direction show a text as another one.
_UNSEEN = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def cell(value: Any) -> str:
    """Text that neither leaves its table cell nor becomes markup; whole numbers with commas."""
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    text = _one_line(value)
    for special, instead in _ESCAPES:
        text = text.replace(special, instead)
    text = _OUTER_UNDERSCORES.sub(lambda found: r"\_" * len(found[0]), text)
    return _WWW.sub(lambda found: f"{found[0][:3]}&#46;", text)


def code(value: Any) -> str:
    """Text as code; a backtick in it would end it."""
    text = _one_line(value).replace("`", "'")
    return f"`{text or ' '}`"


def table(header: Sequence[Any], rows: Iterable[Sequence[Any]], raw: Collection[int] = ()) -> str:
    """A Markdown table.

    Args:
        header: of the columns.
        rows: their values.
        raw: columns that are Markdown already, such as `code`; a bar in them is escaped, as tables want it.
    """
    lines = [
        [str(v).replace("|", "\\|") if i in raw else cell(v) for i, v in enumerate(row)]
        for row in rows
    ]
    heading = [cell(name) for name in header]
    return "\n".join(
        "| " + " | ".join(line) + " |" for line in (heading, ["---"] * len(heading), *lines)
    )


def percent(share: float) -> str:
    """A share in percent, with one digit."""
    return f"{100 * share:.1f} %"


def number(value: float | None) -> str:
    """A figure with three digits; a dash where there is none."""
    return "–" if value is None else f"{value:.3f}"


def _one_line(value: Any) -> str:
    return _UNSEEN.sub("\ufffd", " ".join(str(value).split()))
