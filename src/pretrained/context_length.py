"""How many tokens a model can read at once, by its config; imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PretrainedConfig


def context_length(config: PretrainedConfig) -> int | None:
    """Positions that a model has, in tokens; None where nothing limits them (XLNet's config says −1)."""
    found = getattr(config.get_text_config(), "max_position_embeddings", None)
    return found if found is not None and found > 0 else None
