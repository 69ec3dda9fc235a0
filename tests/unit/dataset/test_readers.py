import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.config.dataset import FilesSource, HubSource
from src.dataset.input.raw_lines import Damage
from src.dataset.pass_one.readers import ReadDocuments
from src.dataset.records import BAD_DOCUMENT_REASONS, find, is_left_out
from src.dataset.tally import Tally

KEYS = st.sampled_from(["text", "meta", "pile_set_name", "id", "other"])
META = {"pile_set_name": "Pile-CC", "id": 7}


def read(rows, source=None, source_needed=False, monkeypatch=None):
    """Documents that the reader makes of rows."""
    source = source or FilesSource(kind="files", path="x")

    class Rows:
        def rows(self, name, share, shares):
            return enumerate(rows, 1)

    monkeypatch.setattr("src.dataset.pass_one.readers.open_input", lambda _: Rows())
    tally = Tally()
    documents = list(ReadDocuments(source, ["a"], tally, source_needed=source_needed).run())
    assert tally.documents_read == len(rows) == len(documents)
    return documents


def reasons(documents):
    return [document.metadata.get("reason") for document in documents]


def test_a_document_knows_where_it_is_from(monkeypatch):
    [document] = read([{"text": "Some text.", "meta": META}], monkeypatch=monkeypatch)
    assert (document.id, document.text) == ("a:1", "Some text.")
    assert document.metadata == {"row": 1, "source": "Pile-CC", "document_id": "a:1"}


def test_bad_rows_have_reasons_and_no_text(monkeypatch):
    rows = [
        {"meta": META},
        {"text": None, "meta": META},
        {"text": 5, "meta": META},
        {"text": ["a"], "meta": META},
        {"text": "fine", "meta": {"pile_set_name": 3}},
        Damage("malformed_json", "detail"),
        {"text": "", "meta": META},
        {"text": "fine", "meta": "no object"},
    ]
    documents = read(rows, monkeypatch=monkeypatch)
    assert reasons(documents) == [
        "missing_text", "missing_text", "text_not_a_string", "text_not_a_string", "source_not_a_string",
        "malformed_json", None, None,
    ]  # fmt: skip
    assert documents[-1].metadata["source"] == "unknown"
    assert all(not document.text for document in documents if is_left_out(document))


def test_a_missing_source_is_bad_only_where_sources_are_left_out(monkeypatch):
    rows = [{"text": "a"}, {"text": "b", "meta": META}]
    assert reasons(read(rows, source_needed=True, monkeypatch=monkeypatch)) == [
        "missing_source",
        None,
    ]
    assert reasons(read(rows, monkeypatch=monkeypatch)) == [None, None]


def test_the_document_id_is_the_key_s_value(monkeypatch):
    source = FilesSource(kind="files", path="x", document_id_key="meta.id")
    rows = [{"text": "a", "meta": META}, {"text": "b", "meta": {"id": "x"}}, {"text": "c"}]
    rows += [{"text": "d", "meta": {"id": value}} for value in (None, "", [1])]
    documents = read(rows, source, monkeypatch=monkeypatch)
    assert [d.metadata["document_id"] for d in documents[:2]] == ["7", "x"]
    assert reasons(documents) == [None, None, *["missing_document_id"] * 3, "document_id_of_no_use"]


def test_ready_sentences_come_with_their_scores(monkeypatch):
    source = HubSource(
        kind="hub",
        path="x",
        text_key=None,
        sentences_key="texts",
        scores_keys={"toxicity": "scores"},
    )
    good = {"texts": ["a", "b"], "scores": [0, 0.5]}
    rows = [
        good,
        {"scores": [0.1]},
        {"texts": "a", "scores": [0.1]},
        {"texts": ["a", 2], "scores": [0.1, 0.2]},
        {"texts": ["a"]},
        {"texts": ["a"], "scores": ["0.1"]},
        {"texts": ["a"], "scores": [float("nan")]},
        {"texts": ["a"], "scores": [None]},
        {"texts": ["a"], "scores": [True]},
        {"texts": ["a", "b"], "scores": [0.1]},
        {"texts": [], "scores": []},
    ]
    documents = read(rows, source, monkeypatch=monkeypatch)
    assert documents[0].metadata["sentences"] == ["a", "b"]
    assert documents[0].metadata["ready_scores"] == {"toxicity": [0.0, 0.5]}
    assert reasons(documents) == [
        None, "missing_text", "sentences_not_a_list", "sentence_not_a_string", "missing_scores",
        "scores_not_numbers", "scores_not_numbers", "scores_not_numbers", "scores_not_numbers",
        "scores_length_differs", None,
    ]  # fmt: skip
    assert {reason for reason in reasons(documents) if reason} <= set(BAD_DOCUMENT_REASONS)


@pytest.mark.parametrize(
    "key,value",
    [("a", 1), ("a.b", None), ("o.x", 2), ("o.x.y", None), ("o.n", None), ("p.q", 3), ("z", None)],
)
def test_dots_go_into_objects_unless_the_key_itself_has_them(key, value):
    assert find({"a": 1, "o": {"x": 2, "n": None}, "p.q": 3, "p": {"q": 4}}, key) == value


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@given(st.lists(JSON.map(json.dumps) | st.text(max_size=20), max_size=12))
def test_whatever_stands_in_a_shard_every_row_is_a_document_or_has_a_reason(
    tmp_path_factory, lines
):
    folder = tmp_path_factory.mktemp("shard")
    data = "\n".join(lines).encode("utf-8", "replace")
    (folder / "a.jsonl").write_bytes(data)
    source = FilesSource(kind="files", path=str(folder), document_id_key="id")
    tally = Tally()
    documents = list(ReadDocuments(source, ["a.jsonl"], tally, source_needed=True).run())
    assert tally.documents_read == len(documents) == sum(bool(x.strip()) for x in data.split(b"\n"))
    for document in documents:
        if is_left_out(document):
            assert document.metadata["reason"] in BAD_DOCUMENT_REASONS
        else:
            assert isinstance(document.text, str)


def test_a_row_s_human_rating_goes_with_the_document(monkeypatch):
    source = FilesSource(kind="files", path="x", human_ratings={"mood": "meta.rating"})
    values = [2, -1.5, None, "2", True, float("nan")]
    rows = [{"text": "Fine.", "meta": {"rating": value}} for value in values] + [{"text": "Fine."}]
    documents = read(rows, source, monkeypatch=monkeypatch)
    assert [document.metadata.get("human") for document in documents] == [
        {"mood": 2.0}, {"mood": -1.5}, None, None, None, None, None,
    ]  # fmt: skip
    bad = "rating_not_a_number"
    assert reasons(documents) == [None, None, None, bad, bad, bad, None]
