"""Any text classifier of the hub, or of a local folder in its format, as a scorer."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Literal

from pydantic import Field, field_validator

from src.attributes.classifier_scorer import ClassifierOptions, ClassifierScorer
from src.errors import UserError
from src.pretrained.hub_models import missing_on_hub

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedConfig

    from src.attributes.sequence_classifier import SequenceClassifier


class HuggingFaceScorer(ClassifierScorer):
    """One output of a text classifier: politeness, formality, emotion … by YAML alone.

    Weights are read from safetensors alone; code that comes with a model is never run.
    """

    class Options(ClassifierOptions):
        """Options of a text classifier."""

        model: str = Field(description="folder in the hub's format, or owner/name on the hub")
        label: int | str | None = Field(
            default=None,
            description="the output that is the score, by name or index from 0; may be left out "
            "where the model has one output, or two (then it is the second)",
        )
        revision: str | None = Field(default=None, description="commit, tag or branch on the hub")
        function: Literal["auto", "sigmoid", "softmax", "none"] = Field(
            default="auto",
            description="from output to score; auto: none for a regression, sigmoid for one output "
            "or labels that may hold together, else softmax, as transformers' pipelines do",
        )
        max_length: int | None = Field(
            default=None,
            ge=1,
            description="longer texts are cut, in tokens; default: what the model can read",
        )

        @field_validator("label", mode="before")
        @classmethod
        def _no_truth_value(cls, value: object) -> object:
            if isinstance(value, bool):
                raise ValueError(
                    "yes, no, on, off, true and false are truth values in YAML: put it in quotes"
                )
            return value

    version = 2  # 1 let padding change scores

    def _build(self) -> SequenceClassifier:
        from src.attributes.sequence_classifier import SequenceClassifier, load_classifier

        options = self.options
        model, tokenizer = load_classifier(options.model, options.revision)
        self._column = output_index(options.label, model.config, options.model)
        self._function = options.function
        if self._function == "auto":
            self._function = _usual_function(model.config)
        return SequenceClassifier(
            model,
            tokenizer,
            device=options.device,
            batch_size=options.batch_size,
            precision=options.precision,
            max_length=options.max_length,
        )

    def _value(self, logits: torch.Tensor) -> torch.Tensor:
        if self._function == "softmax":
            logits = logits.softmax(dim=-1)
        elif self._function == "sigmoid":
            logits = logits.sigmoid()
        return logits[:, self._column]

    def missing(self) -> list[str]:
        """See `Scorer.missing`."""
        return missing_on_hub(self.options.model, self.options.revision)


def _usual_function(config: PreTrainedConfig) -> str:
    """What transformers' text-classification pipeline applies to this model."""
    if config.problem_type == "regression":
        return "none"
    if config.problem_type == "multi_label_classification" or config.num_labels == 1:
        return "sigmoid"
    return "softmax"


def output_index(label: int | str | None, config: PreTrainedConfig, model: str) -> int:
    """Which output of a model a label names.

    Raises:
        UserError: no such output, none named although there are more than two, or it can be more than one.
    """
    keys = sorted(config.id2label, key=str)
    if set(keys) != set(range(config.num_labels)):
        raise UserError(
            f"classifier {model!r} numbers its outputs otherwise than from 0: what they are is not sure",
            got=f"id2label in its config has the keys {', '.join(map(str, keys))}",
            fix=f"correct its config.json: the keys are 0 to {config.num_labels - 1}",
        )
    names = [str(config.id2label[i]).strip() for i in range(config.num_labels)]
    if label is None and len(names) <= 2:
        return len(names) - 1
    named = [i for i, name in enumerate(names) if name == str(label).strip()]
    if isinstance(label, int) and 0 <= label < len(names) and named in ([], [label]):
        return label
    if isinstance(label, str) and len(named) == 1:
        return named[0]
    if named:
        raise UserError(
            f"classifier {model!r}: `label` can mean more than one output",
            got=label,
            allowed="; ".join(f"output {i} is named {name!r}" for i, name in enumerate(names)),
            fix='name one output: a name in quotes (label: "1"), or the index of one whose number is no name',
        )
    near = difflib.get_close_matches(str(label), names, n=1)
    raise UserError(
        f"classifier {model!r} has no such output"
        if label is not None
        else f"classifier {model!r} has {len(names)} outputs: `label` must say which is the score",
        got=label,
        allowed=f"{', '.join(names)}, or an index from 0 to {len(names) - 1}",
        fix=f"Did you mean {near[0]!r}?" if near else None,
    )
