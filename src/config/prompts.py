"""Args of what the models are given to go on from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import Field, model_validator

from src.config.strict import Strict

Placement = Literal["before_prompt", "after_prompt"]
"""Where the control tokens stand."""
PLACEMENTS: tuple[Placement, ...] = get_args(Placement)
TRAINED_PLACEMENT: Placement = "before_prompt"
"""Where training puts them: at the start of a text."""


class ValidationPrompts(Strict):
    """Sentences of the data set's validation split, whole or their beginnings."""

    kind: Literal["validation"] = Field(description="sentences of the data set's validation split")
    count: int = Field(gt=0, description="prompts drawn, balanced over the label combinations")
    words: tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]] | None = Field(
        default=None,
        description="[3, 8]: only the first words of each sentence are given, so many as the seed draws, and "
        "at least one is left out; null: whole sentences, as in the paper",
    )

    @model_validator(mode="after")
    def _rising(self) -> ValidationPrompts:
        if self.words is not None and self.words[0] > self.words[1]:
            raise ValueError(f"words: from {self.words[0]} to {self.words[1]} is nothing")
        return self

    @property
    def name(self) -> str:
        """What the tables call these prompts."""
        return "validation" if self.words is None else "beginnings"


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
