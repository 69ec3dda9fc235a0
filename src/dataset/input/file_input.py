"""Shards of raw documents below a folder: JSONL (plain, gzip, zstandard) or parquet, local or remote."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from glob import has_magic
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from datatrove.io import DataFolder, get_datafolder
from fsspec.utils import glob_translate

from src.config.dataset import FilesSource
from src.dataset.input.raw_lines import Damage, lines_of
from src.dataset.input.rows import Row, reads_column
from src.dataset.records import find_inside, text_of_name
from src.errors import DataError, UnavailableError

ENDINGS = (".jsonl", ".jsonl.gz", ".jsonl.zst", ".parquet")
# Both ends of a file are compared to tell whether it is still the same one: a compressed file's
# checksum and a parquet file's statistics stand at its end.
PROBE_BYTES = 1 << 16
PARQUET_BATCH_ROWS = 256
# What Arrow raises for a value that Python has no form for; for an unknown time zone a LookupError.
_NO_VALUE = (ValueError, OverflowError, LookupError, pa.ArrowException)


class FileInput:
    """Shards of raw documents below a folder."""

    def __init__(self, source: FilesSource) -> None:
        self._source = source

    @cached_property
    def _folder(self) -> DataFolder:
        try:
            return get_datafolder(self._source.path)
        except (ValueError, ImportError) as error:
            raise UnavailableError(
                f"source.path {self._source.path!r} cannot be opened ({error})",
                fix="set source.path to a folder or to a URL that fsspec knows, and install what it needs",
            ) from error

    def names(self) -> list[str]:
        """Paths below the folder, sorted.

        Raises:
            DataError: no folder, no file in it, or a file of a kind that cannot be read.
        """
        path, pattern = self._source.path, self._source.pattern
        with self._clear_errors(path):
            if not self._folder.exists(""):
                raise DataError(
                    f"source.path {path} does not exist",
                    fix="set source.path to the folder of the shards"
                    + (
                        " (python scripts/fetch_demo_assets.py makes the demo's)"
                        if is_demo_asset(path)
                        else ""
                    ),
                )
            if self._folder.isfile(""):
                raise DataError(
                    f"source.path {path} is a file",
                    fix="set source.path to its folder and source.pattern to its name",
                )
            found = self._folder.list_files()
        if pattern is not None:
            # Not the file system's own glob: it would read the folder's name as a pattern too.
            glob = re.compile(glob_translate(pattern if has_magic(pattern) else f"*{pattern}"))
            found = [name for name in found if glob.fullmatch(name)]
        else:
            found = [name for name in found if name.endswith(ENDINGS) and not _is_hidden(name)]
        if not found:
            raise DataError(
                f"no shard below source.path {path}",
                allowed=f"files matching {pattern!r}" if pattern else " ".join(ENDINGS),
                fix="check source.path and source.pattern",
            )
        unknown = [name for name in found if not name.endswith(ENDINGS)]
        if unknown:
            raise DataError(
                f"below source.path {path} a file of unknown kind matches source.pattern",
                got=unknown[0],
                allowed=" ".join(ENDINGS),
            )
        return found

    def describe(self) -> dict[str, Any]:
        """The folder's path, and each shard's name, size and a hash of its two ends."""
        names = self.names()
        with self._clear_errors(self._source.path):
            shards = describe_files(self._folder, names)
        return {"kind": "files", "path": self._source.path, "shards": shards}

    def bytes_stored(self) -> int:
        """Size of all shards together."""
        with self._clear_errors(self._source.path):
            return sum(self._folder.size(name) for name in self.names())

    def rows(self, name: str, share: int, shares: int) -> Iterator[Row]:
        """Rows of one shard. See `inputs.Input.rows`."""
        with self._clear_errors(name):
            if name.endswith(".parquet"):
                rows = self._parquet_rows(name)
                yield from (row for row in rows if (row[0] - 1) % shares == share)
                return
            with self._folder.open(name, "rb") as handle:
                for number, line in lines_of(handle, name):
                    if (number - 1) % shares == share:
                        yield number, line if isinstance(line, Damage) else _parsed(line)

    def _parquet_rows(self, name: str) -> Iterator[Row]:
        source, number = self._source, 1
        keys = [source.text_key, source.source_key, source.document_id_key]
        keys = [key for key in (*keys, *source.human_ratings.values()) if key is not None]
        with self._folder.open(name, "rb") as handle:
            try:
                file = pq.ParquetFile(handle)
                columns = columns_read(file.schema_arrow, keys)
                for batch in file.iter_batches(PARQUET_BATCH_ROWS, columns=columns):
                    yield from enumerate(_rows_of_batch(batch, keys), number)
                    number += batch.num_rows
            except (pa.ArrowException, UnicodeDecodeError, OSError) as error:
                # Arrow says OSError itself for bytes that make no sense; the system's own errors are
                # subclasses or have a number.
                if isinstance(error, OSError) and (type(error) is not OSError or error.errno):
                    raise
                yield number, Damage("damaged_file", str(error))

    @contextmanager
    def _clear_errors(self, what: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            raise DataError(
                f"{what} of source.path {self._source.path} is gone since the run began",
                fix="put it back, or start again without it",
            ) from error
        except OSError as error:
            raise UnavailableError(
                f"source.path {self._source.path} cannot be read ({what}: {error})",
                fix="check the path, the connection and the permissions",
            ) from error


def describe_files(folder: DataFolder, names: Sequence[str]) -> list[dict[str, Any]]:
    """Name, size and a hash of the two ends of each file."""
    described = []
    for name in names:
        size = folder.size(name)
        with folder.open(name, "rb") as handle:
            ends = hashlib.sha256(handle.read(PROBE_BYTES))
            handle.seek(max(0, size - PROBE_BYTES))
            ends.update(handle.read(PROBE_BYTES))
        described.append({"name": name, "bytes": size, "sha256_of_ends": ends.hexdigest()})
    return described


def is_demo_asset(path: str) -> bool:
    """Whether a path is below the folder that scripts/fetch_demo_assets.py makes."""
    return Path(path).parts[:1] == ("assets",)


def _is_hidden(name: str) -> bool:
    return any(part.startswith(".") for part in name.split("/"))


def columns_read(schema: pa.Schema, keys: Sequence[str]) -> list[str]:
    """The columns that keys of the args read, of objects only the fields read, in the schema's order.

    What no key names may be of any kind, also one that Python has no value for.
    """
    paths: dict[str, None] = {}
    for column in schema:
        for key in keys:
            if reads_column(key, column.name):
                path = _path_read(column, key)
                if path is not None:
                    paths[path] = None
    return list(paths)


def _path_read(column: pa.Field, key: str) -> str | None:
    """Path of what a key reads of a column, as far as it goes into structs; None where nothing is."""
    path, kind = [column.name], column.type
    rest = [] if key == column.name else key.split(".")[1:]
    while rest and pa.types.is_struct(kind):
        names = [field.name for field in kind]
        # As `find`: a part, or a name with dots of its own.
        name, rest = (rest[0], rest[1:]) if rest[0] in names else (".".join(rest), [])
        if name not in names:
            return None
        if names.count(name) > 1:
            break
        path.append(name)
        kind = kind.field(name).type
    return ".".join(path)


def _parsed(line: bytes) -> Mapping[str, Any] | Damage:
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        try:
            line.decode("utf-8")
        except UnicodeDecodeError as undecodable:
            return Damage("invalid_utf8", str(undecodable))
        return Damage("malformed_json", str(error))
    return value if isinstance(value, dict) else Damage("not_an_object", type(value).__name__)


def _rows_of_batch(
    batch: pa.RecordBatch, keys: Sequence[str]
) -> Iterator[Mapping[str, Any] | Damage]:
    try:
        rows = batch.to_pylist()
    except _NO_VALUE:
        # Parquet holds whatever was written: find the rows that are not UTF-8, or a date of no calendar.
        rows = [_row_of(batch, i, keys) for i in range(batch.num_rows)]
    yield from rows


def _row_of(batch: pa.RecordBatch, i: int, keys: Sequence[str]) -> Mapping[str, Any] | Damage:
    """What the keys name of a row, and nothing beside it."""
    columns = dict(zip(batch.schema.names, batch.columns, strict=True))
    row: dict[str, Any] = {}
    try:
        for key in keys:
            name, *rest = [key] if key in columns else key.split(".")
            if name in columns:
                row[key] = _named_value(columns[name][i], rest)
    except UnicodeDecodeError as error:
        return Damage("invalid_utf8", str(error))
    except _NO_VALUE as error:
        return Damage("unreadable_value", str(error))
    return row


def _named_value(value: pa.Scalar, parts: Sequence[str]) -> Any:
    """What stands under the parts of a key, converted alone where it is below structs and maps."""
    parts = list(parts)
    while parts and value.is_valid and isinstance(value, pa.StructScalar | pa.MapScalar):
        part = parts[0]
        inner = _inner(value, part)
        if inner is None:
            part = ".".join(parts)  # a key with dots of its own, as `find`
            inner = _inner(value, part)
        if inner is None:
            return None
        value, parts = inner, [] if part != parts[0] else parts[1:]
    return find_inside(value.as_py(), parts)


def _inner(value: pa.StructScalar | pa.MapScalar, part: str) -> pa.Scalar | None:
    if isinstance(value, pa.StructScalar):
        return value[part] if value.type.get_field_index(part) >= 0 else None
    found = None
    for name, inner in zip(value.values.field(0), value.values.field(1), strict=True):
        try:
            found = inner if text_of_name(name.as_py()) == part else found
        except _NO_VALUE:
            continue  # a name that cannot be read is not this one
    return found
