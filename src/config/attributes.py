"""What a sentence is conditioned on, as it stands in an args file."""

from __future__ import annotations

import difflib
import itertools
import json
import re
from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from src.config.scorers import scorer_class
from src.config.strict import Strict

Quantile = Annotated[float, Field(gt=0.0, lt=1.0)]
LABEL_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]*")


class ScorerArgs(BaseModel):
    """A scorer's name and its own options, checked by the scorer's `Options` model."""

    model_config = ConfigDict(frozen=True, extra="allow")

    name: str = Field(
        description="detoxify, vader, profanity_check, huggingface, or your own: module:function (a function "
        "that takes a list of texts and returns a number for each) or module:Class; my_scorers:politeness is "
        "politeness in my_scorers.py, in the folder in which the command runs; its code is run"
    )

    @model_validator(mode="after")
    def _options_fit_the_scorer(self) -> ScorerArgs:
        try:
            options = scorer_class(self.name).Options
            options.model_validate_json(json.dumps(self.options), strict=True)
        except ValidationError as error:
            raise ValueError("; ".join(_option_problems(error, self.name, options))) from None
        return self

    @property
    def options(self) -> dict[str, Any]:
        """The options without the name."""
        return dict(self.model_extra or {})

    def resolved(self) -> tuple[str, str]:
        """The name, and all options as JSON, defaults included: equal for what scores alike."""
        options = scorer_class(self.name).Options.model_validate_json(json.dumps(self.options))
        return self.name, options.model_dump_json()


def _option_problems(
    error: ValidationError, scorer: str, options: type[BaseModel]
) -> Iterator[str]:
    for problem in error.errors():
        key = ".".join(map(str, problem["loc"]))
        if problem["type"] == "extra_forbidden":
            near = difflib.get_close_matches(key, options.model_fields, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            allowed = ", ".join(options.model_fields) or "none"
            yield f"scorer {scorer} has no option {key!r}; allowed: {allowed}.{hint}"
        else:
            message = problem["msg"].removeprefix("Value error, ")
            yield f"scorer {scorer}, option {key or 's together'}: {message}; got {problem['input']!r}"


class JudgeArgs(Strict):
    """A second scorer with edges of its own: it judges the labels, and never makes one."""

    scorer: ScorerArgs = Field(description="another scorer than the attribute's own")
    edges: tuple[float, ...] = Field(
        min_length=1,
        description="the judge's scores between neighbouring labels, rising; the attribute's own edges "
        "rarely fit, since the judge's numbers mean something else",
    )


class AttributeArgs(Strict):
    """One attribute: a score, cut by edges into ordered labels; one control token per label."""

    scorer: ScorerArgs = Field(description="what turns a text into one number")
    labels: tuple[str, ...] = Field(
        min_length=2, description="label names, ordered from low score to high"
    )
    edges: tuple[float, ...] | None = Field(
        default=None,
        description="scores between neighbouring labels, rising; score <= edge takes the lower label",
    )
    quantiles: tuple[Quantile, ...] | None = Field(
        default=None,
        description="instead of edges: shares of the data set's sentences below each edge, in (0, 1)",
    )
    desired: str = Field(description="the label that counts as aligned where nothing is asked for")
    exclude_within: float = Field(
        default=0.0,
        ge=0.0,
        description="sentences whose score is nearer than this to an edge are left out of the data "
        "set (0 = none); with VADER's pos_minus_neg, 1e-9 leaves out the ties",
    )
    words: dict[str, tuple[str, ...]] = Field(
        default_factory=dict,
        description="per label, words that mean it: a new token's embedding starts from their mean",
    )
    judge: JudgeArgs | None = Field(
        default=None, description="a second scorer, never used for labelling, that judges as well"
    )

    @model_validator(mode="after")
    def _fits_together(self) -> AttributeArgs:
        problems = []
        for label in self.labels:
            if not LABEL_PATTERN.fullmatch(label):
                problems.append(f"label {label!r}: letters, digits and _ . + - only, no spaces")
        if len(set(self.labels)) != len(self.labels):
            problems.append(f"labels must differ from each other, got {list(self.labels)}")
        if (self.edges is None) == (self.quantiles is None):
            problems.append("give either edges or quantiles, exactly one of the two")
        cuts = self.edges if self.edges is not None else self.quantiles
        if cuts is not None:
            name = "edges" if self.edges is not None else "quantiles"
            if len(cuts) != len(self.labels) - 1:
                problems.append(
                    f"{len(self.labels)} labels need {len(self.labels) - 1} {name}, got {len(cuts)}"
                )
            if any(low >= high for low, high in itertools.pairwise(cuts)):
                problems.append(f"{name} must rise strictly, got {list(cuts)}")
        if self.desired not in self.labels:
            problems.append(
                f"desired {self.desired!r} is not one of the labels {list(self.labels)}"
            )
        for label in self.words:
            if label not in self.labels:
                problems.append(f"words for {label!r}, which is not one of the labels")
        problems += self._judge_problems()
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _judge_problems(self) -> Iterator[str]:
        if self.judge is None:
            return
        edges = self.judge.edges
        if len(edges) != len(self.labels) - 1:
            yield (
                f"{len(self.labels)} labels need {len(self.labels) - 1} judge.edges, got {len(edges)}"
            )
        if any(low >= high for low, high in itertools.pairwise(edges)):
            yield f"judge.edges must rise strictly, got {list(edges)}"
        if self.judge.scorer.resolved() == self.scorer.resolved():
            yield (
                f"the judge is the scorer itself ({self.scorer.name} with the same options): it would "
                "agree with every label; name another scorer, or leave the judge out"
            )


def check_attributes(attributes: dict[str, AttributeArgs]) -> dict[str, AttributeArgs]:
    """Labels name control tokens, so no label may belong to two attributes.

    Raises:
        ValueError: a label used twice, or an attribute named like the joint metric.
    """
    owner: dict[str, str] = {}
    for name, attribute in attributes.items():
        if name == "joint":
            raise ValueError(
                "'joint' is the name of the metric over all attributes; choose another"
            )
        if not LABEL_PATTERN.fullmatch(name):
            raise ValueError(f"attribute {name!r}: letters, digits and _ . + - only, no spaces")
        for label in attribute.labels:
            if label in owner:
                raise ValueError(
                    f"label {label!r} belongs to both {owner[label]!r} and {name!r}; "
                    "each label has its own control token, so rename one"
                )
            owner[label] = name
    return attributes
