"""Args of the dials: settings that are tried out, and what the one chosen has to keep to."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from src.config.prompts import Prompts
from src.config.strict import Strict

Weight = Annotated[float, Field(ge=0.0)]
Share = Annotated[float, Field(gt=0.0, le=1.0)]


class SweepArgs(Strict):
    """A grid over one model's checkpoints and the settings of one decoding.

    Every combination is a candidate. A key left out keeps the value of `decoding`.
    """

    model: str = Field(description="name of the model in `models`")
    condition: dict[str, str] = Field(description="attribute: label asked for in every candidate")
    decoding: str = Field(description="name of the decoding whose settings are varied")
    checkpoints: tuple[str, ...] = Field(
        default=(), description="checkpoints to try: names, or [all]; []: that of `models`"
    )
    contrast_weights: dict[str, tuple[Weight, ...]] = Field(
        default_factory=dict, description="attribute: weights to try; 0 is plain sampling"
    )
    contrast_top_p: tuple[Share, ...] = Field(default=(), description="values to try")
    top_p: tuple[Share, ...] = Field(default=(), description="values to try")
    temperature: tuple[Annotated[float, Field(gt=0.0)], ...] = Field(
        default=(), description="values to try"
    )
    prompts: Prompts = Field(
        description="what candidates are tried on; never what the results are reported on"
    )

    @model_validator(mode="after")
    def _has_candidates(self) -> SweepArgs:
        empty = [name for name, weights in self.contrast_weights.items() if not weights]
        if empty:
            raise ValueError(f"contrast_weights: no weight to try for {', '.join(empty)}")
        dials = (self.contrast_top_p, self.top_p, self.temperature, self.checkpoints)
        tried = [*dials, *self.contrast_weights.values()]
        if all(len(values) < 2 for values in tried) and self.checkpoints != ("all",):
            raise ValueError("one candidate only: give a setting two values or more to try")
        return self


class ChooseArgs(Strict):
    """The candidate with the lowest misalignment among those that keep to the limits is chosen.

    Misalignment of the attribute asked for, joint where several are asked for.

    Limits are ratios to the plain, unconditioned text of `against` on the same prompts.
    """

    against: str | None = Field(
        default=None, description="model that limits refer to; null: the first of `models`"
    )
    perplexity_ratio_at_most: float | None = Field(
        default=1.2, gt=0.0, description="largest perplexity ratio; null: no limit"
    )
    distinct_2_ratio_at_least: float | None = Field(
        default=None, gt=0.0, description="smallest ratio of distinct-2; null: no limit"
    )
