"""Pass 2, light and global: edges, labels, the untagged share, the split, the files.

It streams over the scored shards three times: for the edges, for labels and the choice of validation
sentences, and to write. Memory does not grow with the data.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from src.attributes.attribute import Attributes, attributes_from_args
from src.attributes.quantiles import exact_quantiles
from src.config.dataset import DatasetArgs
from src.dataset.audit.label_audit import Audit
from src.dataset.labelling import (
    HoldOut,
    LabelledBatch,
    ValidationChoice,
    label_batch,
    scores_of,
)
from src.dataset.pass_two.dataset_files import DatasetFiles
from src.dataset.records import COUNTED_ONLY, REASONS
from src.dataset.scored_shards import HUMAN, ScoredShards
from src.dataset.statistics import DECILES, ScoreFigures, ScoreRange
from src.dataset.tally import REPORT_IT, Tally
from src.errors import DataError, ProgramError
from src.runtime.console import progress

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Labelled:
    """What pass 2 found: the attributes with their edges, the data set in figures, what to audit."""

    attributes: Attributes
    stats: dict[str, Any]
    audit: Audit


class PassTwo:
    """Labels and splits what pass 1 left, and writes the data set's files into a folder."""

    def __init__(self, args: DatasetArgs, shards: ScoredShards, folder: Path) -> None:
        self._args, self._shards, self._folder = args, shards, folder
        self._tally = shards.tally()
        self._human = (HUMAN,) if args.source.human_ratings else ()
        self._held_out = HoldOut(args.seed, args.validation.document_share)

    def run(self) -> Labelled:
        """Do it all.

        Raises:
            DataError: no sentence left, a label without sentences, quantiles that give equal edges, or
                too few sentences for the validation set.
        """
        if self._tally.sentences_kept == 0:
            raise DataError(
                "no sentence is left:\n" + "\n".join(_count_lines(self._tally)) + "\n",
                fix="check source, sample_fraction, excluded_sources, cleaning, min_words and context_length",
            )
        ranges, deciles, attributes = self._edges()
        audit = Audit(self._args, attributes, ranges)
        figures, choice = self._label(attributes, ranges, audit)
        _check_every_label(attributes, figures)
        validation_ids = choice.chosen()
        files = self._write(attributes, validation_ids)
        self._check(files)
        return Labelled(attributes, self._stats(files) | figures.to_json(deciles), audit)

    # ------------------------------------------------------------------------------ first stream

    def _edges(self) -> tuple[dict[str, ScoreRange], dict[str, list[float]], Attributes]:
        """Extremes, deciles and edges of every attribute's scores."""
        wanted = self._args.attributes
        ranges = {name: ScoreRange() for name in wanted}
        for scores in self._scores():
            for name in wanted:
                ranges[name].add(scores[name])
        deciles, edges = {}, {}
        for name, one in wanted.items():
            shares = (*DECILES, *(one.quantiles or ()))
            found = exact_quantiles(lambda name=name: (s[name] for s in self._scores()), shares)
            deciles[name] = list(found[: len(DECILES)])
            if one.quantiles is not None:
                edges[name] = list(found[len(DECILES) :])
        return ranges, deciles, attributes_from_args(wanted, edges)

    def _scores(self) -> Iterator[dict[str, np.ndarray]]:
        for table in self._shards.batches(["scores", "reason"]):
            yield scores_of(table.filter(pc.is_null(table["reason"])), self._args.attributes)

    # ------------------------------------------------------------------------------ second stream

    def _label(
        self, attributes: Attributes, ranges: Mapping[str, ScoreRange], audit: Audit
    ) -> tuple[ScoreFigures, ValidationChoice]:
        figures = ScoreFigures(attributes, ranges)
        choice = ValidationChoice(self._args.validation, attributes, self._args.seed)
        columns = ("id", "document_id", "source", "text", "n_words", *self._human)
        for table in self._batches("pass 2: labels", *columns):
            batch = label_batch(table, attributes)
            figures.add(batch)
            audit.add(batch)
            self._offer(batch, choice)
        return figures, choice

    def _offer(self, batch: LabelledBatch, choice: ValidationChoice) -> None:
        ids, words = batch.table["id"].to_pylist(), batch.table["n_words"].to_pylist()
        documents, combinations = batch.table["document_id"].to_pylist(), batch.combinations()
        for i in np.flatnonzero(~batch.near_edge):
            if documents[i] in self._held_out:
                choice.offer(ids[i], words[i], combinations[i])

    def _batches(self, what: str, *columns: str) -> Iterator[pa.Table]:
        with progress(what=what, unit="record") as bar:
            for table in self._shards.batches([*columns, "scores", "reason"]):
                yield table
                bar.update(table.num_rows)

    # ------------------------------------------------------------------------------ third stream

    def _write(self, attributes: Attributes, validation_ids: Sequence[str]) -> DatasetFiles:
        files = DatasetFiles(self._folder, attributes, self._args, validation_ids)
        with files:
            columns = ("id", "document_id", "source", "text", "n_words", "n_tokens", *self._human)
            for table in self._batches("pass 2: writing", *columns):
                files.add(table, label_batch(table, attributes), self._held_out)
        return files

    def _check(self, files: DatasetFiles) -> None:
        """Raises ProgramError where a record was lost in a shard or between the passes."""
        self._tally.check()
        counted = self._tally.records_written()
        if self._shards.n_rows() != counted:
            raise ProgramError(
                f"read = used + excluded does not hold: {self._shards.n_rows()} rows in scored/, "
                f"{counted} counted by pass 1",
                fix=REPORT_IT,
            )
        tally, left_out = self._tally, files.left_out
        used = sum(split.sentences for split in files.splits.values())
        before = tally.excluded_documents + tally.excluded_sentences
        del before[COUNTED_ONLY]
        late = files.left_out_late()
        if (
            used + late.total() != tally.sentences_kept
            or left_out != before + late
            or files.rows_written() != (used, left_out.total())
        ):
            raise ProgramError(
                f"read = used + excluded does not hold in pass 2: {tally.sentences_kept} sentences kept "
                f"by pass 1, {used} used, {dict(left_out)} left out, {files.rows_written()} rows written",
                fix=REPORT_IT,
            )

    def _stats(self, files: DatasetFiles) -> dict[str, Any]:
        tally = self._tally
        sentences = tally.excluded_sentences + files.left_out_late()
        splits = files.splits.items()
        return {
            "documents": {
                "read": tally.documents_read,
                "used": tally.documents_split,
                "excluded": _ordered(tally.excluded_documents),
                "bad": tally.bad_documents.total(),
            },
            "sentences": {
                "read": tally.sentences_made,
                "used": sum(split.sentences for _, split in splits),
                "excluded": _ordered(sentences),
            },
            "splits": {name: split.to_json() for name, split in splits},
            "sources": [
                {
                    "source": source,
                    "documents_read": n,
                    "documents_used": tally.sources_split[source],
                    "sentences_used": files.sources[source],
                }
                for source, n in sorted(tally.sources_read.items())
            ],
        }


def _check_every_label(attributes: Attributes, figures: ScoreFigures) -> None:
    """Raises DataError where a label has no sentence."""
    counts = figures.label_counts()
    empty = [f"{name}: {label}" for name, n in counts.items() for label in n if n[label] == 0]
    if empty:
        lines = [
            f"  {name} (edges {list(attributes[name].edges)}): "
            + ", ".join(f"{label} {n}" for label, n in counts[name].items())
            for name in attributes
        ]
        raise DataError(
            "no sentence has the label " + " or ".join(empty) + ":\n" + "\n".join(lines) + "\n",
            fix="set other edges (or quantiles), a smaller exclude_within, or use more documents",
        )


def _ordered(counts: Counter[str]) -> dict[str, int]:
    """Counts above zero, in the order in which the reasons are listed."""
    return {reason: counts[reason] for reason in REASONS if counts[reason]}


def _count_lines(tally: Tally) -> list[str]:
    lines = [f"  documents read: {tally.documents_read}, split: {tally.documents_split}"]
    lines += [f"    {reason}: {n}" for reason, n in _ordered(tally.excluded_documents).items()]
    lines += [f"  sentences: {tally.sentences_made}"]
    lines += [f"    {reason}: {n}" for reason, n in _ordered(tally.excluded_sentences).items()]
    return lines
