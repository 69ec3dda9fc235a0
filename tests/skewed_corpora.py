"""Three corpora with few documents of the wanted pair, nontoxic and positive, each a part of another corpus.

    python tests/skewed_corpora.py assets/demo_corpus folder_for_three

A rule keeps a share of the documents of each kind, by a keyed hash of the document's id: the same ones on any
machine. What kind a document is, the demo's own scorers say of its whole text.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson
import zstandard

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from src.attributes.profanity_check_scorer import ProfanityCheckScorer
from src.attributes.vader_scorer import VaderScorer
from src.runtime.randomness import keyed_uniform

TOXIC_ABOVE, POSITIVE_ABOVE = 0.12, 0.0  # the edges of args_dataset_steer
Kind = tuple[bool, bool]
"""(toxic, positive)"""

# rule → the share kept of each kind of documents; what is not named is kept.
RULES: dict[str, dict[Kind, float]] = {
    "wanted_rare": {(False, True): 0.03},
    "complaints": {(False, True): 0.06, (True, True): 0.5},
    "rude": {(False, True): 0.02, (False, False): 0.3},
}


def kinds_of(texts: Sequence[str]) -> list[Kind]:
    """The kind of each document."""
    toxicity = ProfanityCheckScorer(ProfanityCheckScorer.Options()).score(texts)
    sentiment = VaderScorer(VaderScorer.Options(value="pos_minus_neg")).score(texts)
    return [(t > TOXIC_ABOVE, s > POSITIVE_ABOVE) for t, s in zip(toxicity, sentiment, strict=True)]


def kept(rule: str, document_id: str, kind: Kind) -> bool:
    """Whether a rule keeps a document of this kind."""
    return keyed_uniform(0, rule, document_id) < RULES[rule].get(kind, 1.0)


def documents_below(folder: Path) -> Iterator[dict[str, Any]]:
    """The documents of a corpus of `*.jsonl.zst`."""
    for path in sorted(folder.glob("*.jsonl.zst")):
        with zstandard.open(path, "rt", encoding="utf-8") as lines:
            yield from map(orjson.loads, lines)


def main(corpus: Path, target: Path) -> None:
    """Write the three corpora, each one file in a folder of its rule's name."""
    documents = list(documents_below(corpus))
    kinds = kinds_of([document["text"] for document in documents])
    for rule in RULES:
        folder = target / rule
        folder.mkdir(parents=True)
        found = zip(documents, kinds, strict=True)
        lines = [orjson.dumps(d) for d, kind in found if kept(rule, d["meta"]["document_id"], kind)]
        (folder / "part.jsonl").write_bytes(b"\n".join(lines) + b"\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
