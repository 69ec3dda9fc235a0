"""What a data set's folder holds: the shards of its splits, and how their rows are read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from src.errors import DataError

_ROWS_AT_ONCE = 8192


def shards_of(folder: Path, split: str) -> list[Path]:
    """The files of a split, train or validation, in their order.

    Raises:
        DataError: the split has no file.
    """
    files = sorted(folder.glob(f"{split}-*.parquet"))
    if not files:
        raise DataError(f"{folder} has no {split}-*.parquet", fix="create the data set again")
    return files


def rows_of(folder: Path, split: str, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The rows of a split, in the order of its files.

    Raises:
        DataError: the split has no file.
    """
    import pyarrow.parquet as pq

    for path in shards_of(folder, split):
        with pq.ParquetFile(path) as table:
            for batch in table.iter_batches(batch_size=_ROWS_AT_ONCE, columns=list(columns)):
                yield from batch.to_pylist()
