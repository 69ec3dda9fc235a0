"""CSV that a spreadsheet opens as text: a cell of a stranger's words must not become a formula."""

from __future__ import annotations

# As OWASP lists them, with their full-width forms, and the white space that it lists beside them.
_STARTS_A_FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
_STARTS_ODDLY = ("\t", "\r", "\n")


def text_cell(text: str) -> str:
    """The text, with an apostrophe in front where a spreadsheet would compute it.

    For words only: a number below zero is a number and stays one.
    """
    computed = text.lstrip().startswith(_STARTS_A_FORMULA) or text.startswith(_STARTS_ODDLY)
    return f"'{text}" if computed else text
