"""The training sentences as tokens, in flat files that every process maps into its memory.

They are written once a run, a few thousand rows at a time, by the leading process. So neither the size of the
data nor the number of processes on a machine decides how much memory a training takes.
"""

from __future__ import annotations

import contextlib
import json
import math
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from transformers import PreTrainedTokenizerBase

from src.artifacts.atomic_files import write_json_atomically
from src.artifacts.manifest import Manifest
from src.errors import ArtifactError, DataError, UnavailableError
from src.models.control_tokens import Attributes, text_ids
from src.published.data_set import rows_of
from src.runtime.console import progress

DESCRIPTION = "sentences.json"
_ROWS_AT_ONCE = 8192
_TYPES = {
    "tokens": np.int32,
    "starts": np.int64,
    "ids": np.uint8,
    "id_starts": np.int64,
    "labels": np.int8,
    "untagged": np.bool_,
}


@dataclass(frozen=True)
class Sentences:
    """The training sentences in flat arrays: 4 bytes a token, and about 60 a sentence, in mapped files.

    Attributes:
        tokens: int32, all texts one after the other, without any special token.
        starts: int64 [sentences + 1], where each text starts in `tokens`.
        ids: uint8, all ids in UTF-8, one after the other.
        id_starts: int64 [sentences + 1], where each id starts in `ids`.
        labels: int8 [sentences, attributes], the number of each label.
        untagged: bool [sentences], whether no token is rendered at all.
    """

    tokens: np.ndarray
    starts: np.ndarray
    ids: np.ndarray
    id_starts: np.ndarray
    labels: np.ndarray
    untagged: np.ndarray

    def __len__(self) -> int:
        return len(self.untagged)

    def id(self, row: int) -> str:
        """The id of a sentence."""
        return self.ids[self.id_starts[row] : self.id_starts[row + 1]].tobytes().decode()

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each text, int32."""
        return np.diff(self.starts).astype(np.int32)


def write_sentences(
    folder: Path,
    dataset: Manifest,
    tokenizer: PreTrainedTokenizerBase,
    attributes: Attributes,
    times: Callable[[Mapping[str, Any]], int],
) -> None:
    """Read and tokenise the training split, unless an interrupted run has done so.

    Args:
        folder: for these files alone, in the unfinished run.
        dataset: made by stage 1.
        tokenizer: of the model.
        attributes: of the data set, in rendering order.
        times: how often a row is trained on in an epoch.

    Raises:
        DataError: there is no sentence.
        ArtifactError: the interrupted run was made from another data set.
    """
    description = folder / DESCRIPTION
    if description.is_file():
        if json.loads(description.read_text())["dataset_manifest_sha256"] != dataset.sha256:
            raise ArtifactError(
                f"the data set {dataset.folder} was made again since this training began",
                fix="train anew with --overwrite, or set another output folder",
            )
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    columns = ["id", "text", "labels", "untagged"]
    waiting: list[Mapping[str, Any]] = []
    with _Files(folder, tokenizer, attributes) as files:
        rows = rows_of(dataset.folder, "train", columns)
        for row in progress(rows, what="tokenising", unit="sentence"):
            for again in range(times(row)):
                # What is drawn for a sentence by its id is drawn anew for each time.
                waiting.append({**row, "id": f"{row['id']}#{again}"} if again else row)
            if len(waiting) >= _ROWS_AT_ONCE:
                files.add(waiting)
                waiting = []
        files.add(waiting)
    if not files.n_sentences:
        raise DataError(
            f"{dataset.folder} has no training sentence", fix="create a larger data set"
        )
    shapes = {
        "tokens": [files.n_tokens],
        "starts": [files.n_sentences + 1],
        "ids": [files.n_id_bytes],
        "id_starts": [files.n_sentences + 1],
        "labels": [files.n_sentences, len(attributes)],
        "untagged": [files.n_sentences],
    }
    write_json_atomically(
        description, {"dataset_manifest_sha256": dataset.sha256, "shapes": shapes}
    )


def open_sentences(folder: Path) -> Sentences:
    """Map what `write_sentences` wrote.

    Raises:
        UnavailableError: it is not there.
    """
    try:
        shapes = json.loads((folder / DESCRIPTION).read_text())["shapes"]
    except FileNotFoundError as error:
        raise UnavailableError(
            f"{folder} is not there",
            fix="set an output folder that all processes of the training share",
        ) from error
    return Sentences(**{name: _mapped(folder / name, name, shapes[name]) for name in _TYPES})


def _mapped(path: Path, name: str, shape: list[int]) -> np.ndarray:
    if math.prod(shape) == 0:  # an empty file cannot be mapped
        return np.empty(shape, _TYPES[name])
    return np.memmap(path, _TYPES[name], "r", shape=tuple(shape)).view(np.ndarray)


class _Files:
    """The arrays while they grow."""

    def __init__(
        self, folder: Path, tokenizer: PreTrainedTokenizerBase, attributes: Attributes
    ) -> None:
        self._folder, self._tokenizer, self._attributes = folder, tokenizer, attributes
        self._open: dict[str, BinaryIO] = {}
        self._closing = contextlib.ExitStack()
        self.n_sentences = self.n_tokens = self.n_id_bytes = 0

    def __enter__(self) -> _Files:
        for name in _TYPES:
            self._open[name] = self._closing.enter_context((self._folder / name).open("wb"))
        self._append("starts", [0])
        self._append("id_starts", [0])
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()

    def _append(self, name: str, values: Any) -> None:
        self._open[name].write(np.asarray(values, dtype=_TYPES[name]).tobytes())

    def add(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Append some rows of the data set."""
        if not rows:
            return
        encoded = text_ids(self._tokenizer, [row["text"] for row in rows])
        ids = [row["id"].encode() for row in rows]
        self._append("tokens", list(chain.from_iterable(encoded)))
        self._append("starts", self.n_tokens + np.cumsum([len(one) for one in encoded]))
        self._append("ids", list(b"".join(ids)))
        self._append("id_starts", self.n_id_bytes + np.cumsum([len(one) for one in ids]))
        labels = [
            [one.labels.index(row["labels"][name]) for name, one in self._attributes.items()]
            for row in rows
        ]
        self._append("labels", labels)
        self._append("untagged", [row["untagged"] for row in rows])
        self.n_sentences += len(rows)
        self.n_tokens += sum(map(len, encoded))
        self.n_id_bytes += sum(map(len, ids))
