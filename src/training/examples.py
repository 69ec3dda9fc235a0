"""From the data set's rows to batches: tokens, which condition is rendered, in what order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase

from src.models.control_tokens import Attributes, encode_sentence
from src.models.target_nll import NO_TARGET, batch_of, shift
from src.runtime.randomness import keyed_hash, keyed_uniform
from src.training.sentences import Sentences
from src.training.step_shares import Rows


class Examples:
    """Training sequences: a row as it is seen in an epoch.

    So which tokens are dropped depends on the epoch, and nothing on what was read before.
    """

    def __init__(
        self,
        sentences: Sentences,
        tokenizer: PreTrainedTokenizerBase,
        attributes: Attributes,
        condition_on: Sequence[str],
        token_dropout: Mapping[str, float],
        seed: int,
        *,
        with_exchange: bool = False,
    ) -> None:
        """Prepare the conditions that can stand in front.

        Args:
            sentences: what is trained on.
            tokenizer: with the attributes' control tokens.
            attributes: all of the data set's, in rendering order.
            condition_on: those whose tokens are rendered.
            token_dropout: attribute → share of sentences in which its token is left out.
            seed: of the dropout and the exchange.
            with_exchange: each sentence also comes with one of its tokens exchanged, for the discriminative
                loss.
        """
        self.sentences = sentences
        self._with_exchange = with_exchange
        self.condition_on = set(condition_on)
        self._tokenizer, self._attributes = tokenizer, attributes
        self._end = tokenizer.eos_token_id
        self._dropout, self._seed = dict(token_dropout), seed
        self._fronts: dict[tuple[tuple[str, str], ...], list[int]] = {}

    def example(self, row: int, epoch: int = 0) -> dict[str, list[int]]:
        """Input ids, at each of them the target that follows, and the ids with one token exchanged."""
        condition = self.condition(row, epoch)
        front = self._front(condition)
        start, end = self.sentences.starts[row], self.sentences.starts[row + 1]
        text = self.sentences.tokens[start:end].tolist()
        inputs, targets = shift([*front, *text, self._end], len(front))
        example = {"input_ids": inputs, "targets": targets}
        if self._with_exchange and condition:
            other = self._front(self.exchanged(condition, row, epoch))
            example["exchanged_ids"] = [*other, *inputs[len(other) :]]
        return example

    def batch(self, rows: Rows, epoch: int, multiple: int = 1) -> dict[str, torch.Tensor]:
        """Some rows as one batch; without any, a batch of nothing to learn: see `batch_of_examples`."""
        nothing = {"input_ids": [self._end], "targets": [NO_TARGET]}
        examples = [self.example(row, epoch) for row in rows] or [nothing]
        return batch_of_examples(examples, self._tokenizer.pad_token_id, multiple)

    def n_targets(self, rows: Rows) -> int:
        """Targets of some rows: all tokens of their texts, and their ends."""
        found, starts = np.asarray(rows), self.sentences.starts
        return int((starts[found + 1] - starts[found]).sum()) + len(found)

    def condition(self, row: int, epoch: int) -> dict[str, str]:
        """The labels whose tokens stand before a sentence in an epoch."""
        if self.sentences.untagged[row]:
            return {}
        item = f"{self.sentences.id(row)}:{epoch}"
        return {
            name: attribute.labels[self.sentences.labels[row, column]]
            for column, (name, attribute) in enumerate(self._attributes.items())
            if name in self.condition_on
            and keyed_uniform(self._seed, f"dropout:{name}", item) >= self._dropout.get(name, 0.0)
        }

    def exchanged(self, condition: Mapping[str, str], row: int, epoch: int) -> dict[str, str]:
        """The condition with one of its labels, drawn by the seed, exchanged for another of its attribute.

        Args:
            condition: of the sentence in this epoch, not empty.
            row: of the sentence.
            epoch: of the training.
        """
        item = f"{self.sentences.id(row)}:{epoch}"
        names = list(condition)
        name = names[keyed_hash(self._seed, "exchange", item) % len(names)]
        others = [label for label in self._attributes[name].labels if label != condition[name]]
        drawn = others[keyed_hash(self._seed, "exchanged_label", item) % len(others)]
        return {**condition, name: drawn}

    def _front(self, condition: Mapping[str, str]) -> list[int]:
        key = tuple(condition.items())
        if key not in self._fronts:
            ids, n_front = encode_sentence(self._tokenizer, [], condition, self._attributes)
            self._fronts[key] = ids[:n_front]
        return self._fronts[key]


def batch_of_examples(
    examples: Sequence[Mapping[str, list[int]]], pad_id: int, multiple: int = 1
) -> dict[str, torch.Tensor]:
    """Sequences of different lengths → one batch, padded on the right.

    Args:
        examples: as `Examples.example` makes them.
        pad_id: of the padding.
        multiple: the length of the batch is a multiple of this.

    Returns:
        `input_ids`, `attention_mask` and `targets`, int64 [sentences, length]; where a sentence has a token
        exchanged, `exchanged_ids` of the same shape and `has_exchange`, bool [sentences].
    """
    shifted = [(example["input_ids"], example["targets"]) for example in examples]
    input_ids, attention_mask, targets = batch_of(shifted, pad_id, multiple)
    batch = {"input_ids": input_ids, "attention_mask": attention_mask, "targets": targets}
    exchanged = [example.get("exchanged_ids") for example in examples]
    if any(exchanged):
        # Of a sentence without a token to exchange its own row: it has no part in that loss.
        rows = [(ids or own, goals) for ids, (own, goals) in zip(exchanged, shifted, strict=True)]
        batch["exchanged_ids"] = batch_of(rows, pad_id, multiple)[0]
        batch["has_exchange"] = torch.tensor([ids is not None for ids in exchanged])
    return batch


POOL_STEPS = 50


def order_of_epoch(
    sentences: Sentences, sentences_per_step: int, seed: int, epoch: int
) -> np.ndarray:
    """The rows of an epoch in their order: random, and those of about the same length beside each other.

    Sentences are shuffled, cut into pools of 50 steps, sorted by length inside a pool and cut into steps,
    which are shuffled again. Depends on nothing but the seed, the epoch and the sentences, so a
    resumed run sees what an undisturbed one does.

    Args:
        sentences: what is ordered.
        sentences_per_step: of all processes and accumulated batches together.
        seed: of the run.
        epoch: from 0.

    Returns:
        int64 [sentences], in arrays throughout: 140 million sentences are 1 GB each.
    """

    def keys_of(purpose: str, rows: Iterable[int]) -> np.ndarray:
        keys = (keyed_hash(seed, f"{purpose}:{epoch}", sentences.id(row)) for row in rows)
        return np.fromiter(keys, dtype=np.uint64)

    size, keys, lengths = (
        sentences_per_step,
        keys_of("order", range(len(sentences))),
        sentences.lengths,
    )
    rows = np.argsort(keys, kind="stable")
    for start in range(0, len(rows), POOL_STEPS * size):
        pool = rows[start : start + POOL_STEPS * size]
        rows[start : start + len(pool)] = pool[np.lexsort((keys[pool], -lengths[pool]))]
    whole = len(rows) - len(rows) % size
    steps = rows[:whole].reshape(-1, size)
    # By the step's first sentence; an incomplete step comes last, else it would shift all after it.
    first = keys_of("steps", steps[:, 0])
    return np.concatenate([steps[np.argsort(first, kind="stable")].ravel(), rows[whole:]])
