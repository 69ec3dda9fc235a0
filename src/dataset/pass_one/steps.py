"""The steps of pass 1 between reading and writing; each does one thing to the stream of records.

Records that an earlier step left out pass through every step untouched.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache

from datatrove.data import Document, DocumentsPipeline
from datatrove.pipeline.base import PipelineStep

from src.attributes.scorer import cached_scorer
from src.config.attributes import ScorerArgs
from src.dataset.records import is_left_out, leave_out, sentence_of
from src.dataset.tally import Tally
from src.models.control_tokens import load_tokenizer
from src.models.token_counts import (
    TokenCounter,
    loses_characters,
    spells_everything,
    tokens_keep_to_words,
)
from src.runtime.randomness import keyed_uniform
from src.text.cleaning import Cleaning, clean
from src.text.splitting import split_sentences

# Sentences that are scored at a time. A neural scorer sorts them by length and cuts them into batches,
# so larger chunks waste less; rounding depends on the batch, and so on where a task's chunks begin.
SCORING_CHUNK = 4096
TOKENIZING_CHUNK = 1024


class SampleDocuments(PipelineStep):
    """Keeps a share of the documents, by their ids; the others are counted and go no further."""

    type, name = "🎲 - SAMPLER", "documents by id"

    def __init__(self, fraction: float, seed: int, tally: Tally) -> None:
        super().__init__()
        self.fraction, self.seed, self.tally = fraction, seed, tally

    def run(
        self, data: DocumentsPipeline, rank: int = 0, world_size: int = 1
    ) -> Iterator[Document]:
        """Drop documents that are not in the sample."""
        for document in data:
            if is_left_out(document) or self._is_chosen(document.metadata["document_id"]):
                yield document
            else:
                self.tally.count_not_sampled()

    def _is_chosen(self, document_id: str) -> bool:
        return keyed_uniform(self.seed, "sample", document_id) < self.fraction


class ChooseSources(PipelineStep):
    """Leaves out the documents of some sources."""

    type, name = "🔻 - FILTER", "sources"

    def __init__(self, excluded_sources: Iterable[str]) -> None:
        super().__init__()
        self.excluded_sources = frozenset(excluded_sources)

    def run(
        self, data: DocumentsPipeline, rank: int = 0, world_size: int = 1
    ) -> Iterator[Document]:
        """Mark documents of the excluded sources."""
        for document in data:
            if not is_left_out(document) and document.metadata["source"] in self.excluded_sources:
                leave_out(document, "excluded_source")
            yield document


class SplitIntoSentences(PipelineStep):
    """Turns a document into its sentences; ready sentences are taken as they are."""

    type, name = "✂️ - SPLITTER", "sentences"

    def __init__(self, tally: Tally) -> None:
        super().__init__()
        self.tally = tally

    def run(
        self, data: DocumentsPipeline, rank: int = 0, world_size: int = 1
    ) -> Iterator[Document]:
        """Yield one record per sentence."""
        for document in data:
            if is_left_out(document):
                yield document
                continue
            with self.track_time():
                ready = document.metadata.get("sentences")
                texts = split_sentences(document.text) if ready is None else ready
            if not texts:
                yield leave_out(document, "empty_text")
                continue
            self.tally.count_split(document, len(texts))
            yield from self._sentences(document, texts)

    def _sentences(self, document: Document, texts: list[str]) -> Iterator[Document]:
        ready_scores = document.metadata.get("ready_scores", {})
        # A rating is of the row's whole text: only where that is one sentence is it the sentence's.
        human = document.metadata.get("human") if len(texts) == 1 else None
        for i, text in enumerate(texts):
            sentence = sentence_of(document, i + 1, text)
            sentence.metadata["scores"] = {name: values[i] for name, values in ready_scores.items()}
            if human is not None:
                sentence.metadata["human"] = human
            yield sentence


class CleanSentences(PipelineStep):
    """Cleans each sentence; leaves out what is empty then."""

    type, name = "🧹 - FORMAT", "cleaning"

    def __init__(self, cleaning: Cleaning) -> None:
        super().__init__()
        self.cleaning: Cleaning = cleaning

    def run(
        self, data: DocumentsPipeline, rank: int = 0, world_size: int = 1
    ) -> Iterator[Document]:
        """Replace each sentence by its cleaned self."""
        for sentence in data:
            if not is_left_out(sentence):
                sentence.text = clean(sentence.text, self.cleaning)
                if not sentence.text or sentence.text.isspace():
                    leave_out(sentence, "empty_after_cleaning")
            yield sentence


class CountWords(PipelineStep):
    """Counts words (between white space); leaves out sentences with fewer than `min_words`."""

    type, name = "🔻 - FILTER", "words"

    def __init__(self, min_words: int) -> None:
        super().__init__()
        self.min_words = min_words

    def run(
        self, data: DocumentsPipeline, rank: int = 0, world_size: int = 1
    ) -> Iterator[Document]:
        """Note the number of words of each sentence, mark the short ones."""
        for sentence in data:
            if not is_left_out(sentence):
                sentence.metadata["n_words"] = len(sentence.text.split())
                if sentence.metadata["n_words"] < self.min_words:
                    leave_out(sentence, "too_short")
            yield sentence


class CountTokens(PipelineStep):
    """Counts tokens; leaves out sentences that the tokenizer cannot spell, or that do not fit the context.

    The paper's rule: control tokens (one per attribute), text and end-of-text must be fewer than
    `context_length`.
    """

    type, name = "🔻 - FILTER", "tokens"

    def __init__(self, tokenizer: str, n_attributes: int, context_length: int) -> None:
        super().__init__()
        self.tokenizer, self.n_attributes = tokenizer, n_attributes
        self.context_length = context_length

    def run(
        self, data: DocumentsPipeline, rank: int = 0, world_size: int = 1
    ) -> Iterator[Document]:
        """Note the number of tokens of each sentence (with end-of-text), mark the long ones."""
        counter, keeps_to_words, spells_all = _counter(self.tokenizer)
        for records, sentences in in_chunks(
            self._known_too_long(data, keeps_to_words), TOKENIZING_CHUNK
        ):
            with self.track_time("chunk"):
                texts = [sentence.text for sentence in sentences]
                # Texts are encoded as plain text, so the tokenizer's control tokens play no part.
                lengths = counter.lengths(texts)
                loses = [False] * len(texts)
                if not spells_all:
                    loses = loses_characters(counter.tokenizer, texts)
            for sentence, length, lost in zip(sentences, lengths, loses, strict=True):
                sentence.metadata["n_tokens"] = length
                if lost:
                    leave_out(sentence, "not_encodable")
                elif self.n_attributes + length >= self.context_length:
                    leave_out(sentence, "too_long")
            yield from records

    def _known_too_long(self, data: Iterable[Document], keeps_to_words: bool) -> Iterator[Document]:
        """Leave out the sentences whose words alone are too many, which is known without counting tokens."""
        longest = self.context_length - self.n_attributes - 2  # in words: end-of-text is a token
        for sentence in data:
            if keeps_to_words and not is_left_out(sentence):
                n_words = sum(map(bool, sentence.text.split(" ")))
                if n_words > longest:
                    leave_out(sentence, "too_long")
            yield sentence


class ScoreSentences(PipelineStep):
    """Scores each sentence for each attribute that has no ready score."""

    type, name = "⚖️ - SCORER", "attributes"

    def __init__(self, scorers: Mapping[str, ScorerArgs]) -> None:
        super().__init__()
        self.scorers = dict(scorers)

    def run(
        self, data: DocumentsPipeline, rank: int = 0, world_size: int = 1
    ) -> Iterator[Document]:
        """Add to each sentence its scores.

        Raises:
            ScorerError: a scorer failed, or gave something else than one finite number per text.
        """
        for records, sentences in in_chunks(data, SCORING_CHUNK):
            texts = [sentence.text for sentence in sentences]
            for name, scorer_args in self.scorers.items():
                with self.track_time("chunk"):
                    scores = cached_scorer(scorer_args).score(texts).tolist()
                for sentence, score in zip(sentences, scores, strict=True):
                    sentence.metadata["scores"][name] = score
            yield from records


def in_chunks(
    data: Iterable[Document], sentences_per_chunk: int
) -> Iterator[tuple[list[Document], list[Document]]]:
    """Cut the stream for steps that work on many sentences at a time.

    Yields:
        (all records of the chunk in order, those of them that are not left out). Records left out are
        small, but there may be many: a chunk also ends after 16 times as many records.
    """
    records: list[Document] = []
    sentences: list[Document] = []
    for record in data:
        records.append(record)
        if not is_left_out(record):
            sentences.append(record)
        if len(sentences) == sentences_per_chunk or len(records) == 16 * sentences_per_chunk:
            yield records, sentences
            records, sentences = [], []
    if records:
        yield records, sentences


@lru_cache(maxsize=1)
def _counter(name: str) -> tuple[TokenCounter, bool, bool]:
    """The tokenizer's counter, whether its tokens keep to words, whether it spells everything."""
    # One per process: datatrove copies the steps for every task.
    tokenizer = load_tokenizer(name)
    return TokenCounter(tokenizer), tokens_keep_to_words(tokenizer), spells_everything(tokenizer)
