"""The demo's sentences: Hutto & Gilbert's (2014) rated snippets, as shards in the Pile's format.

One row is one rated snippet, so that each human rating stays with its text; `meta.document_id`
names the text it was cut from, so that training and validation can be split by document.
"""

from __future__ import annotations

import html
import io
import json
import logging
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from src.errors import DataError

log = logging.getLogger(__name__)

RATINGS_MEMBER = "vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz"
# By the `pile_set_name` that the rows get.
DOMAINS = {
    "Tweets": "hutto_ICWSM_2014/tweets_GroundTruth.txt",
    "MovieReviews": "hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.txt",
    "EditorialArticles": "hutto_ICWSM_2014/nytEditorialSnippets_GroundTruth.txt",
    "ProductReviews": "hutto_ICWSM_2014/amazonReviewSnippets_GroundTruth.txt",
}
SHARDS_PER_DOMAIN = 2  # so that several tasks of the data pipeline have work
LOWEST_RATING, HIGHEST_RATING = -4.0, 4.0  # Hutto & Gilbert (2014): extremely negative … positive


@dataclass(frozen=True)
class Snippet:
    """One rated snippet: mostly one sentence, sometimes two or three.

    Attributes:
        snippet_id: `domain/id`, unique in the corpus.
        document_id: `domain/id` of the text it was cut from; its own where that is unknown.
        human_sentiment: mean of at least 20 raters, from −4 to 4.
    """

    domain: str
    snippet_id: str
    document_id: str
    text: str
    human_sentiment: float

    def pile_row(self) -> dict[str, Any]:
        """The row in the Pile's format."""
        meta = {
            "pile_set_name": self.domain,
            "document_id": self.document_id,
            "snippet_id": self.snippet_id,
            "human_sentiment": self.human_sentiment,
        }
        return {"text": self.text, "meta": meta}


def parse_ratings(raw: bytes, domain: str) -> list[Snippet]:
    """Read a ground-truth file: `id TAB mean rating TAB text` in each line, UTF-8.

    Editorials and product reviews have ids like `63_5`: document 63, snippet 5. Tweets and snippets
    of movie reviews are numbered through, so each is a document of its own. The texts were taken
    from web pages with their HTML escapes (`&amp;`), which are undone here.

    Raises:
        DataError: a line is not as described. The archive is pinned by its hash, so a bad line
            means that it is read wrongly: nothing is skipped.
    """
    snippets: dict[str, Snippet] = {}
    for number, line in enumerate(raw.split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            snippet = _parse_line(line.decode("utf-8"), domain)
        except ValueError as error:
            raise DataError(f"{domain}, line {number}: {error}", got=line[:80]) from error
        if snippet.snippet_id in snippets:
            raise DataError(f"{domain}, line {number}: the id is there twice", got=line[:80])
        snippets[snippet.snippet_id] = snippet
    if not snippets:
        raise DataError(f"{domain}: the file holds no line")
    return list(snippets.values())


def _parse_line(line: str, domain: str) -> Snippet:
    fields = line.split("\t")
    if len(fields) != 3:
        raise ValueError(f"{len(fields)} fields instead of id, mean rating and text, tabs between")
    identifier, rating, text = fields[0], fields[1], html.unescape(fields[2]).strip()
    if not identifier or not text:
        raise ValueError("an empty id or text")
    human_sentiment = float(rating)
    if not LOWEST_RATING <= human_sentiment <= HIGHEST_RATING:  # false for NaN, too
        raise ValueError(f"a rating outside {LOWEST_RATING} to {HIGHEST_RATING}")
    document = identifier.partition("_")[0]
    return Snippet(domain, f"{domain}/{identifier}", f"{domain}/{document}", text, human_sentiment)


def into_shards(snippets: Sequence[Snippet], n_shards: int) -> list[list[Snippet]]:
    """Cut into shards of about equal size, in order, with every document whole in one of them."""
    by_document: dict[str, list[Snippet]] = {}
    for snippet in snippets:
        by_document.setdefault(snippet.document_id, []).append(snippet)
    shards: list[list[Snippet]] = [[] for _ in range(n_shards)]
    placed = 0
    for document in by_document.values():
        shards[placed * n_shards // len(snippets)].extend(document)
        placed += len(document)
    return shards


def write_corpus(archive: Path, folder: Path) -> dict[str, dict[str, Any]]:
    """Write the shards `<domain>-NNNNN.jsonl.zst`.

    Returns:
        Per domain: counts of documents, snippets and words, and the mean rating.
    """
    import zstandard

    folder.mkdir()
    counts = {}
    with tarfile.open(archive) as outer:
        inner = io.BytesIO(read_member(outer, RATINGS_MEMBER))
    with tarfile.open(fileobj=inner) as ratings:
        for domain, member in DOMAINS.items():
            snippets = parse_ratings(read_member(ratings, member), domain)
            for number, shard in enumerate(into_shards(snippets, SHARDS_PER_DOMAIN)):
                rows = (json.dumps(s.pile_row(), ensure_ascii=False) + "\n" for s in shard)
                packed = zstandard.ZstdCompressor(level=10).compress("".join(rows).encode())
                (folder / f"{domain}-{number:05d}.jsonl.zst").write_bytes(packed)
            counts[domain] = describe(snippets)
            log.info("%s: %s", domain, ", ".join(f"{k} {v}" for k, v in counts[domain].items()))
    return counts


def describe(snippets: Sequence[Snippet]) -> dict[str, Any]:
    """What the manifest says of a domain."""
    return {
        "documents": len({s.document_id for s in snippets}),
        "snippets": len(snippets),
        "words": sum(len(s.text.split()) for s in snippets),
        "mean_human_sentiment": round(sum(s.human_sentiment for s in snippets) / len(snippets), 4),
    }


def read_member(archive: tarfile.TarFile, name: str) -> bytes:
    """The content of one member.

    Members are read by their exact names and never unpacked, so no path in an archive can do harm.

    Raises:
        DataError: there is no such file in the archive.
    """
    try:
        handle = archive.extractfile(name)
    except KeyError:
        handle = None
    if handle is None:
        raise DataError("the archive lacks a file", got=name)
    return handle.read()
