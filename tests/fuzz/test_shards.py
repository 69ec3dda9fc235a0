"""Whatever stands in a shard, every row of it is a document or has its reason, and no record is lost."""

from __future__ import annotations

import datetime
import gzip
import json
import shutil
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import example, given
from hypothesis import strategies as st

from src.config.dataset import DatasetArgs, FilesSource
from src.dataset.input.raw_lines import BYTE_ORDER_MARK
from src.dataset.pass_one.readers import ReadDocuments
from src.dataset.pipeline import create_dataset
from src.dataset.records import BAD_DOCUMENT_REASONS, is_left_out
from src.dataset.tally import Tally
from src.errors import DataError
from tests.builders import pile_documents, tiny_tokenizer
from tests.demo_attributes import SENTIMENT, toxicity
from tests.fuzz.strategies import HOSTILE, TEXTS, examples, trees

KEYS = st.sampled_from(
    ["text", "meta", "pile_set_name", "id", "rating", "texts", "scores", "meta.pile_set_name", ""]
)
ROWS = st.dictionaries(KEYS, trees(KEYS, leaves=6), max_size=5) | st.fixed_dictionaries(
    {"text": TEXTS, "meta": st.fixed_dictionaries({"pile_set_name": TEXTS})}
)
LINES = st.one_of(
    ROWS.map(json.dumps).map(str.encode),
    trees(KEYS, leaves=4).map(json.dumps).map(str.encode),
    st.binary(max_size=30).map(lambda raw: raw.replace(b"\n", b"")),
    st.sampled_from(
        [b'{"text": "\\ud800"}', b'{"text": 1' + b"0" * 400 + b"}", b"[" * 2000, b"\xef\xbb\xbf{}"]
    ),
    st.sampled_from(HOSTILE).map(lambda text: text.replace("\n", " ").encode()),
)
SOURCES = [
    {"document_id_key": "id"},
    {"human_ratings": {"mood": "rating"}},
    {"source_key": "id", "text_key": "meta.text"},
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shards")


def read(folder: Path, name: str, **keys: Any) -> tuple[list, Tally]:
    """All rows of one shard, each a document with a text or one with a reason."""
    tally = Tally()
    source = FilesSource(kind="files", path=str(folder), **keys)
    documents = list(ReadDocuments(source, [name], tally, source_needed=True).run())
    assert tally.documents_read == len(documents)
    assert len({document.id for document in documents}) == len(documents)
    for document in documents:
        if is_left_out(document):
            assert document.metadata["reason"] in BAD_DOCUMENT_REASONS
            assert document.text == ""
        else:
            document.text.encode("utf-8")
            document.metadata["source"].encode("utf-8")
            document.metadata["document_id"].encode("utf-8")
    return documents, tally


@examples(300)
@given(lines=st.lists(LINES, max_size=8), keys=st.sampled_from(SOURCES))
@example(lines=[BYTE_ORDER_MARK], keys=SOURCES[0])
def test_any_lines(folder, lines, keys):
    data = b"\n".join(lines)
    (folder / "a.jsonl").write_bytes(data)
    documents, _ = read(folder, "a.jsonl", **keys)
    lines = data.removeprefix(BYTE_ORDER_MARK).split(b"\n")
    assert len(documents) == sum(bool(line.strip()) for line in lines)


def damaged(data: st.DataObject, whole: bytes) -> bytes:
    """Cut, changed in one byte, or followed by other bytes."""
    way = data.draw(st.sampled_from(["cut", "change", "append", "replace"]))
    place = data.draw(st.integers(0, len(whole) - 1))
    if way == "cut":
        return whole[:place]
    if way == "change":
        return whole[:place] + bytes([data.draw(st.integers(0, 255))]) + whole[place + 1 :]
    return (whole if way == "append" else b"") + data.draw(st.binary(max_size=60))


PACKED = {
    ".jsonl.gz": lambda raw: gzip.compress(raw, mtime=0),
    ".jsonl.zst": lambda raw: zstandard.ZstdCompressor().compress(raw),
}


@examples(200)
@given(lines=st.lists(LINES, max_size=4), ending=st.sampled_from(sorted(PACKED)), data=st.data())
def test_any_damage_to_a_packed_shard(folder, lines, ending, data):
    raw = PACKED[ending](b"\n".join(lines))
    (folder / f"a{ending}").write_bytes(damaged(data, raw))
    read(folder, f"a{ending}")


OFFSETS = b"\0\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0"
VALUES = st.one_of(
    st.lists(st.none() | TEXTS, min_size=3, max_size=3).map(pa.array),
    st.lists(st.none() | st.integers(-(2**63), 2**63 - 1), min_size=3, max_size=3).map(pa.array),
    st.lists(st.none() | st.floats(), min_size=3, max_size=3).map(pa.array),
    st.lists(st.none() | st.booleans(), min_size=3, max_size=3).map(pa.array),
    st.lists(st.none() | st.binary(max_size=8), min_size=3, max_size=3).map(pa.array),
    st.lists(st.none() | st.lists(st.none() | TEXTS, max_size=2), min_size=3, max_size=3).map(
        lambda v: pa.array(v, pa.list_(pa.string()))
    ),
    st.lists(st.none() | st.lists(st.none() | st.floats(), max_size=2), min_size=3, max_size=3).map(
        lambda v: pa.array(v, pa.list_(pa.float32()))
    ),
    st.lists(st.none() | st.fixed_dictionaries({"pile_set_name": TEXTS}), min_size=3, max_size=3).map(
        lambda v: pa.array(v, pa.struct([("pile_set_name", pa.string())]))
    ),
    st.just(pa.array(["a", "b", None]).dictionary_encode()),
    st.just(pa.array(["a", "b", None], pa.large_string())),
    st.just(pa.nulls(3)),
    st.just(pa.array([Decimal("1.5"), None, Decimal("-0.1")])),
    st.just(pa.array([datetime.date(1, 1, 1), None, datetime.date(9999, 12, 31)])),
    st.lists(st.integers(-(2**63), 2**63 - 1), min_size=3, max_size=3).map(
        lambda v: pa.array(v, pa.timestamp("us"))
    ),
    st.just(pa.array([[("k", "v")], None, []], pa.map_(pa.string(), pa.string()))),
    st.just(pa.StringArray.from_buffers(3, pa.py_buffer(OFFSETS), pa.py_buffer(b"a\xffb"))),
)  # fmt: skip
NAMES = st.sampled_from(
    ["text", "meta", "id", "rating", "meta.pile_set_name", "texts", "scores", "x", ""]
)


@examples(300)
@given(
    columns=st.lists(st.tuples(NAMES, VALUES), min_size=1, max_size=4),
    keys=st.sampled_from(SOURCES),
)
def test_parquet_of_any_schema(folder, columns, keys):
    """Also columns of one name twice, nulls, and bytes that are no UTF-8."""
    names, arrays = zip(*columns, strict=True)
    pq.write_table(pa.table(list(arrays), names=list(names)), folder / "a.parquet")
    documents, _ = read(folder, "a.parquet", **keys)
    assert len(documents) == 3 or any(d.metadata.get("reason") == "damaged_file" for d in documents)


@examples(150)
@given(data=st.data())
def test_damaged_parquet(folder, data):
    table = pa.table({"text": ["One.", "Two."], "meta": [{"pile_set_name": "a"}] * 2})
    pq.write_table(table, folder / "whole.parquet")
    raw = (folder / "whole.parquet").read_bytes()
    (folder / "a.parquet").write_bytes(damaged(data, raw))
    read(folder, "a.parquet")


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_tokenizer(tmp_path_factory.mktemp("tokenizer"))


@examples(4)
@given(
    lines=st.lists(LINES, min_size=20, max_size=40),
    hostile=st.lists(TEXTS, min_size=5, max_size=20),
)
def test_the_whole_stage_loses_nothing(folder, tokenizer, lines, hostile):
    """Split, cleaned, scored, labelled, written: the counts of `stats.json` and the files agree."""
    whole = [json.dumps(document) for document in pile_documents(60)]
    whole += [json.dumps({"text": t, "meta": {"pile_set_name": t}}) for t in hostile]
    data = "\n".join(whole).encode() + b"\n" + b"\n".join(lines)
    corpus, output = folder / "corpus", folder / "run"
    corpus.mkdir(exist_ok=True)
    (corpus / "a.jsonl").write_bytes(data)
    for old in (output, output.with_name("run.partial")):
        shutil.rmtree(old, ignore_errors=True)
    args = DatasetArgs.model_validate(
        {
            "output": str(output),
            "source": {"kind": "files", "path": str(corpus)},
            "attributes": {"toxicity": toxicity(0.3), "sentiment": SENTIMENT},
            "tokenizer": {"base": str(tokenizer)},
            "min_words": 3,
            "context_length": 64,
            "max_bad_fraction": 1.0,
            "validation": {"document_share": 0.3, "sentences": 8, "min_words": 3, "max_words": 30},
        }
    )
    try:
        create_dataset(args, dry_run=False, overwrite=False)
    except DataError:  # and nothing else: a record that is lost is a ProgramError
        return
    stats = json.loads((output / "stats.json").read_text("utf-8"))
    for kind in ("documents", "sentences"):
        counts = stats[kind]
        assert counts["read"] == counts["used"] + sum(counts["excluded"].values())
    assert stats["documents"]["read"] == sum(bool(line.strip()) for line in data.split(b"\n"))
    kept = [
        row for path in output.glob("*-*-of-*.parquet") for row in pq.read_table(path).to_pylist()
    ]
    assert len(kept) == stats["sentences"]["used"]
    excluded = pq.read_table(output / "excluded.parquet").num_rows
    assert excluded == sum(
        sum(stats[kind]["excluded"].values()) for kind in ("documents", "sentences")
    )
