"""Args of stage 1, `main_dataset_create.py`."""

from __future__ import annotations

import itertools
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from src.config.attributes import AttributeArgs, check_attributes
from src.config.executor import ExecutorArgs
from src.config.strict import OutputFolder, Strict

Share = Annotated[float, Field(ge=0.0, le=1.0)]


HUMAN_RATINGS: Any = Field(
    default_factory=dict,
    description="attribute: key of a person's (or the mean of several persons') rating of the row's "
    "text; the audit compares the labels with it, nothing is labelled by it",
)


class FilesSource(Strict):
    """Shards of raw documents in the Pile's format: `{"text", "meta": {"pile_set_name"}}`."""

    kind: Literal["files"] = Field(description="raw documents in local or remote shards")
    path: str = Field(description="folder of the shards: a local path or any fsspec URL")
    pattern: str | None = Field(
        default=None,
        description="which files below it, as a glob; null: all .jsonl, .jsonl.gz, .jsonl.zst, .parquet",
    )
    text_key: str = Field(default="text", description="key of the document's text")
    source_key: str = Field(
        default="meta.pile_set_name", description="key of the source's name, dots go into objects"
    )
    document_id_key: str | None = Field(
        default=None,
        description="key of the id that rows of one document share; default: each row is a document",
    )
    human_ratings: dict[str, str] = HUMAN_RATINGS


class HubSource(Strict):
    """A data set of the Hugging Face hub (or a local folder in its format), streamed."""

    kind: Literal["hub"] = Field(description="a data set of the hub, streamed")
    path: str = Field(description="name on the hub, or a local folder in the hub's format")
    name: str | None = Field(default=None, description="configuration of the data set")
    split: str = Field(default="train", description="split to read")
    revision: str | None = Field(default=None, description="commit, tag or branch to pin")
    text_key: str | None = Field(
        default="text", description="column of raw text; null where sentences_key is used"
    )
    sentences_key: str | None = Field(
        default=None, description="column that holds a document's sentences, already split"
    )
    scores_keys: dict[str, str] = Field(
        default_factory=dict,
        description="attribute: column of its ready scores, one per sentence (needs sentences_key)",
    )
    source_key: str = Field(
        default="meta.pile_set_name",
        description="column of the source's name, dots go into objects",
    )
    document_id_key: str | None = Field(
        default=None,
        description="key of the id that rows of one document share; default: each row is a document",
    )
    human_ratings: dict[str, str] = HUMAN_RATINGS

    @model_validator(mode="after")
    def _text_or_sentences(self) -> HubSource:
        if (self.text_key is None) == (self.sentences_key is None):
            raise ValueError(
                "set exactly one of text_key and sentences_key (the other one to null)"
            )
        if self.scores_keys and self.sentences_key is None:
            raise ValueError("scores_keys are scores of ready sentences: set sentences_key")
        return self


class TokenizerArgs(Strict):
    """The tokenizer that counts tokens here and that the models will use."""

    base: str = Field(description="name on the hub or local folder of the base model's tokenizer")
    folder: str | None = Field(
        default=None,
        description="where scripts/tokenizer_create.py keeps it with its control tokens; "
        "null: the base is loaded and the tokens are added each time",
    )


class ValidationArgs(Strict):
    """The held-out set: whole documents, balanced over the combinations of labels."""

    document_share: Share = Field(description="share of documents held out of training")
    sentences: int = Field(
        gt=0, description="sentences in the validation set, all combinations together"
    )
    min_words: int = Field(default=10, ge=1, description="shortest validation sentence, in words")
    max_words: int = Field(default=16, ge=1, description="longest validation sentence, in words")

    @model_validator(mode="after")
    def _rising(self) -> ValidationArgs:
        if self.min_words > self.max_words:
            raise ValueError(f"min_words {self.min_words} is above max_words {self.max_words}")
        return self


class AuditArgs(Strict):
    """How the labels are audited: `audit.json`, `audit.png`, `hand_check.csv`, and the card's section."""

    sentences: int = Field(
        default=50_000,
        ge=100,
        description="most sentences kept in memory for rank correlations and the agreement with people; "
        "all where there are no more, else a random sample",
    )
    judge_sentences: int = Field(
        default=2000, ge=2, description="sentences that each judge scores, at random"
    )
    hand_check: int = Field(
        default=50,
        ge=0,
        description="sentences for hand_check.csv around each edge (half of them on each side of it), and "
        "as many at random for each attribute",
    )
    resamples: int = Field(
        default=1000, ge=100, description="resamples of the documents behind each 95 % interval"
    )
    human_edges: dict[str, tuple[float, ...]] = Field(
        default_factory=dict,
        description="attribute: its human ratings between neighbouring labels, rising; default for two "
        "labels: [0], the rating's sign",
    )

    @model_validator(mode="after")
    def _enough(self) -> AuditArgs:
        if self.sentences < max(self.judge_sentences, self.hand_check):
            raise ValueError(
                f"audit.sentences {self.sentences} is fewer than judge_sentences "
                f"{self.judge_sentences} or hand_check {self.hand_check}, which are taken from them"
            )
        return self


class DatasetArgs(Strict):
    """Stage 1: raw documents → labelled sentences."""

    output: OutputFolder = Field(description="folder of the finished data set")
    source: FilesSource | HubSource = Field(
        discriminator="kind", description="where documents come from"
    )
    attributes: dict[str, AttributeArgs] = Field(
        min_length=1, description="what sentences are labelled with, in rendering order"
    )
    tokenizer: TokenizerArgs = Field(description="tokenizer that counts the tokens")
    seed: int = Field(default=0, ge=0, description="seed of every random choice")
    sample_fraction: float = Field(
        default=1.0, gt=0.0, le=1.0, description="share of documents used"
    )
    excluded_sources: tuple[str, ...] = Field(default=(), description="names of sources left out")
    cleaning: Literal["paper", "gentle"] = Field(
        default="gentle",
        description="paper: ASCII letters, digits, space ? . ' ! only; gentle: punctuation and accents stay",
    )
    min_words: int = Field(default=10, ge=1, description="shorter sentences are left out, in words")
    context_length: int = Field(
        default=64,
        ge=4,
        description="a sentence with its control tokens and end-of-text must be shorter, in tokens",
    )
    untagged_fraction: Share = Field(
        default=0.01, description="share of sentences trained on without any control token"
    )
    validation: ValidationArgs = Field(description="the held-out, balanced set")
    max_bad_fraction: Share = Field(
        default=0.01, description="share of unreadable documents above which the run stops"
    )
    audit: AuditArgs = Field(default=AuditArgs(), description="how the labels are audited")
    executor: ExecutorArgs = Field(
        default=ExecutorArgs(), description="how the heavy pass is spread"
    )

    @model_validator(mode="after")
    def _fits_together(self) -> DatasetArgs:
        check_attributes(self.attributes)
        if isinstance(self.source, HubSource):
            for name in self.source.scores_keys:
                if name not in self.attributes:
                    raise ValueError(
                        f"source.scores_keys names {name!r}, which is not one of the attributes "
                        f"{list(self.attributes)}"
                    )
        self._check_human_ratings()
        if self.validation.max_words < self.min_words:
            raise ValueError(
                f"validation.max_words {self.validation.max_words} is below min_words {self.min_words}: "
                "no sentence could be chosen"
            )
        return self

    def _check_human_ratings(self) -> None:
        for key, names in (
            ("source.human_ratings", self.source.human_ratings),
            ("audit.human_edges", self.audit.human_edges),
        ):
            for name in names:
                if name not in self.attributes:
                    raise ValueError(
                        f"{key} names {name!r}, which is not one of the attributes "
                        f"{list(self.attributes)}"
                    )
        for name in self.source.human_ratings:
            labels, edges = self.attributes[name].labels, self.human_edges(name)
            if len(edges) != len(labels) - 1 or any(a >= b for a, b in itertools.pairwise(edges)):
                raise ValueError(
                    f"the human ratings of {name} need {len(labels) - 1} rising audit.human_edges.{name} "
                    f"for its labels {list(labels)}, got {list(edges)}"
                )

    def human_edges(self, attribute: str) -> tuple[float, ...]:
        """The ratings that part an attribute's labels; by default their sign."""
        return self.audit.human_edges.get(attribute, (0.0,))
