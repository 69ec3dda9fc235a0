import gzip
import io

import pytest
import zstandard

from src.dataset.input import raw_lines
from src.dataset.input.raw_lines import Damage, lines_of

TEXT = (
    b"\n".join(b'{"line": %d, "text": "%s"}' % (i, b"word " * (i % 40)) for i in range(2000))
    + b"\n"
)
LINES = TEXT.splitlines()
PACKED = {
    "a.jsonl": TEXT,
    "a.jsonl.gz": gzip.compress(TEXT),
    "a.jsonl.zst": zstandard.ZstdCompressor(write_checksum=True).compress(TEXT),
}


def read(data, name):
    return list(lines_of(io.BytesIO(data), name))


@pytest.mark.parametrize("name", PACKED)
def test_every_line_comes_with_its_number(name):
    assert read(PACKED[name], name) == list(enumerate(LINES, 1))


@pytest.mark.parametrize("name", PACKED)
def test_several_frames_are_one_file(name):
    whole = PACKED[name] + PACKED[name]
    assert [line for _, line in read(whole, name)] == LINES * 2


def test_a_gzip_file_may_be_padded_with_zeros():
    padded = PACKED["a.jsonl.gz"] + b"\0" * 700
    assert [line for _, line in read(padded, "a.jsonl.gz")] == LINES


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.jsonl.zst"])
def test_a_file_cut_anywhere_gives_its_whole_lines_and_one_truncation(name):
    data = PACKED[name]
    for cut in range(1, len(data), max(1, len(data) // 60)):
        *lines, last = read(data[:cut], name)
        assert isinstance(last[1], Damage), cut
        assert last[1].reason == "truncated_file", cut
        assert last[0] == len(lines) + 1
        assert [line for _, line in lines] == LINES[: len(lines)]
    assert len(lines) > 900  # zstandard gives blocks of 128 KB


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.jsonl.zst"])
def test_a_changed_byte_is_damage_and_no_line_is_invented(name):
    data = bytearray(PACKED[name])
    middle = len(data) // 2
    data[middle : middle + 8] = bytes(255 - byte for byte in data[middle : middle + 8])
    lines = read(bytes(data), name)
    damages = [line for _, line in lines if isinstance(line, Damage)]
    assert [damage.reason for damage in damages] == ["damaged_file"]
    assert lines[-1][1] is damages[0]


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.jsonl.zst"])
def test_bytes_that_are_no_archive_are_damage(name):
    [(number, damage)] = read(b"this is no archive at all", name)
    assert (number, damage.reason) == (1, "damaged_file")


@pytest.mark.parametrize("name", PACKED)
def test_an_empty_file_has_no_line(name):
    assert read(b"", name) == []


def test_blank_lines_count_and_are_passed_over():
    assert read(b"a\n\n  \nb", "a.jsonl") == [(1, b"a"), (4, b"b")]


def test_a_byte_order_mark_is_no_part_of_the_first_line():
    assert read(b"\xef\xbb\xbfa\nb\n", "a.jsonl") == [(1, b"a"), (2, b"b")]


def test_a_line_beyond_the_limit_is_left_out_and_the_next_ones_are_read(monkeypatch):
    monkeypatch.setattr(raw_lines, "MAX_LINE_BYTES", 50_000)
    data = b"a\n" + b"x" * 120_000 + b"\n" + b"y" * 50_000 + b"\nb\n"
    [first, long, full, last] = read(data, "a.jsonl")
    assert first == (1, b"a")
    assert long[0] == 2
    assert long[1].reason == "line_too_long"
    assert full == (3, b"y" * 50_000)
    assert last == (4, b"b")


def test_a_window_above_zstandards_default_is_read():
    parameters = zstandard.ZstdCompressionParameters.from_level(3, window_log=28)
    stream = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    data = stream.compress(TEXT) + stream.flush()
    assert [line for _, line in read(data, "a.jsonl.zst")] == LINES
