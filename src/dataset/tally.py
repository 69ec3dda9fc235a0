"""Counts of pass 1, kept so that `read = used + excluded` can be checked for documents and sentences."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from datatrove.data import Document

from src.dataset.records import BAD_DOCUMENT_REASONS, COUNTED_ONLY, is_left_out
from src.errors import ProgramError

EXAMPLES_PER_REASON = 3
REPORT_IT = "nothing was published; please report it with the args file"
# Counts per source stay in memory; in a crawl whose sources are addresses there would be no end to them.
MAX_SOURCES = 2000
OTHER_SOURCES = "(other sources)"


@dataclass
class Tally:
    """What one task counted. All steps of a task share one; the writer stores it with the shard.

    What is read is counted where it is read, what is kept where it is written, so that a record lost on
    the way shows.
    """

    documents_read: int = 0
    documents_split: int = 0
    sentences_made: int = 0
    sentences_kept: int = 0
    excluded_documents: Counter[str] = field(default_factory=Counter)
    excluded_sentences: Counter[str] = field(default_factory=Counter)
    bad_examples: dict[str, list[str]] = field(default_factory=dict)
    sources_read: Counter[str] = field(default_factory=Counter)
    sources_split: Counter[str] = field(default_factory=Counter)

    def count_read(self, document: Document) -> None:
        """A row was read, as a document or as a bad one."""
        self.documents_read += 1
        count_source(self.sources_read, document.metadata["source"])

    def count_split(self, document: Document, sentences: int) -> None:
        """A document was split into that many sentences (at least one)."""
        self.documents_split += 1
        self.sentences_made += sentences
        count_source(self.sources_split, document.metadata["source"])

    def count_not_sampled(self) -> None:
        """A document is not in the sample; it goes no further."""
        self.excluded_documents[COUNTED_ONLY] += 1

    def count_written(self, record: Document) -> None:
        """A record arrived at the writer: a sentence to keep, or a document or sentence left out."""
        if not is_left_out(record):
            self.sentences_kept += 1
            return
        reason = record.metadata["reason"]
        if "sentence" in record.metadata:
            self.excluded_sentences[reason] += 1
            return
        self.excluded_documents[reason] += 1
        if reason in BAD_DOCUMENT_REASONS:
            examples = self.bad_examples.setdefault(reason, [])
            if len(examples) < EXAMPLES_PER_REASON:
                examples.append(record.id)

    @property
    def bad_documents(self) -> Counter[str]:
        """Documents that could not be read, by reason."""
        return Counter(
            {r: n for r, n in self.excluded_documents.items() if r in BAD_DOCUMENT_REASONS}
        )

    def records_written(self) -> int:
        """Rows that the shards should hold: sentences kept, and all that is left out but not only counted."""
        left_out = self.excluded_documents.total() + self.excluded_sentences.total()
        return self.sentences_kept + left_out - self.excluded_documents[COUNTED_ONLY]

    def check(self) -> None:
        """Raises ProgramError where a record was lost or counted twice."""
        documents = self.documents_split + self.excluded_documents.total()
        sentences = self.sentences_kept + self.excluded_sentences.total()
        if self.documents_read != documents or self.sentences_made != sentences:
            raise ProgramError(
                f"read = used + excluded does not hold: {self.documents_read} documents read, "
                f"{documents} accounted for; {self.sentences_made} sentences made, {sentences} accounted for",
                fix=REPORT_IT,
            )

    def add(self, other: Tally) -> None:
        """Count what another task counted."""
        self.documents_read += other.documents_read
        self.documents_split += other.documents_split
        self.sentences_made += other.sentences_made
        self.sentences_kept += other.sentences_kept
        self.excluded_documents.update(other.excluded_documents)
        self.excluded_sentences.update(other.excluded_sentences)
        for reason, examples in other.bad_examples.items():
            merged = sorted([*self.bad_examples.get(reason, ()), *examples])
            self.bad_examples[reason] = merged[:EXAMPLES_PER_REASON]
        for mine, theirs in (
            (self.sources_read, other.sources_read),
            (self.sources_split, other.sources_split),
        ):
            for source, n in theirs.items():
                count_source(mine, source, n)

    def to_json(self) -> dict[str, Any]:
        """All counts, in a fixed order."""
        return {
            name: dict(sorted(value.items())) if isinstance(value, dict) else value
            for name, value in vars(self).items()
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Tally:
        """The inverse of `to_json`."""
        counters = ("excluded_documents", "excluded_sentences", "sources_read", "sources_split")
        return cls(**{k: Counter(v) if k in counters else v for k, v in value.items()})


def count_source(counts: Counter[str], source: str, n: int = 1) -> None:
    """Count a source; beyond `MAX_SOURCES` different ones they are counted together."""
    known = source in counts or len(counts) < MAX_SOURCES
    counts[source if known else OTHER_SOURCES] += n
