"""Pass 2, row by row: labels, sentences too near an edge, which documents are held out, who is untagged.

Every choice is a keyed hash of an id: the same for any number of tasks, in any order.
"""

from __future__ import annotations

import heapq
import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from src.attributes.attribute import Attributes
from src.config.dataset import ValidationArgs
from src.errors import DataError
from src.runtime.randomness import keyed_hash, keyed_uniform

Combination = tuple[str, ...]


@dataclass(frozen=True)
class LabelledBatch:
    """Kept sentences of a batch, in order.

    Attributes:
        table: their rows; the columns that were asked for.
        scores: attribute → float64 of shape [n].
        labels: attribute → labels, n of them.
        near_edge: bool of shape [n]; True: too near an edge of some attribute to be used.
    """

    table: pa.Table
    scores: Mapping[str, np.ndarray]
    labels: Mapping[str, list[str]]
    near_edge: np.ndarray

    def __len__(self) -> int:
        return self.table.num_rows

    def combination_at(self, i: int) -> Combination:
        """The labels of one sentence, in the attributes' order."""
        return tuple(labels[i] for labels in self.labels.values())

    def combinations(self) -> list[Combination]:
        """Each sentence's labels, in the attributes' order."""
        return list(zip(*self.labels.values(), strict=True))


def label_batch(table: pa.Table, attributes: Attributes) -> LabelledBatch:
    """Label the kept sentences of a table of scored rows (columns `scores` and `reason` at least)."""
    kept = table.filter(pc.is_null(table["reason"]))
    scores = scores_of(kept, attributes)
    near = np.zeros(kept.num_rows, dtype=bool)
    for name, one in attributes.items():
        distance = np.abs(scores[name][:, None] - np.array(one.edges)[None, :])  # [n, edges]
        near |= (distance < one.exclude_within).any(axis=1)
    labels = {name: one.labels_of(scores[name]) for name, one in attributes.items()}
    return LabelledBatch(kept, scores, labels, near)


def scores_of(table: pa.Table, attributes: Iterable[str]) -> dict[str, np.ndarray]:
    """Attribute → float64 of shape [n], from the column `scores`."""
    column = table["scores"].combine_chunks()
    return {
        name: pc.struct_field(column, name).to_numpy(zero_copy_only=False) for name in attributes
    }


def combinations_of(attributes: Attributes) -> list[Combination]:
    """Every combination of one label per attribute, in a fixed order."""
    return list(itertools.product(*(one.labels for one in attributes.values())))


class HoldOut:
    """Which documents are kept out of training: whole documents, so that no sentence's neighbour leaks."""

    def __init__(self, seed: int, document_share: float) -> None:
        self._seed, self._share = seed, document_share
        self._last: tuple[str | None, bool] = (None, False)

    def __contains__(self, document_id: str) -> bool:
        if document_id != self._last[0]:
            chosen = keyed_uniform(self._seed, "split", document_id) < self._share
            self._last = (document_id, chosen)
        return self._last[1]


def is_untagged(seed: int, fraction: float, sentence_id: str) -> bool:
    """Whether training shows this sentence without any control token."""
    return keyed_uniform(seed, "untagged", sentence_id) < fraction


class ValidationChoice:
    """Chooses the validation sentences: equally many of each combination of labels.

    Of each combination the sentences with the lowest hashes; memory is bounded by the number chosen.
    """

    def __init__(self, args: ValidationArgs, attributes: Attributes, seed: int) -> None:
        self._args, self._seed = args, seed
        self._names = list(attributes)
        self._per_combination = args.sentences // len(combinations_of(attributes))
        if self._per_combination == 0:
            raise DataError(
                f"validation.sentences is less than one for each of the "
                f"{len(combinations_of(attributes))} combinations of labels",
                got=args.sentences,
                fix="raise validation.sentences",
            )
        # Largest hash first: (-hash, id).
        self._heaps: dict[Combination, list[tuple[int, str]]] = {
            combination: [] for combination in combinations_of(attributes)
        }
        self.held_out: Counter[Combination] = Counter()
        self.fitting: Counter[Combination] = Counter()

    def offer(self, sentence_id: str, n_words: int, combination: Combination) -> None:
        """Consider a sentence of a held-out document."""
        self.held_out[combination] += 1
        if not self._args.min_words <= n_words <= self._args.max_words:
            return
        self.fitting[combination] += 1
        heap = self._heaps[combination]
        item = (-keyed_hash(self._seed, "validation", sentence_id), sentence_id)
        if len(heap) < self._per_combination:
            heapq.heappush(heap, item)
        else:
            heapq.heappushpop(heap, item)

    def chosen(self) -> list[str]:
        """Ids of the chosen sentences.

        The combinations take turns, so that the first n are balanced as well, and a random choice.

        Raises:
            DataError: a combination has too few sentences; with a table of all of them.
        """
        if any(len(heap) < self._per_combination for heap in self._heaps.values()):
            raise DataError(
                "the held-out documents have too few sentences for a balanced validation set:\n"
                + "\n".join(self._table())
                + "\n",
                fix="set fewer validation.sentences, a larger validation.document_share, a wider "
                "validation.min_words … max_words, other edges, or use more documents",
            )
        ranked = [sorted(heap, reverse=True) for heap in self._heaps.values()]
        return [item[1] for turn in zip(*ranked, strict=True) for item in turn]

    def _table(self) -> Iterator[str]:
        words = f"{self._args.min_words} to {self._args.max_words} words"
        yield f"  {' + '.join(self._names)}: needed / held out with {words} / held out"
        for combination in self._heaps:
            yield (
                f"  {' + '.join(combination)}: {self._per_combination} / "
                f"{self.fitting[combination]} / {self.held_out[combination]}"
            )
