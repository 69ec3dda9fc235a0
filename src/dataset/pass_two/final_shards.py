"""The finished data set's files: train and validation shards, and what was left out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from src.attributes.attribute import Attributes
from src.dataset.layout import EXCLUDED
from src.dataset.scored_shards import human_column

ROWS_PER_SHARD = 500_000
ROWS_PER_GROUP = 8192


def final_schema(attributes: Attributes, rated: Sequence[str] = ()) -> pa.Schema:
    """Columns of the train and validation shards.

    n_tokens: text and end-of-text. Untagged sentences keep their labels; training does not render them.
    human: as in the scored shards, there if the source has human ratings (`rated`).
    """
    return pa.schema(
        [
            ("id", pa.string()),
            ("document_id", pa.string()),
            ("source", pa.string()),
            ("text", pa.string()),
            ("n_tokens", pa.int32()),
            ("scores", pa.struct([(name, pa.float64()) for name in attributes])),
            ("labels", pa.struct([(name, pa.string()) for name in attributes])),
            *human_column(rated),
            ("untagged", pa.bool_()),
        ]
    )


EXCLUDED_SCHEMA = pa.schema([("id", pa.string()), ("source", pa.string()), ("reason", pa.string())])


class ShardWriter:
    """Writes rows into `<name>-NNNNN-of-NNNNN.parquet`; the names are given at the end, all at once."""

    def __init__(self, folder: Path, name: str, schema: pa.Schema) -> None:
        self._folder, self._name, self._schema = folder, name, schema
        self._rows: list[dict[str, Any]] = []
        self._written: list[Path] = []
        self._writer: pq.ParquetWriter | None = None
        self._in_shard = 0
        self.n_rows = 0

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._flush()
            if not self._written:  # a split without rows is still a file that can be read
                self._open()
        self._close()
        if kind is None:
            self._give_names()

    def add(self, row: dict[str, Any]) -> None:
        """Write one row."""
        self._rows.append(row)
        self.n_rows += 1
        if len(self._rows) == ROWS_PER_GROUP:
            self._flush()

    def _flush(self) -> None:
        if not self._rows:
            return
        if self._writer is None:
            self._open()
        self._writer.write_table(pa.Table.from_pylist(self._rows, self._schema))
        self._in_shard += len(self._rows)
        self._rows = []
        if self._in_shard >= ROWS_PER_SHARD:
            self._close()

    def _open(self) -> None:
        path = self._folder / f".{self._name}-{len(self._written):05d}.tmp"
        self._writer = pq.ParquetWriter(path, self._schema, compression="zstd")
        self._written.append(path)
        self._in_shard = 0

    def _close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _give_names(self) -> None:
        n = len(self._written)
        for i, path in enumerate(self._written):
            _finish(path, self._folder / f"{self._name}-{i:05d}-of-{n:05d}.parquet")


class ExcludedWriter:
    """Writes `excluded.parquet`, batch by batch."""

    def __init__(self, folder: Path) -> None:
        self._final = folder / EXCLUDED
        self._temporary = folder / f".{EXCLUDED}.tmp"
        self._waiting: list[pa.Table] = []
        self.n_rows = 0

    def __enter__(self) -> ExcludedWriter:
        self._writer = pq.ParquetWriter(self._temporary, EXCLUDED_SCHEMA, compression="zstd")
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._flush()
        self._writer.close()
        if kind is None:
            _finish(self._temporary, self._final)

    def add(self, rows: pa.Table, reasons: Sequence[str]) -> None:
        """Write rows (columns `id` and `source` at least) with their reasons."""
        table = pa.table(
            [rows["id"], rows["source"], pa.array(reasons, pa.string())], schema=EXCLUDED_SCHEMA
        )
        self._waiting.append(table)
        self.n_rows += table.num_rows
        if sum(waiting.num_rows for waiting in self._waiting) >= ROWS_PER_GROUP:
            self._flush()

    def _flush(self) -> None:
        if self._waiting:
            self._writer.write_table(pa.concat_tables(self._waiting).combine_chunks())
            self._waiting = []


def _finish(temporary: Path, final: Path) -> None:
    with temporary.open("rb") as handle:
        os.fsync(handle.fileno())
    temporary.replace(final)
