"""Lines of a JSONL shard, plain, gzip or zstandard, in bounded memory.

The decoders are driven here, not through a file object: zstandard's reader takes a file that was cut
short for one that ended, and everything after the cut would be lost in silence.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, Protocol

import zstandard

# Small blocks bound what one block can expand to (zstandard: up to 32,768 times).
BLOCK_BYTES = 1 << 14
# The longest line held in memory. The longest documents of the Pile are some tens of megabytes.
MAX_LINE_BYTES = 1 << 28
# zstandard refuses by default what was compressed with a window above 128 MB (`zstd --long`).
MAX_WINDOW_BYTES = 1 << 31
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Damage:
    """What stands where a row should be: one of `records.BAD_DOCUMENT_REASONS`, and the detail."""

    reason: str
    detail: str


class _DamagedStream(Exception):
    """A compressed stream cannot be decoded further; `lines_of` turns it into its `Damage`."""

    def __init__(self, damage: Damage) -> None:
        super().__init__(damage.detail)
        self.damage = damage


class _Decoder(Protocol):
    eof: bool
    unused_data: bytes

    def decompress(self, data: bytes) -> bytes: ...


def lines_of(handle: IO[bytes], name: str) -> Iterator[tuple[int, bytes | Damage]]:
    """The lines of a shard.

    Args:
        handle: open for reading bytes.
        name: its name; the ending says how it is compressed.

    Yields:
        (number, line without its end). Numbers start at 1, as an editor shows them; blank lines count
        and are passed over. A `Damage` stands for a line that cannot be had; nothing follows one whose
        reason is `truncated_file` or `damaged_file`.
    """
    number, size, pieces = 1, 0, []
    try:
        for block in _decoded(handle, name):
            *ended, rest = block.split(b"\n")
            for end in ended:
                line = _line(number, size + len(end), [*pieces, end])
                if line is not None:
                    yield number, line
                number, size, pieces = number + 1, 0, []
            size += len(rest)
            # Of a line beyond the limit only the length is kept.
            if size <= MAX_LINE_BYTES:
                pieces.append(rest)
            else:
                pieces.clear()
        line = _line(number, size, pieces)
        if line is not None:
            yield number, line
    except _DamagedStream as stop:
        yield number, stop.damage


def _line(number: int, size: int, pieces: list[bytes]) -> bytes | Damage | None:
    if size > MAX_LINE_BYTES:
        return Damage("line_too_long", f"{size} bytes, at most {MAX_LINE_BYTES} are read")
    line = b"".join(pieces)
    if number == 1:
        line = line.removeprefix(BYTE_ORDER_MARK)
    return line if line.strip() else None


def _decoded(handle: IO[bytes], name: str) -> Iterator[bytes]:
    blocks = iter(lambda: handle.read(BLOCK_BYTES), b"")
    if name.endswith((".zst", ".zstd")):
        decoder = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW_BYTES)
        return _decompressed(blocks, decoder.decompressobj, zstandard.ZstdError)
    if name.endswith(".gz"):
        # 16: a gzip header and checksum; 15: the largest window.
        return _decompressed(blocks, lambda: zlib.decompressobj(16 + 15), zlib.error)
    return blocks


def _decompressed(
    blocks: Iterator[bytes], new_decoder: Callable[[], _Decoder], error: type[Exception]
) -> Iterator[bytes]:
    """Decode a stream of one or more frames, one after the other.

    Raises:
        _DamagedStream: the last frame does not end, or what is there is no frame.
    """
    decoder = None
    for block in blocks:
        while block:
            if decoder is None:
                block = block.lstrip(b"\0")  # padding, which gzip allows between members
                decoder = new_decoder() if block else None
                continue
            try:
                decoded = decoder.decompress(block)
            except error as broken:
                raise _DamagedStream(Damage("damaged_file", str(broken))) from broken
            if decoded:
                yield decoded
            block = decoder.unused_data if decoder.eof else b""
            if decoder.eof:
                decoder = None
    if decoder is not None:
        raise _DamagedStream(
            Damage("truncated_file", "it ends in the middle of a compressed frame")
        )
