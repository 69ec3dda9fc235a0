"""The demo's sentences, in an order that mixes their sources."""

from __future__ import annotations

import io
import json
from pathlib import Path

from src.runtime.randomness import keyed_hash


def corpus_texts(folder: Path) -> list[str]:
    """The texts of all shards (JSONL, zstandard), shuffled by a hash: the same on every machine."""
    import zstandard

    texts = []
    for path in sorted(folder.glob("*.jsonl.zst")):
        with path.open("rb") as file:
            stream = zstandard.ZstdDecompressor().stream_reader(file)
            texts += [json.loads(line)["text"] for line in io.TextIOWrapper(stream, "utf-8")]
    return sorted(texts, key=lambda text: keyed_hash(0, "benchmark", text))
