"""The rated snippets: how lines are read, kept together by document, and written as shards."""

import json

import fsspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.demo_corpus import DOMAINS, Snippet, describe, into_shards, parse_ratings, write_corpus
from src.errors import DataError
from tests.unit.scripts.archives import write_source_archive


def test_a_line_becomes_a_row_of_the_pile():
    (snippet,) = parse_ratings(b"63_5\t-0.05\tThe beef producers do, too.\r\n", "EditorialArticles")
    assert snippet.pile_row() == {
        "text": "The beef producers do, too.",
        "meta": {
            "pile_set_name": "EditorialArticles",
            "document_id": "EditorialArticles/63",
            "snippet_id": "EditorialArticles/63_5",
            "human_sentiment": -0.05,
        },
    }


def test_ids_without_a_document_are_documents_of_their_own():
    snippets = parse_ratings(b"1\t1\tone\n2\t2\ttwo\n", "Tweets")
    assert [s.document_id for s in snippets] == ["Tweets/1", "Tweets/2"]


@pytest.mark.parametrize(
    "raw, text",
    [
        ("1\t0\tclichés – and 日本 😀\r\n", "clichés – and 日本 😀"),
        ("1\t0\tbread &amp; jam &lt;3\n", "bread & jam <3"),
        ("1\t0\t  spaces   inside stay  \n", "spaces   inside stay"),
        # Characters at which str.splitlines would break a line.
        ("1\t0\tone\u2028two\x85three\x0cfour\n", "one\u2028two\x85three\x0cfour"),
    ],
)
def test_texts_come_out_whole(raw, text):
    (snippet,) = parse_ratings(raw.encode(), "Tweets")
    assert snippet.text == text


@pytest.mark.parametrize(
    "line, message",
    [
        (b"1\t0 only two fields", "2 fields"),
        (b"1\t0\ta tab\tin the text", "4 fields"),
        (b"1\tgood\ttext", "could not convert"),
        (b"1\tnan\ttext", "outside -4.0 to 4.0"),
        (b"1\t4.5\ttext", "outside -4.0 to 4.0"),
        (b"1\t0\t   ", "an empty id or text"),
        (b"\t0\ttext", "an empty id or text"),
        (b"1\t0\tclich\xe9s in Latin-1", "can't decode byte 0xe9"),
        (b"0\t1\tan id again", "the id is there twice"),
    ],
)
def test_a_bad_line_is_an_error_that_names_it(line, message):
    with pytest.raises(DataError, match=r"Tweets, line 2") as caught:
        parse_ratings(b"0\t1\ta good line\n" + line + b"\n", "Tweets")
    assert message in str(caught.value)


def test_an_empty_file_is_an_error():
    with pytest.raises(DataError, match="no line"):
        parse_ratings(b"\r\n", "Tweets")


@given(st.lists(st.integers(0, 8), min_size=1, max_size=60), st.integers(1, 4))
def test_shards_hold_everything_once_and_documents_whole(documents, n_shards):
    snippets = [
        Snippet("Tweets", f"Tweets/{document}_{row}", f"Tweets/{document}", "text", 0.0)
        for row, document in enumerate(documents)
    ]
    shards = into_shards(snippets, n_shards)
    assert len(shards) == n_shards
    assert sorted(s.snippet_id for shard in shards for s in shard) == sorted(
        s.snippet_id for s in snippets
    )
    homes = {}
    for number, shard in enumerate(shards):
        for snippet in shard:
            assert homes.setdefault(snippet.document_id, number) == number


def test_shards_are_about_equal():
    snippets = [Snippet("Tweets", f"Tweets/{i}", f"Tweets/{i}", "text", 0.0) for i in range(101)]
    assert [len(shard) for shard in into_shards(snippets, 2)] == [51, 50]


def test_description():
    snippets = parse_ratings(b"1_1\t1\tone two\n1_2\t-2\tthree\n2_1\t0\tfour\n", "ProductReviews")
    assert describe(snippets) == {
        "documents": 2,
        "snippets": 3,
        "words": 4,
        "mean_human_sentiment": -0.3333,
    }


def test_the_shards_can_be_read_like_any_shard_of_the_pile(tmp_path):
    counts = write_corpus(write_source_archive(tmp_path / "source.tar.gz"), tmp_path / "corpus")
    names = sorted(path.name for path in (tmp_path / "corpus").iterdir())
    assert names == sorted(f"{domain}-0000{n}.jsonl.zst" for domain in DOMAINS for n in range(2))
    rows = []
    for name in names:
        with fsspec.open(
            tmp_path / "corpus" / name, "rt", encoding="utf-8", compression="infer"
        ) as f:
            rows += [json.loads(line) for line in f]
    assert len(rows) == sum(count["snippets"] for count in counts.values()) == 10
    by_id = {row["meta"]["snippet_id"]: row for row in rows}
    assert by_id["Tweets/1"]["text"] == "lovely bread & jam"
    assert by_id["ProductReviews/7_2"]["meta"]["document_id"] == "ProductReviews/7"


def test_an_archive_without_a_ground_truth_file_is_an_error(tmp_path):
    archive = write_source_archive(tmp_path / "source.tar.gz", {"Tweets": "1\t0\ttext\n"})
    with pytest.raises(DataError, match="lacks a file"):
        write_corpus(archive, tmp_path / "corpus")
