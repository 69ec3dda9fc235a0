"""The attributes of most tests: toxicity by profanity_check, sentiment by VADER, as the demo has them."""

from __future__ import annotations

from typing import Any

SENTIMENT: dict[str, Any] = {
    "scorer": {"name": "vader"},
    "labels": ["neg", "pos"],
    "edges": [0.0],
    "desired": "pos",
}
BOTH = {"toxicity": "nontoxic", "sentiment": "pos"}
"""The condition that asks for the desired label of each."""


def toxicity(edge: float) -> dict[str, Any]:
    """The toxicity attribute, whose scores above `edge` are toxic."""
    return {
        "scorer": {"name": "profanity_check"},
        "labels": ["nontoxic", "toxic"],
        "edges": [edge],
        "desired": "nontoxic",
    }
