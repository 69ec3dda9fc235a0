"""CSV that a spreadsheet opens as text: a cell of a stranger's words must not become a formula."""

from __future__ import annotations

_STARTS_A_FORMULA = (
    "=",
    "+",
    "-",
    "@",
    "\t",
    "\r",
    "\n",
    "＝",
    "＋",
    "－",
    "＠",
)  # as OWASP lists them


def text_cell(text: str) -> str:
    """The text, with an apostrophe in front where a spreadsheet would compute it.

    For words only: a number below zero is a number and stays one.
    """
    return f"'{text}" if text.lstrip(" ").startswith(_STARTS_A_FORMULA) else text
