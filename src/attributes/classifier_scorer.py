"""What all scorers around a transformers text classifier share; imports no torch."""

from __future__ import annotations

from abc import abstractmethod
from functools import partial
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field

from src.attributes.near_edge import settle_near
from src.attributes.scorer import Scorer
from src.config.strict import Strict
from src.errors import ProjectError, ScorerError

if TYPE_CHECKING:
    import torch

    from src.attributes.sequence_classifier import SequenceClassifier


Precision = Literal["fp32", "bf16"]


class ClassifierOptions(Strict):
    """How a classifier computes."""

    device: str = Field(default="auto", description="auto, cpu, cuda, cuda:1, mps")
    batch_size: int = Field(default=32, ge=1, description="texts computed at once")
    precision: Precision = Field(
        default="fp32",
        description="bf16: about twice as fast on a CPU that has it; scores differ by up to about "
        "0.003, so name the edges in exact_near",
    )
    exact_near: tuple[float, ...] = Field(
        default=(),
        description="with bf16: scores so near to one of these values (the label edges) that rounding "
        "could put them on its other side are computed again in fp32",
    )


class ClassifierScorer(Scorer):
    """One output of a transformers text classifier. A subclass builds it and chooses the output."""

    Options = ClassifierOptions
    packages = ("torch", "transformers", "tokenizers")
    how_fields = frozenset({"device", "batch_size"})
    _classifier: SequenceClassifier

    @abstractmethod
    def _build(self) -> SequenceClassifier:
        """The classifier on its device."""

    @abstractmethod
    def _value(self, logits: torch.Tensor) -> torch.Tensor:
        """From outputs, shape [n, n_outputs], to scores, shape [n]."""

    def _load(self) -> None:
        self._classifier = self._build()

    def _score(self, texts: list[str]) -> np.ndarray:
        options = self.options
        try:
            scores = self._computed(texts, options.precision)
            if options.precision != "fp32" and options.exact_near:
                exactly = partial(self._computed, precision="fp32")
                scores = settle_near(scores, options.exact_near, texts, exactly)
            return scores
        except ProjectError:
            raise
        except Exception as error:
            # Not narrower: between a stranger's weights and his tokenizer anything can break (an index out of
            # range, a device out of memory), and tokenizers raises a bare Exception. It ends the run.
            raise ScorerError(f"{type(self).__name__} failed: {error}") from error

    def _computed(self, texts: list[str], precision: Precision) -> np.ndarray:
        return self._value(self._classifier.logits(texts, precision)).double().numpy()

    def _weights(self) -> dict[str, str]:
        self.load()
        return self._classifier.weights_sha256()
