"""First step of pass 1: rows of the input become documents, and what is no document gets its reason."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, time
from decimal import Decimal
from typing import Any
from uuid import UUID

from datatrove.data import Document, DocumentsPipeline
from datatrove.pipeline.base import PipelineStep

from src.config.dataset import FilesSource, HubSource
from src.dataset.executors.progress import document_read
from src.dataset.input.opening import open_input
from src.dataset.input.parts import portions_of
from src.dataset.input.raw_lines import Damage
from src.dataset.records import UNKNOWN_SOURCE, bad_document, find, raw_document
from src.dataset.tally import Tally


class ReadDocuments(PipelineStep):
    """Reads this task's portion of the input."""

    type, name = "📖 - READER", "documents"

    def __init__(
        self,
        source: FilesSource | HubSource,
        names: Sequence[str],
        tally: Tally,
        *,
        source_needed: bool,
    ) -> None:
        """Prepare.

        Args:
            source: what to read and under which keys.
            names: the input's parts, as they were when the run began.
            tally: counts what is read.
            source_needed: a row that does not name its source is a bad document.
        """
        super().__init__()
        self.source, self.names, self.tally = source, list(names), tally
        self.source_needed = source_needed
        self.sentences_key = getattr(source, "sentences_key", None)

    def run(
        self, data: DocumentsPipeline = None, rank: int = 0, world_size: int = 1
    ) -> Iterator[Document]:
        """Yield a document, or the reason why there is none, for every row."""
        rows = open_input(self.source)
        for portion in portions_of(self.names, rank, world_size):
            for number, row in rows.rows(portion.name, portion.share, portion.shares):
                document = self.document(f"{portion.name}:{number}", number, row)
                self.tally.count_read(document)
                document_read()
                yield document

    def document(self, row_id: str, number: int, row: Mapping[str, Any] | Damage) -> Document:
        """A row as a document, or as a record with the reason why it is none."""
        if isinstance(row, Damage):
            return bad_document(row.reason, row_id, number)
        name = _decoded(find(row, self.source.source_key))
        if name is None and self.source_needed:
            return bad_document("missing_source", row_id, number)
        if not isinstance(name, str | None):
            return bad_document("source_not_a_string", row_id, number)
        name = UNKNOWN_SOURCE if name is None else name
        found = row_id
        if self.source.document_id_key is not None:
            found = find(row, self.source.document_id_key)
        if found is None or found == "" or found == b"":
            return bad_document("missing_document_id", row_id, number, name)
        document_id = id_text(found)
        if document_id is None:
            return bad_document("document_id_of_no_use", row_id, number, name)
        document = raw_document("", row_id, number, name, document_id)
        reason = self._fill(document, row)
        return bad_document(reason, row_id, number, name) if reason else document

    def _fill(self, document: Document, row: Mapping[str, Any]) -> str | None:
        """Give the document its ratings, and its text or its ready sentences; else why it has none."""
        ratings = {
            attribute: rating
            for attribute, key in self.source.human_ratings.items()
            if (rating := find(row, key)) is not None
        }
        if not all(map(_is_finite_number, ratings.values())):
            return "rating_not_a_number"
        if ratings:
            document.metadata["human"] = {name: float(value) for name, value in ratings.items()}
        if self.sentences_key is not None:
            return self._fill_with_sentences(document, row, self.sentences_key)
        text = _decoded(find(row, self.source.text_key))
        if text is None:
            return "missing_text"
        if not isinstance(text, str):
            return "text_not_a_string"
        document.text = text
        return None

    def _fill_with_sentences(
        self, document: Document, row: Mapping[str, Any], sentences_key: str
    ) -> str | None:
        sentences = find(row, sentences_key)
        if sentences is None:
            return "missing_text"
        if not isinstance(sentences, list):
            return "sentences_not_a_list"
        if not all(isinstance(sentence, str) for sentence in sentences):
            return "sentence_not_a_string"
        scores = {}
        for attribute, key in self.source.scores_keys.items():
            values = find(row, key)
            if values is None:
                return "missing_scores"
            if not isinstance(values, list) or not all(map(_is_finite_number, values)):
                return "scores_not_numbers"
            if len(values) != len(sentences):
                return "scores_length_differs"
            scores[attribute] = [float(value) for value in values]
        document.metadata["sentences"], document.metadata["ready_scores"] = sentences, scores
        return None


def _decoded(value: Any) -> Any:
    """The text of bytes that are UTF-8: some writers of parquet do not say that a column is text."""
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            return value
    return value


def _is_finite_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def id_text(value: Any) -> str | None:
    """An id of any plain type as a text, two ids of one type never as the same one; None for other types.

    A whole number is the same id in any type of number. Bytes are written in hexadecimal digits, dates as
    ISO 8601 has them.
    """
    if isinstance(value, str | int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, float | Decimal):
        if not math.isfinite(value):
            return None
        # pandas makes 12.0 of 12 where a column has nulls: it is the same document.
        return str(int(value)) if value == int(value) else str(value)
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, date | time):  # a datetime is a date
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else None
