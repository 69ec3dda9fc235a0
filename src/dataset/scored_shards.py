"""What pass 1 leaves for pass 2: one parquet shard per task, `scored/NNNNN.parquet`.

A shard holds the task's sentences with their scores and the records left out with their reasons, in
the order of the input, and in its metadata the task's counts. It has its name only when it is whole.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from datatrove.data import Document, DocumentsPipeline
from datatrove.pipeline.base import PipelineStep

from src.dataset.records import is_left_out
from src.dataset.tally import Tally

ROWS_PER_GROUP = 8192
TALLY_KEY = "tally"
HUMAN = "human"


def shard_path(folder: Path, rank: int) -> Path:
    """Where task `rank` leaves its shard."""
    return folder / f"{rank:05d}.parquet"


def scored_schema(attributes: Sequence[str], rated: Sequence[str] = ()) -> pa.Schema:
    """Columns of a shard. `reason` is null for sentences that are kept; the numbers are null for others.

    row: number of the document's row in its part of the input, from 1. n_tokens: text and end-of-text.
    human: people's ratings of exactly this text; the column is there if the source has any (`rated`).
    """
    scores = pa.struct([pa.field(name, pa.float64()) for name in attributes])
    return pa.schema(
        [
            ("id", pa.string()),
            ("row", pa.int64()),
            ("document_id", pa.string()),
            ("source", pa.string()),
            ("text", pa.string()),
            ("n_words", pa.int32()),
            ("n_tokens", pa.int32()),
            ("scores", scores),
            *human_column(rated),
            ("reason", pa.string()),
        ]
    )


def human_column(rated: Sequence[str]) -> list[tuple[str, pa.DataType]]:
    """The column of human ratings, where there are any: null where a sentence has none."""
    return [(HUMAN, pa.struct([(name, pa.float64()) for name in rated]))] if rated else []


class WriteScoredShard(PipelineStep):
    """Last step of pass 1: writes every record that arrives, and counts it."""

    type, name = "💽 - WRITER", "scored shard"

    def __init__(
        self, folder: Path, attributes: Sequence[str], tally: Tally, rated: Sequence[str] = ()
    ) -> None:
        super().__init__()
        self.folder, self.attributes, self.tally = folder, list(attributes), tally
        self.rated = list(rated)

    def run(
        self, data: DocumentsPipeline, rank: int = 0, world_size: int = 1
    ) -> Iterator[Document]:
        """Write the task's shard under a temporary name, and rename it at the end."""
        final = shard_path(self.folder, rank)
        # A worker whose parent was killed may live a moment longer: it must not share our file.
        writer_name = f"{socket.gethostname()}-{os.getpid()}"
        temporary = final.with_name(f".{final.name}.{writer_name}.tmp")
        schema = scored_schema(self.attributes, self.rated)
        with pq.ParquetWriter(temporary, schema, compression="zstd") as writer:
            rows = []
            for record in data:
                self.tally.count_written(record)
                rows.append(self._row(record))
                if len(rows) == ROWS_PER_GROUP:
                    writer.write_table(pa.Table.from_pylist(rows, schema))
                    rows = []
            if rows:
                writer.write_table(pa.Table.from_pylist(rows, schema))
            self.tally.check()
            writer.add_key_value_metadata({TALLY_KEY: json.dumps(self.tally.to_json())})
        with temporary.open("rb") as handle:
            os.fsync(handle.fileno())
        temporary.replace(final)
        yield from ()

    def _row(self, record: Document) -> dict[str, Any]:
        facts = record.metadata
        row = {
            "id": record.id,
            "row": facts["row"],
            "document_id": facts["document_id"],
            "source": facts["source"],
            "text": record.text,
        }
        if is_left_out(record):
            return row | {"text": "", "reason": facts["reason"]}
        row["n_words"], row["n_tokens"] = facts["n_words"], facts["n_tokens"]
        row["scores"], row[HUMAN] = facts["scores"], facts.get(HUMAN)
        return row


class ScoredShards:
    """The shards of a finished pass 1, read as one stream in the order of the input."""

    def __init__(self, folder: Path, groups: Sequence[Sequence[int]]) -> None:
        """Prepare.

        Args:
            folder: `scored/`.
            groups: the tasks in groups that shared a part of the input (`inputs.ranks_by_part`).
        """
        self._groups = [[shard_path(folder, rank) for rank in group] for group in groups]

    def paths(self) -> list[Path]:
        """All shards, in order."""
        return [path for group in self._groups for path in group]

    def tally(self) -> Tally:
        """The counts of all tasks together."""
        total = Tally()
        for path in self.paths():
            metadata = pq.read_metadata(path).metadata
            total.add(Tally.from_json(json.loads(metadata[TALLY_KEY.encode()])))
        return total

    def n_rows(self) -> int:
        """Rows of all shards, by what the files themselves say."""
        return sum(pq.read_metadata(path).num_rows for path in self.paths())

    def batches(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """The rows in the order of the input, in tables of `ROWS_PER_GROUP` rows (the last is smaller).

        The tables are the same for any number of tasks, and so is all that is computed from them.
        """
        kept: list[pa.Table] = []
        n = 0
        for table in self._in_order([*columns, "row"]):
            kept.append(table.select(list(columns)))
            n += table.num_rows
            if n >= ROWS_PER_GROUP:
                whole = pa.concat_tables(kept)
                for start in range(0, n - n % ROWS_PER_GROUP, ROWS_PER_GROUP):
                    yield whole.slice(start, ROWS_PER_GROUP).combine_chunks()
                kept, n = [whole.slice(n - n % ROWS_PER_GROUP)], n % ROWS_PER_GROUP
        if n:
            yield pa.concat_tables(kept).combine_chunks()

    def _in_order(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        for group in self._groups:
            tables = [_tables(path, columns) for path in group]
            yield from tables[0] if len(tables) == 1 else _merged(tables)


def _tables(path: Path, columns: Sequence[str]) -> Iterator[pa.Table]:
    with pq.ParquetFile(path) as file:
        for i in range(file.num_row_groups):
            yield file.read_row_group(i, columns=list(dict.fromkeys(columns)))


def _merged(streams: Sequence[Iterator[pa.Table]]) -> Iterator[pa.Table]:
    """Merge streams that are each sorted by `row` and share no row.

    Rows below the last one that the slowest stream has shown are complete, and can go out.
    """
    waiting = [next(stream, None) for stream in streams]
    ended = [table is None for table in waiting]
    while not all(ended):
        lasts = [np.inf if ended[i] else waiting[i]["row"][-1].as_py() for i in range(len(streams))]
        slowest = int(np.argmin(lasts))
        ready = []
        for i, table in enumerate(waiting):
            if table is not None:
                n = int(np.searchsorted(table["row"].to_numpy(), lasts[slowest]))
                ready.append(table.slice(0, n))
                waiting[i] = table.slice(n)
        yield from _sorted(ready)
        more = next(streams[slowest], None)
        if more is None:
            ended[slowest] = True
        else:
            waiting[slowest] = pa.concat_tables([waiting[slowest], more])
    yield from _sorted([table for table in waiting if table is not None])


def _sorted(tables: list[pa.Table]) -> Iterator[pa.Table]:
    table = pa.concat_tables(tables) if tables else None
    if table is not None and table.num_rows:
        yield table.take(np.argsort(table["row"].to_numpy(), kind="stable"))
