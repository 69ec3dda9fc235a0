"""The finished data set's files, written from labelled batches in one stream, and counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pyarrow as pa

from src.attributes.attribute import Attributes
from src.config.dataset import DatasetArgs
from src.dataset.labelling import LabelledBatch, is_untagged
from src.dataset.pass_two.final_shards import ExcludedWriter, ShardWriter, final_schema
from src.dataset.records import PASS_TWO_REASONS
from src.dataset.statistics import SplitFigures
from src.dataset.tally import count_source

TRAIN, VALIDATION = "train", "validation"


class DatasetFiles:
    """`train-*.parquet`, `validation-*.parquet` and `excluded.parquet` of one folder.

    Attributes:
        splits: figures of each split.
        sources: used sentences by source.
        left_out: records in `excluded.parquet` by reason, those of pass 1 included.
    """

    def __init__(
        self,
        folder: Path,
        attributes: Attributes,
        args: DatasetArgs,
        validation_ids: Sequence[str],
    ) -> None:
        """Prepare.

        Args:
            folder: where to write; parquet files that a killed run left there are removed.
            attributes: with their edges.
            args: seed and untagged share.
            validation_ids: the sentences chosen for validation, in the order in which to write them.
        """
        self._folder, self._attributes, self._args = folder, attributes, args
        self._validation_rows: dict[str, dict[str, Any]] = {name: {} for name in validation_ids}
        self.splits = {TRAIN: SplitFigures(), VALIDATION: SplitFigures()}
        self.sources: Counter[str] = Counter()
        self.left_out: Counter[str] = Counter()

    def __enter__(self) -> DatasetFiles:
        for stale in (*self._folder.glob("*.parquet"), *self._folder.glob(".*.tmp")):
            stale.unlink()
        schema = final_schema(self._attributes, list(self._args.source.human_ratings))
        with ExitStack() as opened:
            self._train = opened.enter_context(ShardWriter(self._folder, TRAIN, schema))
            self._validation = opened.enter_context(ShardWriter(self._folder, VALIDATION, schema))
            self._excluded = opened.enter_context(ExcludedWriter(self._folder))
            self._opened = opened.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, *details: object) -> None:
        if kind is None:
            for row in self._validation_rows.values():
                self._validation.add(row)
        self._opened.__exit__(kind, *details)

    def add(self, table: pa.Table, batch: LabelledBatch, held_out: Container[str]) -> None:
        """Write a batch.

        Args:
            table: scored rows, those that pass 1 left out included.
            batch: the kept ones of them, labelled.
            held_out: ids of documents that are kept out of training.
        """
        sentences = batch.table.to_pylist()
        fates = [
            self._fate(sentence, near, held_out)
            for sentence, near in zip(sentences, batch.near_edge, strict=True)
        ]
        for sentence, fate, combination in zip(sentences, fates, batch.combinations(), strict=True):
            if fate in self.splits:
                self._use(sentence, fate, combination)
        self._leave_out(table, [fate if fate in PASS_TWO_REASONS else None for fate in fates])

    def _fate(self, sentence: dict[str, Any], near_edge: bool, held_out: Container[str]) -> str:
        """The split that a kept sentence goes to, or why it goes to none."""
        if near_edge:
            return "near_edge"
        if sentence["document_id"] not in held_out:
            return TRAIN
        return VALIDATION if sentence["id"] in self._validation_rows else "held_out_unused"

    def _use(self, sentence: dict[str, Any], split: str, combination: tuple[str, ...]) -> None:
        row = {key: value for key, value in sentence.items() if key not in ("n_words", "reason")}
        row["labels"] = dict(zip(self._attributes, combination, strict=True))
        # Validation sentences are all tagged: losses with and without tokens are measured on them.
        row["untagged"] = split == TRAIN and is_untagged(
            self._args.seed, self._args.untagged_fraction, sentence["id"]
        )
        if split == TRAIN:
            self._train.add(row)
        else:
            self._validation_rows[sentence["id"]] = row
        self.splits[split].add(
            sentence["n_tokens"], sentence["n_words"], row["untagged"], combination
        )
        count_source(self.sources, sentence["source"])

    def _leave_out(self, table: pa.Table, reasons_of_kept: Sequence[str | None]) -> None:
        """Write what pass 1 left out and what pass 2 does, in the order of the input."""
        late = iter(reasons_of_kept)
        reasons = [next(late) if early is None else early for early in table["reason"].to_pylist()]
        chosen = [reason for reason in reasons if reason is not None]
        self._excluded.add(
            table.filter(pa.array([reason is not None for reason in reasons])), chosen
        )
        self.left_out.update(chosen)

    def left_out_late(self) -> Counter[str]:
        """Sentences that pass 2 left out, by reason."""
        return Counter({reason: self.left_out[reason] for reason in PASS_TWO_REASONS})

    def rows_written(self) -> tuple[int, int]:
        """(rows in the splits, rows in `excluded.parquet`)."""
        return self._train.n_rows + self._validation.n_rows, self._excluded.n_rows
