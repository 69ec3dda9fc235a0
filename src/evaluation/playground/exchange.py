"""What a person asks the models in the playground, and what each model answers.

Imports neither torch nor transformers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import ValidationError

from src.attributes.attribute import Attribute
from src.config.evaluation import Condition, DecodingArgs
from src.config.prompts import PLACEMENTS, TRAINED_PLACEMENT
from src.errors import UserError
from src.evaluation.continuation import Continuation

MOST_SAMPLES = 16
LONGEST = 400
HIGHEST_WEIGHT = 12.0


@dataclass(frozen=True)
class Question:
    """One press of the button, checked.

    Attributes:
        prompt: raw text, may be empty.
        condition: attribute → label asked for; what is not asked for is missing.
        weights: attribute → weight of contrast decoding; 0 is off.
        top_p: mass of the nucleus kept.
        temperature: divides the logits.
        min_length: fewest new tokens.
        max_length: most new tokens.
        samples: continuations of each model.
        seed: the same seed draws the same random numbers for every model.
        placement: where the control tokens stand.
    """

    prompt: str = ""
    condition: Condition = field(default_factory=dict)
    weights: Mapping[str, float] = field(default_factory=dict)
    top_p: float = 0.9
    temperature: float = 1.0
    min_length: int = 0
    max_length: int = 40
    samples: int = 2
    seed: int = 0
    placement: str = TRAINED_PLACEMENT

    def __post_init__(self) -> None:
        """Raises UserError where a value cannot be used: what a browser sends is a stranger's input."""
        try:
            self.prompt.encode("utf-8")
        except UnicodeEncodeError as error:
            raise UserError(
                "the prompt holds half a character (a lone surrogate)",
                got=self.prompt[error.start : error.end],
                fix="type it again",
            ) from error
        _in_range("samples", self.samples, 1, MOST_SAMPLES)
        _in_range("max_length", self.max_length, 1, LONGEST)
        _in_range("seed", self.seed, 0, 2**31 - 1)
        for name, weight in self.weights.items():
            _in_range(f"contrast weight of {name}", weight, 0.0, HIGHEST_WEIGHT)
        if self.placement not in PLACEMENTS:
            raise UserError("no such placement", got=self.placement, allowed=", ".join(PLACEMENTS))
        _ = self.decoding  # checks top_p, temperature and the lengths

    @property
    def decoding(self) -> DecodingArgs:
        """The same as args of an evaluation.

        Raises:
            UserError: a value is not allowed there.
        """
        try:
            return DecodingArgs(
                top_p=self.top_p,
                temperature=self.temperature,
                min_length=self.min_length,
                max_length=self.max_length,
                contrast_weights={name: float(w) for name, w in self.weights.items() if w},
            )
        except ValidationError as error:
            problem = error.errors(include_url=False)[0]
            where = ".".join(map(str, problem["loc"])) or "decoding"
            what = problem["msg"].removeprefix("Value error, ")
            raise UserError(f"{where}: {what}") from error


def _in_range(what: str, got: float, low: float, high: float) -> None:
    if not low <= got <= high:
        raise UserError(f"{what} is out of range", got=got, allowed=f"{low:g} to {high:g}")


@dataclass(frozen=True)
class Answer:
    """What one model wrote, scored; or why it could not.

    Attributes:
        model: its name.
        attributes: that its sentences were scored for.
        targets: attribute → label that counts as aligned: what was asked for, else the desired one.
        asked: the attributes that were asked for.
        tokens: the control tokens given, as text.
        continuations: with sentences, scores and labels.
        notes: what a reader has to know, one line each.
        error: one line; None where all went well.
    """

    model: str
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    targets: Mapping[str, str] = field(default_factory=dict)
    asked: frozenset[str] = frozenset()
    tokens: str = ""
    continuations: tuple[Continuation, ...] = ()
    notes: tuple[str, ...] = ()
    error: str | None = None
