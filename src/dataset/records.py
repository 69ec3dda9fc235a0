"""The one record that flows through pass 1: a datatrove `Document`, and why one may be left out.

A record is a raw document until it is split, then one sentence. A record that is left out stays in the
stream, without its text and with its reason, so that the writer can keep and count it: nothing is lost
in silence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import orjson
from datatrove.data import Document

# Documents that cannot be read. Their share is what `max_bad_fraction` limits.
BAD_DOCUMENT_REASONS = {
    "malformed_json": "the line is not JSON",
    "not_an_object": "the row is JSON, and not an object",
    "missing_text": "the row has no text (or no sentences) under the key named in the args",
    "text_not_a_string": "what stands under the text's key is not a string",
    "invalid_utf8": "the line holds bytes that are not UTF-8",
    "unreadable_value": "the row holds a value that no program can read, such as a date of no calendar",
    "line_too_long": "the line is longer than the longest that is read into memory",
    "truncated_file": "the file ends in the middle: what came before was used, the rest is unknown",
    "damaged_file": "the file cannot be decoded from here on: the rest of it is unknown",
    "missing_source": "the row does not name its source, and some sources are to be left out",
    "source_not_a_string": "what stands under the source's key is not a string",
    "missing_document_id": "the row has no id under the key named in the args",
    "document_id_of_no_use": "what stands under the id's key is a list, an object, a truth value, a "
    "duration or no finite number",
    "sentences_not_a_list": "what stands under the sentences' key is not a list",
    "sentence_not_a_string": "one of the ready sentences is not a string",
    "missing_scores": "the row has no ready scores under the key named in the args",
    "scores_not_numbers": "the ready scores are not a list of finite numbers",
    "scores_length_differs": "there are not as many ready scores as sentences",
    "rating_not_a_number": "what stands under a key of human_ratings is not a finite number",
}
# Readable documents that are not used.
DOCUMENT_REASONS = {
    "not_sampled": "not in the sample (counted only: a row for each would outgrow the data)",
    "excluded_source": "its source is one of excluded_sources",
    "empty_text": "no sentence in it",
}
# Sentences that are not used: the last two by pass 2, the others by pass 1.
SENTENCE_REASONS = {
    "empty_after_cleaning": "cleaning left nothing but white space",
    "too_short": "fewer words than min_words",
    "too_long": "with its control tokens and end-of-text not shorter than context_length",
    "not_encodable": "the tokenizer has no tokens for some of its characters",
    "near_edge": "its score is nearer to an edge than exclude_within",
    "held_out_unused": "its document is held out, and it was not chosen for validation",
}
REASONS = BAD_DOCUMENT_REASONS | DOCUMENT_REASONS | SENTENCE_REASONS
PASS_TWO_REASONS = ("near_edge", "held_out_unused")
COUNTED_ONLY = "not_sampled"
UNKNOWN_SOURCE = "unknown"


def raw_document(text: str, row_id: str, row: int, source: str, document_id: str) -> Document:
    """A document as it was read.

    Args:
        text: its raw text.
        row_id: `<input>:<row>`.
        row: number of its row in the input, from 1.
        source: name of where it comes from, e.g. its `pile_set_name`.
        document_id: what rows of one document share.
    """
    return Document(
        text, row_id, metadata={"row": row, "source": source, "document_id": document_id}
    )


def bad_document(reason: str, row_id: str, row: int, source: str = UNKNOWN_SOURCE) -> Document:
    """A row that could not be read as a document."""
    return leave_out(raw_document("", row_id, row, source, row_id), reason)


def sentence_of(document: Document, number: int, text: str) -> Document:
    """Sentence `number` (from 1) of a document, as a record of its own."""
    facts = document.metadata
    metadata = {
        "row": facts["row"],
        "source": facts["source"],
        "document_id": facts["document_id"],
        "sentence": number,
    }
    return Document(text, f"{document.id}:{number}", metadata=metadata)


def leave_out(record: Document, reason: str) -> Document:
    """Mark a record as not used. Its text goes, its reason stays."""
    record.text = ""
    record.metadata["reason"] = reason
    return record


def is_left_out(record: Document) -> bool:
    """Whether the record is in the stream only to be counted and kept as excluded."""
    return "reason" in record.metadata


@lru_cache
def _path(key: str) -> tuple[str, ...]:
    return tuple(key.split("."))


def find(value: Mapping[str, Any], key: str) -> Any:
    """What stands under a key; dots go into objects. None where there is nothing.

    Objects are also Arrow's maps, which come as lists of pairs, and JSON in a string.
    """
    return value[key] if key in value else find_inside(value, _path(key))


def find_inside(value: Any, parts: Sequence[str]) -> Any:
    """What stands under the parts of a key in a value; see `find`."""
    found = value
    for i, part in enumerate(parts):
        found = found if type(found) is dict else _as_object(found)
        if found is None:
            return None
        if part not in found:
            return found.get(".".join(parts[i:]))  # a key with dots of its own
        found = found[part]
    return found


def _as_object(value: Any) -> Mapping[str, Any] | None:
    while isinstance(value, str | bytes):  # JSON, or JSON that was written as JSON once more
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            return None
    if isinstance(value, Mapping):
        return value
    if isinstance(value, list | tuple) and value:
        if all(isinstance(one, Mapping) and one.keys() == {"key", "value"} for one in value):
            value = [(one["key"], one["value"]) for one in value]
        if all(isinstance(one, list | tuple) and len(one) == 2 for one in value):
            return {text_of_name(name): inner for name, inner in value}
    return None


def text_of_name(name: Any) -> str:
    """A map's key as the args write it."""
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)
