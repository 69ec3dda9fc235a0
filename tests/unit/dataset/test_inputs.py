import gzip
import json
import os
from datetime import date
from decimal import Decimal
from uuid import UUID

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from src.config.dataset import FilesSource, HubSource
from src.dataset.input.file_input import FileInput
from src.dataset.input.hub_input import HubInput
from src.dataset.input.opening import open_input
from src.dataset.input.parts import portions_of, ranks_by_part
from src.dataset.input.raw_lines import Damage
from src.dataset.pass_one.readers import ReadDocuments
from src.dataset.tally import Tally
from src.errors import DataError, UnavailableError


def files(path, **more):
    return FileInput(FilesSource(kind="files", path=str(path), **more))


def write_jsonl(path, values):
    path.write_text("".join(json.dumps(value) + "\n" for value in values))


# ------------------------------------------------------------------------------------ sharing out


@pytest.mark.parametrize("n_parts", [1, 2, 3, 5, 8, 30])
@pytest.mark.parametrize("tasks", [1, 2, 3, 7, 16, 31])
def test_every_row_is_read_by_one_task_and_in_the_order_of_the_input(n_parts, tasks):
    names = [f"part-{i:02d}" for i in range(n_parts)]
    rows = [(name, number) for name in names for number in range(1, 12)]
    by_rank = [
        [
            (portion.name, number)
            for portion in portions_of(names, rank, tasks)
            for number in range(1, 12)
            if (number - 1) % portion.shares == portion.share
        ]
        for rank in range(tasks)
    ]
    groups = ranks_by_part(n_parts, tasks)
    assert sorted(rank for group in groups for rank in group) == list(range(tasks))
    assert sorted(row for found in by_rank for row in found) == rows
    in_groups = [sorted(row for rank in group for row in by_rank[rank]) for group in groups]
    assert [row for group in in_groups for row in group] == rows
    if tasks <= n_parts * 11:
        assert all(by_rank), "a task without work"


# ------------------------------------------------------------------------------------ shards


def test_names_are_the_readable_files_sorted_and_no_hidden_ones(tmp_path):
    (tmp_path / "below").mkdir()
    (tmp_path / ".cache").mkdir()
    names = [
        "b.jsonl", "a.parquet", "below/c.jsonl.gz", "d.jsonl.zst", "notes.txt", ".cache/x.jsonl",
    ]  # fmt: skip
    for name in names:
        (tmp_path / name).write_bytes(b"")
    assert files(tmp_path).names() == ["a.parquet", "b.jsonl", "below/c.jsonl.gz", "d.jsonl.zst"]
    assert files(tmp_path, pattern="*.jsonl").names() == ["b.jsonl"]
    assert files(tmp_path, pattern="**/*.gz").names() == ["below/c.jsonl.gz"]


@pytest.mark.parametrize(
    "name,pattern,says",
    [
        ("gone", None, "does not exist"),
        ("a.jsonl", None, "is a file"),
        ("empty", None, "no shard below"),
        (".", "*.csv", "no shard below"),
        (".", "*", "unknown kind"),
    ],
)
def test_a_folder_that_cannot_be_read_says_why(tmp_path, name, pattern, says):
    (tmp_path / "a.jsonl").write_text("{}")
    (tmp_path / "b.csv.txt").write_text("{}")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=says):
        files(tmp_path / name, pattern=pattern).names()


def test_an_unknown_protocol_is_one_clear_line():
    with pytest.raises(UnavailableError, match="nosuch://bucket"):
        files("nosuch://bucket/x").names()


def test_a_shard_that_vanished_is_one_clear_line(tmp_path):
    with pytest.raises(DataError, match="gone since the run began"):
        list(files(tmp_path).rows("away.jsonl", 0, 1))


def test_a_shard_that_the_system_refuses_is_one_clear_line(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied", "a.jsonl")

    monkeypatch.setattr("datatrove.io.DataFolder.open", refuse)
    with pytest.raises(UnavailableError, match=r"cannot be read.*Permission denied"):
        list(files(tmp_path).rows("a.jsonl", 0, 1))


def test_jsonl_rows_with_their_damages(tmp_path):
    lines = [
        b'{"text": "a"}', b"{broken", b"[1]", b'"text"', b'{"text": "\xff"}', b'{"text": NaN}', b'{"a": 1}',
    ]  # fmt: skip
    (tmp_path / "a.jsonl").write_bytes(b"\n".join(lines))
    rows = list(files(tmp_path).rows("a.jsonl", 0, 1))
    assert [number for number, _ in rows] == [1, 2, 3, 4, 5, 6, 7]
    found = [row.reason if isinstance(row, Damage) else row for _, row in rows]
    assert found == [
        {"text": "a"}, "malformed_json", "not_an_object", "not_an_object", "invalid_utf8",
        "malformed_json", {"a": 1},
    ]  # fmt: skip
    shares = [[number for number, _ in files(tmp_path).rows("a.jsonl", i, 3)] for i in range(3)]
    assert shares == [[1, 4, 7], [2, 5], [3, 6]]


def test_parquet_rows_read_only_the_columns_named(tmp_path):
    table = pa.table(
        {
            "text": ["a", "b", None],
            "meta": [{"pile_set_name": "X", "n": 1}] * 3,
            "huge": [b"0" * 1000] * 3,
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    rows = list(files(tmp_path).rows("a.parquet", 0, 1))
    meta = {"pile_set_name": "X"}
    assert rows == [(i + 1, {"text": t, "meta": meta}) for i, t in enumerate(["a", "b", None])]
    assert [number for number, _ in files(tmp_path).rows("a.parquet", 1, 2)] == [2]


def test_parquet_rows_that_are_not_utf8_are_damage_and_the_others_are_read(tmp_path):
    raw = pa.array([b"good", b"\xff\xfe", b"fine"], pa.binary())
    text = pa.StringArray.from_buffers(3, raw.buffers()[1], raw.buffers()[2])
    pq.write_table(pa.table({"text": text}), tmp_path / "a.parquet")
    rows = [row for _, row in files(tmp_path).rows("a.parquet", 0, 1)]
    assert rows[0] == {"text": "good"}
    assert rows[1].reason == "invalid_utf8"
    assert rows[2] == {"text": "fine"}


def test_a_parquet_file_cut_short_is_one_damage(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": ["some text"] * 5000}), path)
    path.write_bytes(path.read_bytes()[:-50])
    [(number, damage)] = files(tmp_path).rows("a.parquet", 0, 1)
    assert (number, damage.reason) == (1, "damaged_file")


def test_shards_of_another_file_system_are_read(tmp_path):
    system = fsspec.filesystem("memory")
    system.pipe("/bucket/raw/a.jsonl", b'{"text": "a"}\n{"text": "b"}\n')
    system.pipe("/bucket/raw/b.jsonl", b'{"text": "c"}\n')
    opened = files("memory://bucket/raw")
    assert opened.names() == ["a.jsonl", "b.jsonl"]
    assert opened.bytes_stored() == 42
    assert [row["text"] for name in opened.names() for _, row in opened.rows(name, 0, 1)] == list(
        "abc"
    )
    by_url = files(f"file://{tmp_path}")
    (tmp_path / "a.jsonl").write_text('{"text": "a"}')
    assert list(by_url.rows("a.jsonl", 0, 1)) == [(1, {"text": "a"})]


@pytest.mark.parametrize("protocol", ["file", "memory"])
def test_every_kind_of_shard_is_read_from_a_url(tmp_path, protocol):
    rows = [{"text": f"Text {i}.", "meta": {"pile_set_name": "X"}} for i in range(5)]
    lines = "".join(json.dumps(row) + "\n" for row in rows).encode()
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "d.parquet")
    shards = {
        "a.jsonl": lines,
        "b.jsonl.gz": gzip.compress(lines),
        "c.jsonl.zst": zstandard.ZstdCompressor().compress(lines),
        "d.parquet": (tmp_path / "d.parquet").read_bytes(),
    }
    system, folder = fsspec.filesystem(protocol), f"{tmp_path}/shards"
    system.makedirs(folder)
    for name, data in shards.items():
        system.pipe(f"{folder}/{name}", data)
    opened = files(f"{protocol}://{folder}")
    assert opened.names() == list(shards)
    for name in shards:
        assert [row for _, row in opened.rows(name, 0, 1)] == rows


def test_a_url_whose_package_is_not_installed_says_so():
    with pytest.raises(UnavailableError, match=r"cannot be opened .*install what it needs"):
        files("gs://bucket/shards").names()


def test_a_description_changes_with_a_byte_and_not_with_the_clock(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "a"}')
    before = files(tmp_path).describe()
    os.utime(path, (1, 1))
    assert files(tmp_path).describe() == before
    path.write_text('{"text": "b"}')
    assert files(tmp_path).describe() != before


# ------------------------------------------------------------------------------------ the hub's format


def hub(path, **more):
    return HubInput(HubSource(kind="hub", path=str(path), **more))


@pytest.fixture
def hub_folder(tmp_path):
    folder = tmp_path / "set"
    folder.mkdir()
    for i in range(3):
        rows = [{"text": f"{i} {j}", "meta": {"pile_set_name": "X"}} for j in range(4)]
        write_jsonl(folder / f"train-{i}.jsonl", rows)
    return folder


def test_a_local_folder_in_hub_format_has_its_files_as_parts(hub_folder):
    opened = open_input(HubSource(kind="hub", path=str(hub_folder)))
    assert opened.names() == ["shard-00000", "shard-00001", "shard-00002"]
    rows = list(opened.rows("shard-00001", 1, 2))
    assert [(number, row["text"]) for number, row in rows] == [(2, "1 1"), (4, "1 3")]
    assert opened.bytes_stored() == sum(p.stat().st_size for p in hub_folder.iterdir())
    description = opened.describe()
    assert [shard["name"] for shard in description["shards"]] == [
        f"train-{i}.jsonl" for i in range(3)
    ]


def test_a_key_that_is_no_column_is_named_with_the_columns(hub_folder):
    with pytest.raises(DataError, match=r"source\.text_key.*'body'.*text, meta"):
        hub(hub_folder, text_key="body").names()


def test_a_split_that_is_not_there_is_one_clear_line(hub_folder):
    with pytest.raises(DataError, match="split"):
        hub(hub_folder, split="nosuch").names()


def test_without_a_hub_the_error_says_what_to_set_instead(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(UnavailableError, match=r"nobody/nothing.*local folder"):
        hub("nobody/nothing").names()


# --------------------------------------------------------- what the keys name, and nothing else

TEXTS = pa.array(["one two", "three four"])
NAMES = pa.array(["A", "B"])
UNKNOWN_ZONE = pa.array([0, 1], pa.timestamp("us", tz="Mars/Olympus"))
BEFORE_YEAR_1 = pa.array([-(10**17), -(10**17)], pa.timestamp("us"))
UUIDS = pa.ExtensionArray.from_storage(
    pa.uuid(), pa.array([UUID(int=1).bytes, UUID(int=2).bytes], pa.binary(16))
)
MAP = pa.map_(pa.string(), pa.string())


def struct(**fields):
    return pa.StructArray.from_arrays(list(fields.values()), list(fields))


def documents_of(folder, table, **keys):
    """(reason, source, document id) of each row of a parquet shard."""
    folder.mkdir()
    pq.write_table(table, folder / "a.parquet")
    source = FilesSource(kind="files", path=str(folder), **keys)
    read = ReadDocuments(source, ["a.parquet"], Tally(), source_needed=True).run()
    return [
        (d.metadata.get("reason"), d.metadata["source"], d.metadata["document_id"]) for d in read
    ]


@pytest.mark.parametrize(
    "meta",
    [
        pa.array([[("pile_set_name", "A")], [("x", "y"), ("pile_set_name", "B")]], MAP),
        pa.array(['{"pile_set_name": "A"}', ' {"pile_set_name": "B", "x": [1]}']),
        pa.array([b'{"pile_set_name": "A"}', b'{"pile_set_name": "B"}'], pa.large_binary()),
        pa.array(['{"pile_set_name": "A"}', '{"pile_set_name": "B"}']).dictionary_encode(),
        pa.array([[(b"pile_set_name", "A")], [(b"pile_set_name", "B")]], pa.map_(pa.binary(), pa.string())),
        struct(pile_set_name=NAMES, when=UNKNOWN_ZONE),
        struct(pile_set_name=NAMES, when=BEFORE_YEAR_1),
        struct(pile_set_name=NAMES, deep=struct(when=BEFORE_YEAR_1)),
    ],
    ids=str,
)  # fmt: skip
def test_the_source_is_found_whatever_holds_it(tmp_path, meta):
    table = pa.table({"text": TEXTS, "meta": meta, "unread": UNKNOWN_ZONE})
    found = documents_of(tmp_path / "shards", table)
    assert [(reason, name) for reason, name, _ in found] == [(None, "A"), (None, "B")]


NAMED = pa.struct([("name", pa.string()), ("when", UNKNOWN_ZONE.type)])


@pytest.mark.parametrize(
    "meta,key",
    [
        (struct(when=UNKNOWN_ZONE), "meta.pile_set_name"),
        (struct(deep=struct(when=BEFORE_YEAR_1)), "meta.deep.name"),
        (pa.array([[("other", "A")]] * 2, MAP), "meta.pile_set_name"),
    ],
    ids=str,
)
def test_a_field_that_is_not_there_makes_no_row_unreadable(tmp_path, meta, key):
    folder = tmp_path / "shards"
    folder.mkdir()
    pq.write_table(pa.table({"text": TEXTS, "meta": meta}), folder / "a.parquet")
    source = FilesSource(kind="files", path=str(folder), source_key=key)
    read = ReadDocuments(source, ["a.parquet"], Tally(), source_needed=False).run()
    assert [(d.text, d.metadata["source"]) for d in read] == [
        (text, "unknown") for text in TEXTS.to_pylist()
    ]


def map_of_structs(key, kind):
    return pa.array([[(key, {"name": name, "when": 1})] for name in "AB"], pa.map_(kind, NAMED))


def not_utf8_beside(names):
    """A map of each row: the name of its source, and bytes that are no UTF-8 under another key."""
    raw = pa.array([x for name in names for x in (name.encode(), b"\xff")], pa.binary())
    texts = pa.StringArray.from_buffers(len(raw), raw.buffers()[1], raw.buffers()[2])
    keys = pa.array(["pile_set_name", "x"] * len(names))
    return pa.MapArray.from_arrays(range(0, len(raw) + 1, 2), keys, texts)


@pytest.mark.parametrize(
    "meta,key",
    [
        (map_of_structs("a", pa.string()), "meta.a.name"),
        (map_of_structs(b"a", pa.binary()), "meta.a.name"),
        (map_of_structs(7, pa.int32()), "meta.7.name"),
        (not_utf8_beside("AB"), "meta.pile_set_name"),
        (struct(**{"a.b": NAMES, "when": UNKNOWN_ZONE}), "meta.a.b"),
        (pa.array([[(b"s", n)] for n in (b"A", b"B")], pa.map_(pa.binary(), pa.binary())), "meta.s"),
        (pa.array([[("m", [("s", n)])] for n in "AB"], pa.map_(pa.string(), MAP)), "meta.m.s"),
    ],
    ids=str,
)  # fmt: skip
def test_of_maps_too_only_what_a_key_names_is_read(tmp_path, meta, key):
    table = pa.table({"text": TEXTS, "meta": meta})
    found = documents_of(tmp_path / "shards", table, source_key=key)
    assert [(reason, name) for reason, name, _ in found] == [(None, "A"), (None, "B")]


@pytest.mark.parametrize(
    "meta",
    [
        '{"pile_set_name": "A"}',
        json.dumps('{"pile_set_name": "A"}'),
        [["x", 1], ["pile_set_name", "A"]],
        '[["pile_set_name", "A"]]',
        [{"key": "pile_set_name", "value": "A"}],
    ],
    ids=str,
)
def test_the_source_is_found_in_json_of_any_form(tmp_path, meta):
    write_jsonl(tmp_path / "a.jsonl", [{"text": "a", "meta": meta}, {"text": "b", "meta": "{cut"}])
    source = FilesSource(kind="files", path=str(tmp_path))
    read = ReadDocuments(source, ["a.jsonl"], Tally(), source_needed=False).run()
    assert [document.metadata["source"] for document in read] == ["A", "unknown"]


def test_a_value_that_is_named_and_cannot_be_read_costs_its_row_alone(tmp_path):
    ids = pa.array([-(10**17), 0], pa.timestamp("us"))
    table = pa.table({"text": TEXTS, "meta": struct(pile_set_name=NAMES), "id": ids})
    found = documents_of(tmp_path / "shards", table, document_id_key="id")
    assert found[0][0] == "unreadable_value"
    assert found[1] == (None, "B", "1970-01-01T00:00:00")


@pytest.mark.parametrize(
    "ids,expected",
    [
        (pa.array([1.5, 2.0]), ["1.5", "2"]),
        (pa.array([-0.0, 2.0**70]), ["0", str(2**70)]),
        (pa.array([b"\xff\x00", b"ab"]), ["ff00", "6162"]),
        (pa.array([b"\x01" * 16, b"\x02" * 16], pa.binary(16)), ["01" * 16, "02" * 16]),
        (pa.array([Decimal("1.50"), Decimal("2.00")]), ["1.50", "2"]),
        (pa.array([date(2020, 1, 2), date(2021, 1, 2)]), ["2020-01-02", "2021-01-02"]),
        (UUIDS, [str(UUID(int=1)), str(UUID(int=2))]),
        (pa.array([7, 8]), ["7", "8"]),
    ],
    ids=str,
)  # fmt: skip
def test_ids_of_any_plain_type_are_used(tmp_path, ids, expected):
    table = pa.table({"text": TEXTS, "meta": struct(pile_set_name=NAMES), "id": ids})
    found = documents_of(tmp_path / "shards", table, document_id_key="id")
    assert found == [(None, "A", expected[0]), (None, "B", expected[1])]


@pytest.mark.parametrize(
    "ids", [pa.array([[1], [2]]), pa.array([True, False]), pa.array([float("nan")] * 2)]
)
def test_ids_that_are_none_say_so(tmp_path, ids):
    table = pa.table({"text": TEXTS, "meta": struct(pile_set_name=NAMES), "id": ids})
    found = documents_of(tmp_path / "shards", table, document_id_key="id")
    assert {reason for reason, _, _ in found} == {"document_id_of_no_use"}


@pytest.mark.parametrize("name", ["shards [1]", "a*b", "what?", "{x}", "[!a]", "50% #1 ü"])
def test_signs_of_patterns_in_a_folder_s_name_are_its_own(tmp_path, name):
    folder = tmp_path / name
    folder.mkdir()
    for shard in ("one.jsonl", "two [2].jsonl"):
        write_jsonl(folder / shard, [{"text": "a"}])
    (folder / "other.txt").write_text("x")
    expected = ["one.jsonl", "two [2].jsonl"]
    assert files(folder).names() == expected
    assert files(folder, pattern="*.jsonl").names() == expected
    assert files(folder, pattern="o*.jsonl").names() == ["one.jsonl"]
    assert [row for _, row in files(folder).rows("two [2].jsonl", 0, 1)] == [{"text": "a"}]


def test_a_home_folder_is_found_by_either_kind_of_source(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "mine").mkdir()
    write_jsonl(tmp_path / "mine/a.jsonl", [{"text": "a"}, {"text": "b"}])
    assert files("~/mine").names() == ["a.jsonl"]
    source = HubSource(kind="hub", path="~/mine")
    assert [row["text"] for _, row in HubInput(source).rows("shard-00000", 0, 1)] == ["a", "b"]


def test_a_hub_source_reads_no_column_that_no_key_names(tmp_path):
    table = pa.table({"text": TEXTS, "when": UNKNOWN_ZONE})
    pq.write_table(table, tmp_path / "a.parquet")
    rows = HubInput(HubSource(kind="hub", path=str(tmp_path))).rows("shard-00000", 0, 1)
    assert [row for _, row in rows] == [{"text": "one two"}, {"text": "three four"}]


@pytest.mark.parametrize("line", ["{broken", "[1]", "nonsense"])
def test_a_malformed_row_of_a_hub_source_is_one_clear_line_in_a_dry_run(tmp_path, line):
    (tmp_path / "a.jsonl").write_text(f'{{"text": "a"}}\n{line}\n{{"text": "b"}}\n')
    opened = HubInput(HubSource(kind="hub", path=str(tmp_path)))
    with pytest.raises(DataError, match=r"source\.kind: files") as caught:
        list(opened.rows("shard-00000", 0, 1))
    assert "\n" not in str(caught.value)
