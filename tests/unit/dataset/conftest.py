"""A tokenizer, raw documents and args for the tests of the data set stage."""

import pytest

from src.config.dataset import DatasetArgs
from tests.builders import pile_jsonl, tiny_tokenizer
from tests.demo_attributes import SENTIMENT, toxicity


@pytest.fixture(scope="session")
def tokenizer_folder(tmp_path_factory):
    return tiny_tokenizer(tmp_path_factory.mktemp("tokenizer"))


@pytest.fixture(scope="session")
def documents(tmp_path_factory):
    """A folder with 300 documents in three shards: .jsonl, .jsonl.gz, .jsonl.zst."""
    folder = tmp_path_factory.mktemp("documents")
    pile_jsonl(folder, 300)
    return folder


@pytest.fixture
def make_args(tmp_path, documents, tokenizer_folder):
    """Builds args for a small run; keyword arguments replace whole keys, `a__b` one inside `a`."""

    def make(**changes):
        value = {
            "output": str(tmp_path / "run"),
            "source": {"kind": "files", "path": str(documents)},
            "attributes": {
                "toxicity": toxicity(0.3),
                "sentiment": {
                    **SENTIMENT,
                    "exclude_within": 1e-9,
                },
            },
            "tokenizer": {"base": str(tokenizer_folder)},
            "excluded_sources": ["Github"],
            "cleaning": "gentle",
            "min_words": 6,
            "context_length": 64,
            "untagged_fraction": 0.05,
            "validation": {
                "document_share": 0.3,
                "sentences": 40,
                "min_words": 6,
                "max_words": 20,
            },
        }
        for key, change in changes.items():
            outer, _, inner = key.partition("__")
            if inner:
                value.setdefault(outer, {})[inner] = change
            else:
                value[outer] = change
        return DatasetArgs.model_validate(value)

    return make
