"""What a checkpoint is measured by: loss and control AUC on validation sentences."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from src.errors import DataError, ProjectError
from src.models.control_tokens import Attributes
from src.models.language_model import Precision
from src.models.likelihood import control_auc, sentence_log_likelihoods
from src.published.data_set import rows_of
from src.runtime.randomness import keyed_hash


@dataclass(frozen=True)
class ValidationSentences:
    """Labelled sentences of held-out documents: texts, and per text attribute → label."""

    texts: list[str]
    labels: list[dict[str, str]]


def choose_validation(
    folder: Path, attributes: Attributes, condition_on: Sequence[str], count: int, seed: int
) -> ValidationSentences:
    """Draw validation sentences, the same for every model, balanced over the label combinations.

    Args:
        folder: of the data set.
        attributes: all of the data set's.
        condition_on: those whose control AUC will be measured.
        count: sentences wanted; fewer if the data set has fewer.
        seed: of the draw.

    Raises:
        DataError: the data set has no validation sentence, or a label to be told apart has none.
    """
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
    for row in rows_of(folder, "validation", ["id", "text", "labels"]):
        groups[tuple(row["labels"][name] for name in attributes)].append(row)
    if not groups:
        raise DataError(
            f"{folder} has no validation sentence",
            fix="set checkpoints.evaluation_sentences to 0, or create a larger data set",
        )
    ranked = []
    for combination, rows in groups.items():
        rows.sort(key=lambda row: keyed_hash(seed, "evaluation", row["id"]))
        ranked += [(rank, combination, row) for rank, row in enumerate(rows)]
    ranked.sort(key=lambda item: item[:2])
    chosen = [row for _, _, row in ranked[:count]]
    for name in condition_on:
        found = {row["labels"][name] for row in chosen}
        lacking = {attributes[name].labels[0], attributes[name].labels[-1]} - found
        if lacking:
            raise DataError(
                f"control AUC of {name} needs validation sentences of both its ends: none of the "
                f"{len(chosen)} drawn is {' or '.join(sorted(lacking))}",
                fix="set checkpoints.evaluation_sentences higher, or to 0 for no measurement",
            )
    return ValidationSentences(
        texts=[row["text"] for row in chosen],
        labels=[{name: row["labels"][name] for name in attributes} for row in chosen],
    )


@dataclass(frozen=True)
class Validation:
    """Measures a model on validation sentences, each with its own labels as the condition."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    attributes: Attributes
    condition_on: Sequence[str]
    sentences: ValidationSentences
    precision: Precision

    def __call__(self) -> dict[str, float]:
        """Measure.

        Returns:
            `eval_loss` (nats per target), for each of `condition_on` `eval_control_auc_<attribute>` and the
            ends of its interval, `eval_auc_low_<attribute>` and `eval_auc_high_<attribute>`, and
            `eval_tokens_per_second`.

        Raises:
            ProjectError: the loss is no number.
        """
        started = time.monotonic()
        own_labels = [{n: row[n] for n in self.condition_on} for row in self.sentences.labels]
        shared = (self.model, self.tokenizer, self.sentences.texts)
        log_p, counts = sentence_log_likelihoods(
            *shared, own_labels, self.attributes, precision=self.precision
        )
        aucs = control_auc(
            *shared,
            own_labels,
            self.attributes,
            self.condition_on,
            own=log_p,
            precision=self.precision,
        )
        loss = float(-log_p.sum() / counts.sum())
        if not loss < float("inf"):
            raise ProjectError(
                f"the validation loss is {loss}",
                fix="lower optimisation.learning_rate or control_tokens.learning_rate",
            )
        seconds = time.monotonic() - started
        passes = 1 + len(self.condition_on)
        measured = {
            "eval_loss": loss,
            "eval_tokens_per_second": round(passes * int(counts.sum()) / seconds, 1),
        }
        for name, auc in aucs.items():
            for key, value in (
                ("control_auc", auc.value),
                ("auc_low", auc.low),
                ("auc_high", auc.high),
            ):
                assert value is not None, "`choose_validation` has sentences of both ends"
                measured[f"eval_{key}_{name}"] = value
        return measured
