"""From the data set's rows to batches: tokens, which condition is rendered, in what order."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import torch
from torch.utils.data import Dataset, Sampler
from transformers import PreTrainedTokenizerBase

from src.control_tokens import Attributes, encode_sentence, text_ids
from src.errors import DataError
from src.runtime import keyed_hash, keyed_uniform, progress
from src.target_nll import NO_TARGET, batch_of, shift
from src.training.step_shares import NOBODY

_ROWS_AT_ONCE = 8192


def rows_of(folder: Path, split: str, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The rows of a split of a data set made by stage 1, in the order of its files.

    Raises:
        DataError: the split has no file.
    """
    files = sorted(folder.glob(f"{split}-*.parquet"))
    if not files:
        raise DataError(f"{folder} has no {split}-*.parquet", fix="create the data set again")
    for path in files:
        with pq.ParquetFile(path) as table:
            for batch in table.iter_batches(batch_size=_ROWS_AT_ONCE, columns=list(columns)):
                yield from batch.to_pylist()


def drawn_ids(folder: Path, max_sentences: int | None, seed: int) -> set[str] | None:
    """Ids of the training sentences drawn by the seed: the same for every model; None means all."""
    if max_sentences is None:
        return None
    ids = (row["id"] for row in rows_of(folder, "train", ["id"]))
    return set(heapq.nsmallest(max_sentences, ids, lambda i: keyed_hash(seed, "max_sentences", i)))


@dataclass(frozen=True)
class Sentences:
    """The training sentences as tokens, in flat arrays: 25 million tokens take 100 MB.

    Attributes:
        ids: of the sentences.
        tokens: int32, all texts one after the other, without any special token.
        starts: int64 [sentences + 1], where each text starts in `tokens`.
        labels: int8 [sentences, attributes], the number of each label.
        untagged: bool [sentences], whether no token is rendered at all.
    """

    ids: list[str]
    tokens: np.ndarray
    starts: np.ndarray
    labels: np.ndarray
    untagged: np.ndarray

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each text."""
        return np.diff(self.starts)


def read_sentences(
    folder: Path,
    tokenizer: PreTrainedTokenizerBase,
    attributes: Attributes,
    *,
    max_sentences: int | None,
    seed: int,
) -> Sentences:
    """Read and tokenise the training split.

    Raises:
        DataError: it has no sentence.
    """
    chosen = drawn_ids(folder, max_sentences, seed)
    ids: list[str] = []
    parts: list[np.ndarray] = []
    lengths: list[int] = []
    labels: list[list[int]] = []
    untagged: list[bool] = []

    def add(rows: Sequence[Mapping[str, Any]]) -> None:
        encoded = text_ids(tokenizer, [row["text"] for row in rows])
        lengths.extend(map(len, encoded))
        parts.append(np.array([i for one in encoded for i in one], dtype=np.int32))
        for row in rows:
            ids.append(row["id"])
            labels.append([a.labels.index(row["labels"][name]) for name, a in attributes.items()])
            untagged.append(row["untagged"])

    columns = ["id", "text", "labels", "untagged"]
    waiting: list[Mapping[str, Any]] = []
    for row in progress(rows_of(folder, "train", columns), what="tokenising", unit="sentence"):
        if chosen is None or row["id"] in chosen:
            waiting.append(row)
        if len(waiting) == _ROWS_AT_ONCE:
            add(waiting)
            waiting = []
    add(waiting)
    if not ids:
        raise DataError(f"{folder} has no training sentence", fix="create a larger data set")
    return Sentences(
        ids=ids,
        tokens=np.concatenate(parts),
        starts=np.concatenate([[0], np.cumsum(lengths)]),
        labels=np.array(labels, dtype=np.int8),
        untagged=np.array(untagged, dtype=bool),
    )


class Examples(Dataset):
    """Training sequences. Index `epoch * len(self) + row` is the row as it is seen in that epoch.

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
    ) -> None:
        """Prepare the conditions that can stand in front.

        Args:
            sentences: what is trained on.
            tokenizer: with the attributes' control tokens.
            attributes: all of the data set's, in rendering order.
            condition_on: those whose tokens are rendered.
            token_dropout: attribute → share of sentences in which its token is left out.
            seed: of the dropout.
        """
        self.sentences = sentences
        self.condition_on = set(condition_on)
        self._tokenizer, self._attributes = tokenizer, attributes
        self._dropout, self._seed = dict(token_dropout), seed
        self._fronts: dict[tuple[tuple[str, str], ...], list[int]] = {}

    def __len__(self) -> int:
        return len(self.sentences.ids)

    def __getitem__(self, index: int) -> dict[str, list[int]]:
        if index == NOBODY:
            return {"input_ids": [self._tokenizer.eos_token_id], "targets": [NO_TARGET]}
        epoch, row = divmod(index, len(self))
        front = self._front(self.condition(row, epoch))
        start, end = self.sentences.starts[row], self.sentences.starts[row + 1]
        text = self.sentences.tokens[start:end].tolist()
        inputs, targets = shift([*front, *text, self._tokenizer.eos_token_id], len(front))
        return {"input_ids": inputs, "targets": targets}

    def condition(self, row: int, epoch: int) -> dict[str, str]:
        """The labels whose tokens stand before a sentence in an epoch."""
        if self.sentences.untagged[row]:
            return {}
        item = f"{self.sentences.ids[row]}:{epoch}"
        return {
            name: attribute.labels[self.sentences.labels[row, column]]
            for column, (name, attribute) in enumerate(self._attributes.items())
            if name in self.condition_on
            and keyed_uniform(self._seed, f"dropout:{name}", item) >= self._dropout.get(name, 0.0)
        }

    def _front(self, condition: Mapping[str, str]) -> list[int]:
        key = tuple(condition.items())
        if key not in self._fronts:
            ids, n_front = encode_sentence(self._tokenizer, [], condition, self._attributes)
            self._fronts[key] = ids[:n_front]
        return self._fronts[key]


@dataclass(frozen=True)
class Collator:
    """Sequences of different lengths → one batch, padded on the right."""

    pad_id: int

    def __call__(self, examples: Sequence[Mapping[str, list[int]]]) -> dict[str, torch.Tensor]:
        """Tensors [sentences, longest].

        The targets carry the two names by which the Trainer knows labels that are shifted already: it
        counts them for the average over an accumulated, distributed batch.
        """
        shifted = [(example["input_ids"], example["targets"]) for example in examples]
        input_ids, attention_mask, targets = batch_of(shifted, self.pad_id)
        return {
            "input_ids": input_ids,
            "attention_mask": attention_mask,
            "labels": targets,
            "shift_labels": targets,
        }


class LengthGroupedOrder(Sampler[int]):
    """The order of an epoch: random, and sentences of about the same length beside each other.

    Sentences are shuffled, cut into pools of 50 steps, sorted by length inside a pool and cut into steps,
    which are shuffled again. Depends on nothing but the seed, the epoch and the sentences, so a
    resumed run sees what an undisturbed one does.
    """

    POOL_STEPS = 50

    def __init__(self, sentences: Sentences, sentences_per_step: int, seed: int) -> None:
        """Prepare.

        Args:
            sentences: what is ordered.
            sentences_per_step: of all processes and accumulated batches together.
            seed: of the order.
        """
        self._ids, self._lengths = sentences.ids, sentences.lengths
        self._step, self._seed = sentences_per_step, seed
        self._epoch = 0

    def start_epoch(self, epoch: int) -> None:
        """Set the epoch that the next iteration goes through."""
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self._ids)

    def __iter__(self) -> Iterator[int]:
        offset = self._epoch * len(self)
        return (offset + row for row in self._rows())

    def _rows(self) -> Iterator[int]:
        epoch = self._epoch
        keys = [keyed_hash(self._seed, f"order:{epoch}", i) for i in self._ids]
        shuffled = sorted(range(len(keys)), key=keys.__getitem__)
        steps, rest = [], []
        for start in range(0, len(shuffled), self.POOL_STEPS * self._step):
            pool = shuffled[start : start + self.POOL_STEPS * self._step]
            pool.sort(key=lambda row: (-self._lengths[row], keys[row]))
            for first in range(0, len(pool), self._step):
                step = pool[first : first + self._step]
                (steps if len(step) == self._step else rest).append(step)
        # By the step's first sentence; an incomplete step comes last, else it would shift all after it.
        steps.sort(key=lambda step: keyed_hash(self._seed, f"steps:{epoch}", self._ids[step[0]]))
        for step in steps + rest:
            yield from step
