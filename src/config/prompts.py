"""Args of what the models are given to go on from (design section 6)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from src.config.strict import Strict


class ValidationPrompts(Strict):
    """Sentences of the data set's validation split."""

    kind: Literal["validation"] = Field(description="sentences of the data set's validation split")
    count: int = Field(gt=0, description="prompts drawn, balanced over the label combinations")

    @property
    def name(self) -> str:
        """What the tables call these prompts."""
        return "validation"


class UnpromptedPrompts(Strict):
    """Nothing but the end-of-text token; each sample is a cluster of its own."""

    kind: Literal["unprompted"] = Field(description="no prompt: the model starts a text of its own")
    count: int = Field(gt=0, description="samples")

    @property
    def name(self) -> str:
        """What the tables call these prompts."""
        return "unprompted"


class FilePrompts(Strict):
    """A text file with a prompt per line, or a JSONL such as RealToxicityPrompts'."""

    kind: Literal["file"] = Field(description="prompts from a .txt or .jsonl file")
    path: Path = Field(description=".txt: one prompt a line; .jsonl: one object a line")
    text_key: str = Field(
        default="prompt.text", description="key of the prompt in a .jsonl, dots go into objects"
    )
    count: int | None = Field(
        default=None, gt=0, description="prompts drawn by the seed; null: all"
    )

    @property
    def name(self) -> str:
        """What the tables call these prompts."""
        return self.path.name


Prompts = Annotated[
    ValidationPrompts | UnpromptedPrompts | FilePrompts, Field(discriminator="kind")
]
