"""A data set of the Hugging Face hub, or a local folder in its format, streamed.

Its parts are the data set's own shards (its files).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from datatrove.io import get_datafolder

from src.config.dataset import HubSource
from src.dataset.input.file_input import describe_files
from src.dataset.input.rows import Row, reads_column
from src.errors import DataError, UnavailableError

# A hub that does not answer within this time counts as not reachable.
TIMEOUT_SECONDS = 10.0


class HubInput:
    """Rows of a streamed data set; every process opens its own stream."""

    def __init__(self, source: HubSource) -> None:
        path = source.path
        if path.startswith("~"):
            path = str(Path(path).expanduser())
        self._source = source.model_copy(update={"path": path})

    @property
    def _is_local(self) -> bool:
        return Path(self._source.path).exists()

    @cached_property
    def _hub_facts(self) -> Any:
        """What the hub says of the data set: the commit and the files.

        Raises:
            UnavailableError: not reachable, not there, or not open to this user.
        """
        from huggingface_hub import HfApi

        source = self._source
        try:
            return HfApi().dataset_info(
                source.path,
                revision=source.revision,
                files_metadata=True,
                timeout=TIMEOUT_SECONDS,
            )
        except Exception as error:  # its HTTP client's own types differ between versions
            raise _hub_unavailable(source, error) from error

    @cached_property
    def _data(self) -> Any:
        from datasets import load_dataset

        source = self._source
        revision = None if self._is_local else self._hub_facts.sha
        try:
            data = load_dataset(
                source.path, name=source.name, split=source.split, revision=revision, streaming=True
            )
        except Exception as error:
            raise self._cannot_read(error) from error
        columns, keys = data.column_names, self._keys()
        self._check_columns(columns, keys)
        if not columns:
            return data
        # What no key names may be of any kind, also one that Python has no value for.
        wanted = [*filter(None, keys.values()), source.source_key]
        return data.select_columns(
            [c for c in columns if any(reads_column(key, c) for key in wanted)]
        )

    def _keys(self) -> dict[str, str | None]:
        """Key of the args → the column that has to be there."""
        source = self._source
        return {
            "text_key": source.text_key,
            "sentences_key": source.sentences_key,
            "document_id_key": source.document_id_key,
            **{f"scores_keys.{name}": key for name, key in source.scores_keys.items()},
            **{f"human_ratings.{name}": key for name, key in source.human_ratings.items()},
        }

    def _check_columns(self, columns: Sequence[str] | None, keys: Mapping[str, str | None]) -> None:
        for name, key in keys.items():
            if (
                columns
                and key is not None
                and not any(reads_column(key, column) for column in columns)
            ):
                raise DataError(
                    f"source.{name} is no column of the data set {self._source.path}",
                    got=key,
                    allowed=", ".join(columns),
                )

    def names(self) -> list[str]:
        """The shards of the stream, numbered.

        Raises:
            UnavailableError: the hub cannot be reached or has no such data set.
            DataError: a key of the args is no column of it.
        """
        return [f"shard-{i:05d}" for i in range(self._data.num_shards)]

    def describe(self) -> dict[str, Any]:
        """The data set's name and the commit that is read; of a local folder its files."""
        source = self._source
        named = {"kind": "hub", "path": source.path, "name": source.name, "split": source.split}
        if self._is_local:
            folder = get_datafolder(source.path)
            return {**named, "shards": describe_files(folder, folder.list_files())}
        return {**named, "revision": self._hub_facts.sha}

    def bytes_stored(self) -> int:
        """Size of all files together, those of other splits included."""
        if self._is_local:
            return sum(p.stat().st_size for p in Path(self._source.path).rglob("*") if p.is_file())
        return sum(file.size or 0 for file in self._hub_facts.siblings or ())

    def rows(self, name: str, share: int, shares: int) -> Iterator[Row]:
        """Rows of one shard of the stream. See `inputs.Input.rows`."""
        index = int(name.removeprefix("shard-"))
        stream = self._data.shard(num_shards=self._data.num_shards, index=index)
        number = 0
        try:
            for number, row in enumerate(stream, 1):
                if (number - 1) % shares == share:
                    yield number, row
        except Exception as error:
            raise self._cannot_read(error, f"{name}, after row {number}: ") from error

    def _cannot_read(self, error: Exception, where: str = "") -> Exception:
        """The clear error for what `datasets` raised, which may be of any type."""
        source = self._source
        reason = f"{where}{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        if self._is_local:
            return DataError(
                f"the folder source.path {source.path} cannot be read as a data set ({reason})",
                fix="check source.path, source.name and source.split; a folder of .jsonl or .parquet shards "
                "is better read with source.kind: files, which counts bad rows and goes on",
            )
        return UnavailableError(
            f"the data set {source.path!r} of the hub cannot be read ({reason})",
            fix="check source.name and source.split, then run the same command to resume",
        )


def _hub_unavailable(source: HubSource, error: Exception) -> UnavailableError:
    reason = " ".join(str(error).split())[:300]
    return UnavailableError(
        f"the data set {source.path!r} could not be found on the Hugging Face hub ({reason})",
        fix="check the name, source.revision and the connection (HF_HUB_OFFLINE unset, HF_TOKEN for what is "
        "not public), or set source.path to a local folder that holds the data set; "
        "args/args_dataset_demo needs no hub",
    )
