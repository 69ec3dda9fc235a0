"""Toxicity by Detoxify's models (Hanu and Unitary, 2020), every model and head.

Where the weights come from:

| given | weights from |
| --- | --- |
| `checkpoint` | that file, in Detoxify's checkpoint format |
| no checkpoint; original, unbiased, multilingual | the hub, as a plain classifier (`HUB`) |
| no checkpoint; original-small, unbiased-small | Detoxify's release file, checked by its hash |

A checkpoint holds no config and no tokenizer: they come from `huggingface_config_path`, else the hub.

The package's own loader lets a checkpoint run any code (`weights_only=False`). Here a checkpoint may
hold weights and plain values only, and the model is then built by the package's own function.
"""

from __future__ import annotations

import pickle
import urllib.request
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.error import URLError

from pydantic import Field, model_validator

from src.attributes.classifier_scorer import ClassifierOptions, ClassifierScorer
from src.errors import ProjectError, ScorerError, UnavailableError, UserError, first_line
from src.pretrained.hub_models import (
    HUB_TIMEOUT_SECONDS,
    missing_on_hub,
    require_model,
)

if TYPE_CHECKING:
    import torch

    from src.attributes.sequence_classifier import SequenceClassifier

HUB = {
    "original": "unitary/toxic-bert",
    "unbiased": "unitary/unbiased-toxic-roberta",
    "multilingual": "unitary/multilingual-toxic-xlm-roberta",
}
# Jigsaw's challenge of 2018; those of 2019 and 2020 added one.
_HEADS_2018 = ("toxicity", "severe_toxicity", "obscene", "threat", "insult", "identity_attack")
_HEADS_2019 = (*_HEADS_2018, "sexual_explicit")
HEADS = {
    "original": _HEADS_2018,
    "original-small": _HEADS_2018,
    "unbiased": _HEADS_2019,
    "unbiased-small": _HEADS_2019,
    "multilingual": _HEADS_2019,
}
# The names that `original` was trained with → those of the later models; Detoxify renames so too.
RENAMED = {
    "toxic": "toxicity",
    "severe_toxic": "severe_toxicity",
    "identity_hate": "identity_attack",
}
INSTEAD = (
    "connect to the hub once, so that it is cached; or set checkpoint (a release file of Detoxify) "
    "and huggingface_config_path (a folder with its config.json and tokenizer); or another scorer"
)


class DetoxifyScorer(ClassifierScorer):
    """P(head) from 0 to 1: the number that `Detoxify(model).predict(text)[head]` gives."""

    class Options(ClassifierOptions):
        """Options of Detoxify."""

        model: Literal[
            "original", "unbiased", "multilingual", "original-small", "unbiased-small"
        ] = Field(default="original", description="which of Detoxify's models")
        head: str = Field(
            default="toxicity",
            description="toxicity, severe_toxicity, obscene, threat, insult, identity_attack; "
            "unbiased and multilingual also sexual_explicit",
        )
        checkpoint: str | None = Field(
            default=None, description="a checkpoint file in Detoxify's format instead of its own"
        )
        huggingface_config_path: str | None = Field(
            default=None,
            description="with a checkpoint: folder of its config.json and tokenizer, for no hub",
        )

        @model_validator(mode="after")
        def _head_is_known(self) -> DetoxifyScorer.Options:
            if self.checkpoint is None and self.head not in HEADS[self.model]:
                raise ValueError(
                    f"detoxify's model {self.model} has no head {self.head!r}; "
                    f"allowed: {', '.join(HEADS[self.model])}"
                )
            return self

    packages = ("detoxify", *ClassifierScorer.packages)

    def _build(self) -> SequenceClassifier:
        from src.attributes.sequence_classifier import SequenceClassifier

        options = self.options
        if options.checkpoint is None and options.model in HUB:
            model, tokenizer, heads = self._from_hub()
        else:
            model, tokenizer, heads = self._from_checkpoint()
        if options.head not in heads:
            raise UserError(
                f"the detoxify model loaded (model {options.model}, checkpoint "
                f"{options.checkpoint}) has no such head",
                got=options.head,
                allowed=", ".join(heads),
            )
        self._column = heads.index(options.head)
        return SequenceClassifier(
            model,
            tokenizer,
            device=options.device,
            batch_size=options.batch_size,
            precision=options.precision,
        )

    def _value(self, logits: torch.Tensor) -> torch.Tensor:
        return logits[:, self._column].sigmoid()

    def _from_hub(self) -> tuple[Any, Any, list[str]]:
        from src.attributes.sequence_classifier import load_classifier

        name = HUB[self.options.model]
        try:
            model, tokenizer = load_classifier(name)
        except UnavailableError as error:
            raise UnavailableError(
                f"detoxify's model {self.options.model}: {error.what}", fix=INSTEAD
            ) from error
        names = [model.config.id2label[i] for i in range(model.config.num_labels)]
        return model, tokenizer, [RENAMED.get(name, name) for name in names]

    def _from_checkpoint(self) -> tuple[Any, Any, list[str]]:
        from detoxify.detoxify import get_model_and_tokenizer

        from src.attributes.sequence_classifier import require_all_weights

        what = self.options.checkpoint or f"detoxify's model {self.options.model}"
        loaded = self._load_checkpoint()
        try:
            architecture = dict(loaded["config"]["arch"]["args"])
            heads = [RENAMED.get(n, n) for n in loaded["config"]["dataset"]["args"]["classes"]]
            state_dict = loaded["state_dict"]
        except (KeyError, TypeError) as error:
            raise UserError(f"{what} is not in Detoxify's checkpoint format: no {error}") from error
        config_path = self.options.huggingface_config_path
        if config_path is not None:  # or the package asks the hub for what it has
            architecture["model_type"] = config_path
        try:
            require_model(architecture["model_type"])
            model, tokenizer = get_model_and_tokenizer(
                **architecture, state_dict=state_dict, huggingface_config_path=config_path
            )
        except (OSError, UnavailableError) as error:
            reason = error.what if isinstance(error, UnavailableError) else first_line(error)
            raise UnavailableError(
                f"config and tokenizer of {what}: {reason}", fix=INSTEAD
            ) from error
        except ProjectError:
            raise
        except Exception as error:
            # Not narrower: the package looks up classes by names of the checkpoint and fills them with its
            # weights; a file that does not fit fails anywhere (AttributeError, KeyError, RuntimeError …).
            raise ScorerError(f"{what} does not fit its config: {first_line(error)}") from error
        require_all_weights(what, set(dict(model.named_parameters())) - set(state_dict))
        return model, tokenizer, heads

    def _load_checkpoint(self) -> dict[str, Any]:
        """The checkpoint's content: weights and plain values, nothing that runs code."""
        import torch

        path, model = self.options.checkpoint, self.options.model
        try:
            if path is not None:
                return torch.load(path, map_location="cpu", weights_only=True)
            return _release_file(model)
        except FileNotFoundError as error:
            raise UserError("the detoxify checkpoint does not exist", got=path) from error
        except URLError as error:
            raise UnavailableError(
                f"detoxify's model {model} cannot be downloaded: {first_line(error)}", fix=INSTEAD
            ) from error
        except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
            raise UserError(
                f"the detoxify checkpoint {path or _release_path(model)} is damaged or holds more "
                f"than weights: {first_line(error)}",
                fix="use an unchanged release file, or scorer huggingface with the plain classifier",
            ) from error

    def missing(self) -> list[str]:
        """See `Scorer.missing`."""
        options = self.options
        if options.checkpoint is None and options.model in HUB:
            return missing_on_hub(HUB[options.model], fix=INSTEAD)
        lines = _missing_release(options.model) if options.checkpoint is None else []
        for path in (options.checkpoint, options.huggingface_config_path):
            if path is not None and not Path(path).exists():
                lines.append(f"{path} does not exist")
        return lines


def _release_path(model: str) -> Path:
    """Where torch keeps Detoxify's own file of a model once it is downloaded."""
    import torch
    from detoxify.detoxify import MODEL_URLS

    return Path(torch.hub.get_dir(), "checkpoints", MODEL_URLS[model].rsplit("/", 1)[1])


def _missing_release(model: str) -> list[str]:
    """One line if Detoxify's own file of a model is neither here nor to be had now; else nothing."""
    from detoxify.detoxify import MODEL_URLS

    if _release_path(model).is_file():
        return []
    request = urllib.request.Request(MODEL_URLS[model], method="HEAD")
    try:
        with urllib.request.urlopen(request, timeout=HUB_TIMEOUT_SECONDS) as answer:
            if answer.headers.get_content_type() != "text/html":
                return []
            why = "what answers there is a proxy or a page to log in"
    except (OSError, HTTPException) as error:  # whatever it was, it is said
        why = first_line(error)
    return [
        f"the file of detoxify's model {model} is not here and cannot be downloaded from "
        f"{MODEL_URLS[model]}: {why}; {INSTEAD}"
    ]


def _release_file(model: str) -> dict[str, Any]:
    """Detoxify's own file of a model; its name holds the start of its hash, which is checked."""
    import torch
    from detoxify.detoxify import MODEL_URLS

    return torch.hub.load_state_dict_from_url(
        MODEL_URLS[model], map_location="cpu", progress=False, check_hash=True, weights_only=True
    )
