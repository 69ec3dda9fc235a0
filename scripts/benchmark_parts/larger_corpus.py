"""The demo's corpus several times over: enough work for a measurement, in the same mixture."""

from __future__ import annotations

import io
import json
from pathlib import Path


def write_copies(corpus: Path, folder: Path, times: int) -> Path:
    """Every shard `times` times, each copy with document ids of its own.

    Args:
        corpus: shards (JSONL, zstandard).
        folder: where the copies go; made anew.
        times: copies of each shard.

    Returns:
        The folder.
    """
    import zstandard

    folder.mkdir(parents=True)
    for path in sorted(corpus.glob("*.jsonl.zst")):
        with path.open("rb") as file:
            stream = zstandard.ZstdDecompressor().stream_reader(file)
            rows = [json.loads(line) for line in io.TextIOWrapper(stream, "utf-8")]
        for copy in range(times):
            lines = []
            for row in rows:
                meta = {**row["meta"], "document_id": f"{copy}/{row['meta']['document_id']}"}
                lines.append(json.dumps({**row, "meta": meta}, ensure_ascii=False))
            data = zstandard.ZstdCompressor().compress(("\n".join(lines) + "\n").encode())
            (folder / f"{copy:03d}-{path.name}").write_bytes(data)
    return folder
