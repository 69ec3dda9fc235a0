"""The shipped args of this stage: they load, and they say what the paper says."""

from pathlib import Path

import pytest

from src.config.dataset import DatasetArgs
from src.config.loading import load_args

ARGS = Path(__file__).resolve().parents[3] / "args"


@pytest.mark.parametrize("path", sorted(ARGS.glob("args_dataset_*.yaml")), ids=lambda p: p.stem)
def test_it_loads_and_opens_with_its_command(path):
    load_args(DatasetArgs, path)
    commands = path.read_text().splitlines()[:2]
    assert f"# python main_dataset_create.py args/{path.stem}" in commands


def test_full_is_the_papers_data_set():
    args = load_args(DatasetArgs, ARGS / "args_dataset_full")
    assert args.source.path == "tomekkorbak/pile-detoxify"
    assert args.source.scores_keys == {"toxicity": "scores"}
    assert set(args.excluded_sources) == {
        "Github", "StackExchange", "DM Mathematics", "EuroParl", "PubMed Central", "HackerNews", "FreeLaw",
        "ArXiv",
    }  # fmt: skip
    assert (args.sample_fraction, args.cleaning, args.min_words) == (0.02, "paper", 10)
    assert (args.context_length, args.untagged_fraction) == (64, 0.01)
    assert (args.validation.document_share, args.validation.max_words) == (0.01, 16)
    toxicity, sentiment = args.attributes["toxicity"], args.attributes["sentiment"]
    assert toxicity.edges == (0.001,)
    assert sentiment.edges == (0.0,)
    assert sentiment.labels == ("neg", "pos")
    assert sentiment.exclude_within == 0.0
