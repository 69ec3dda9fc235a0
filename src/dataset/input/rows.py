"""A row of the input, whatever it was read from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from src.dataset.input.raw_lines import Damage

Row = tuple[int, Mapping[str, Any] | Damage]
"""Its number in its part, from 1, and what it holds."""


def reads_column(key: str | None, column: str) -> bool:
    """Whether a key of the args (dots go into objects) takes its value from a column."""
    return key is not None and column in (key, key.split(".")[0])
