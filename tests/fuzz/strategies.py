"""What the fuzz tests draw: JSON, hostile texts, and how many examples of a property."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

SOAK_FACTOR = 50


def examples(n: int) -> Callable[[Any], Any]:
    """So many examples of a property; 50 times as many with `--hypothesis-profile=soak`."""
    soaking = settings.get_current_profile_name() == "soak"
    return settings(
        max_examples=n * SOAK_FACTOR if soaking else n,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )


HOSTILE = (
    "", " ", "\x00", "\n\n", "\r", "\u2028", "\u202egpj", "\ufeff", "…", "é" * 40, "a" * 3000, "😀",
    "<script>alert(1)</script>", "</script>", "<!--", "]]>", "&amp;", "'\"", "{{ 7*7 }}", "{% x %}", "${x}",
    "[a](javascript:x)", "![a](http://x/y.png)", "| a | b |", "`", "\\", "\\|", "---", "# x", "http://a.example",
    "=1+1", "+cmd|' /C calc'!A0", "-1", "@SUM(A1)", "%0a", "../../x", "/etc/passwd", "~", "$x^2_3$",
    "\\input{x}", "\U000e0001",
    "<|endoftext|>", "<|nontoxic|>", "<|toxic|>", "NaN", "Infinity", "null", "1e999",
    "Dr. X. said no. Yes! Why?",
)  # fmt: skip
TEXTS = st.one_of(
    st.text(max_size=60),
    st.sampled_from(HOSTILE),
    st.lists(st.sampled_from(HOSTILE) | st.text(max_size=12), max_size=6).map(" ".join),
)
"""Valid Unicode, as a tokenizer decodes it or a file holds it: no lone surrogates."""

NUMBERS = st.integers() | st.integers(-3, 3) | st.floats()
SCALARS = st.none() | st.booleans() | NUMBERS | TEXTS


def trees(keys: st.SearchStrategy[str], leaves: int = 12) -> st.SearchStrategy[Any]:
    """Any JSON value with such keys."""
    return st.recursive(
        SCALARS,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=5),
        max_leaves=leaves,
    )
