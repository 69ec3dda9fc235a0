"""The first rows of the input, read before the work: whether the keys of the args are theirs."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator

from src.config.dataset import DatasetArgs
from src.dataset.input.opening import open_input
from src.dataset.pass_one.readers import ReadDocuments
from src.dataset.records import BAD_DOCUMENT_REASONS
from src.dataset.tally import Tally
from src.errors import DataError

PARTS = 8
ROWS_PER_PART = 20
KEYS = {
    "missing_text": ("text_key", "sentences_key"),
    "text_not_a_string": ("text_key",),
    "sentences_not_a_list": ("sentences_key",),
    "sentence_not_a_string": ("sentences_key",),
    "missing_source": ("source_key",),
    "source_not_a_string": ("source_key",),
    "missing_document_id": ("document_id_key",),
    "document_id_of_no_use": ("document_id_key",),
}
"""Reason why a row is no document → the keys of `source` that may be wrong."""


def problems_of_first_rows(args: DatasetArgs) -> Iterator[DataError]:
    """Parts of the input in which not one of the first rows is a document.

    Of many parts the first ones are looked at. A single bad row is no problem here: the run counts it.

    Raises:
        DataError, UnavailableError: the input cannot be read.
    """
    opened = open_input(args.source)
    names = opened.names()
    needed = bool(args.excluded_sources)
    reader = ReadDocuments(args.source, names, Tally(), source_needed=needed)
    for name in names[:PARTS]:
        rows = itertools.islice(opened.rows(name, 0, 1), ROWS_PER_PART)
        found = [reader.document(f"{name}:{number}", number, row) for number, row in rows]
        reasons = Counter(one.metadata.get("reason") for one in found)
        if found and None not in reasons:
            yield _problem(args, name, len(found), reasons)


def _problem(args: DatasetArgs, name: str, n_rows: int, reasons: Counter[str]) -> DataError:
    reason, n = reasons.most_common(1)[0]
    keys = {key: getattr(args.source, key, None) for key in KEYS.get(reason, ())}
    wrong = [f"source.{key} {value!r}" for key, value in keys.items() if value is not None]
    return DataError(
        f"of the first {n_rows} rows of {name} none is a document: {reason} in {n} of them "
        f"({BAD_DOCUMENT_REASONS[reason]})",
        fix=f"check {' and '.join(wrong)}" if wrong else "check the input and the keys of source",
    )
