"""Models that keep other things than keys and values, or that ignore padding: trained, and asked to write."""

import json

import pyarrow.parquet as pq
import pytest
from transformers import AutoModelForCausalLM

from src.config.dataset import DatasetArgs
from src.config.evaluation import EvaluationArgs
from src.config.loading import load_args
from src.config.training import TrainingArgs
from src.dataset.pipeline import create_dataset
from src.errors import UserError
from src.evaluation.run import evaluate
from src.training.run import train
from tests.builders import build_tokenizer
from tests.e2e.project import Project
from tests.unit.models.test_decoding import LOOKS_AHEAD, WRITES, model_of

BOTH = {"toxicity": "nontoxic", "sentiment": "pos"}
KINDS = ("Lfm2", "Jamba", "Bamba", "RecurrentGemma", "OpenAIGPT", "Mamba", "Rwkv", "Bart")


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    made = Project(tmp_path_factory.mktemp("project"))
    create_dataset(load_args(DatasetArgs, str(made.dataset_args()), []))
    return made


def base_of(kind, settings, folder):
    tokenizer = build_tokenizer()
    model = model_of(kind, settings | {"vocab_size": len(tokenizer)})
    assert type(model) is type(AutoModelForCausalLM.from_config(model.config))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def training(project, name, base):
    short = {"learning_rate": 1e-3, "batch_sentences": 8, "max_steps": 2}
    args = project.train_args(
        name, list(BOTH), model={"name": str(base)}, optimisation=short, checkpoints={}
    )
    return load_args(TrainingArgs, str(args), [])


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_trained_writes(project, tmp_path, kind):
    settings = WRITES[kind]
    if "n_positions" in settings:
        settings = settings | {"n_positions": 128}
    train(training(project, kind, base_of(kind, settings, tmp_path / "base")))
    models = {"M": {"path": str(project.folder / kind), "conditions": [{}, BOTH]}}
    args = project.evaluate_args(f"results-{kind}", models)
    evaluate(load_args(EvaluationArgs, str(args), []))
    results = project.folder / f"results-{kind}"
    written = pq.read_table(results / "generations.parquet").to_pylist()
    assert len(written) == 3 * (12 + 8)  # nothing asked; both asked, by sampling and contrast
    assert sum(one["n_tokens"] > 0 for one in written) > 50
    rows = json.loads((results / "metrics.json").read_text())["rows"]
    assert all(row["perplexity"] > 1 for row in rows if row["perplexity"] is not None)


@pytest.mark.parametrize("kind", LOOKS_AHEAD)
def test_what_could_not_write_is_refused_before_it_is_trained(project, tmp_path, kind):
    settings = LOOKS_AHEAD[kind]
    if "max_position_embeddings" in settings:
        settings = settings | {"max_position_embeddings": 128}
    with pytest.raises(UserError, match="looks ahead"):
        train(training(project, f"refused-{kind}", base_of(kind, settings, tmp_path / "base")))
    assert not (project.folder / f"refused-{kind}").exists()
