"""A published data set and published training runs, small, made without the other two stages."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from src.artifacts.manifest import read_manifest
from src.artifacts.run_folder import Run
from src.attributes.attribute import Attribute, attributes_from_args, to_manifest
from src.attributes.scorer import cached_scorer
from src.config.attributes import AttributeArgs
from src.config.evaluation import EvaluationArgs
from tests import builders
from tests.demo_attributes import BOTH, SENTIMENT, toxicity

LABELS = {"toxicity": toxicity(0.2), "sentiment": SENTIMENT}


def make_attributes(**changes: Any) -> dict[str, Attribute]:
    args = {name: AttributeArgs.model_validate(one) for name, one in (LABELS | changes).items()}
    return attributes_from_args(args)


@pytest.fixture(scope="session")
def attributes() -> dict[str, Attribute]:
    return make_attributes()


def publish_dataset(folder: Path, attributes: dict[str, Attribute], fingerprint: str) -> Path:
    texts = [
        builders.sentence(f"validation/{i}", mood, rude)
        for i in range(16)
        for mood in ("positive", "negative")
        for rude in (True, False)
    ]
    scores = {name: cached_scorer(one.scorer).score(texts) for name, one in attributes.items()}
    labels = {name: attributes[name].labels_of(values) for name, values in scores.items()}
    rows = [
        {
            "id": f"row-{i}",
            "text": text,
            "labels": {name: labels[name][i] for name in attributes},
        }
        for i, text in enumerate(texts)
    ]
    with Run(folder, "dataset", {}) as run:
        pq.write_table(
            pa.Table.from_pylist(rows), run.partial / "validation-00000-of-00001.parquet"
        )
        run.publish(
            attributes=to_manifest(attributes),
            cleaning="gentle",
            context_length=64,
            tokenizer={"fingerprint": fingerprint},
            scorers={
                name: cached_scorer(one.scorer).fingerprint() for name, one in attributes.items()
            },
            judges={
                name: cached_scorer(one.judge.scorer).fingerprint()
                for name, one in attributes.items()
                if one.judge is not None
            },
        )
    return folder


def publish_model(
    folder: Path,
    base: Path,
    attributes: dict[str, Attribute],
    *,
    condition_on: Sequence[str] = ("toxicity", "sentiment"),
    seed: int = 0,
    dataset: Path | None = None,
    loud: float = 1.0,
    checkpoints: Sequence[str] = (),
    measured: Sequence[dict[str, Any]] = (),
    args: Mapping[str, Any] | None = None,
) -> Path:
    """A training run that never trained: a base with rows for the control tokens.

    Args:
        folder: of the run.
        base: of the base model.
        attributes: whose tokens get rows.
        condition_on: as in the args.
        seed: of the rows.
        dataset: named as what it was trained on.
        loud: factor on the control tokens' rows, to make a model wish to write them.
        checkpoints: names of checkpoints beside `final`.
        measured: what the manifest says of each checkpoint: name, loss, control_auc.
        args: of the training run.
    """
    import torch

    from src.models.control_rows import initialise_rows
    from src.models.control_tokens import (
        ban,
        control_ids,
        load_tokenizer,
        tokenizer_fingerprint,
    )
    from src.models.language_model import load_language_model, weights_sha256

    tokenizer = load_tokenizer(str(base), attributes)
    model = load_language_model(str(base), device=torch.device("cpu"))
    initialise_rows(model, tokenizer, attributes, from_words=False, seed=seed)
    ids = control_ids(tokenizer, attributes)
    with torch.no_grad():
        model.get_input_embeddings().weight[ids] *= loud
    ban(model.generation_config, ids)
    with Run(folder, "training", dict(args or {})) as run:
        for name in ("final", *(f"checkpoints/{checkpoint}" for checkpoint in checkpoints)):
            model.save_pretrained(run.partial / name)
            tokenizer.save_pretrained(run.partial / name)
        run.publish(
            attributes=to_manifest(attributes),
            condition_on=list(condition_on),
            seed=seed,
            checkpoints=list(measured),
            cleaning="gentle",
            tokenizer={"fingerprint": tokenizer_fingerprint(tokenizer)},
            base_model={
                "name": str(base),
                "revision": None,
                "weights_sha256": weights_sha256(str(base)),
            },
            made_from={
                "dataset_manifest_sha256": read_manifest(dataset, "dataset").sha256
                if dataset
                else None
            },
        )
    return folder


class Project:
    """Finished inputs of an evaluation, and args over them."""

    def __init__(self, folder: Path, base: Path) -> None:
        from src.models.control_tokens import load_tokenizer, tokenizer_fingerprint

        self.folder, self.base, self.attributes = folder, base, make_attributes()
        tokenizer = load_tokenizer(str(base), self.attributes)
        self.fingerprint = tokenizer_fingerprint(tokenizer)
        self.dataset = publish_dataset(folder / "data", self.attributes, self.fingerprint)
        self.model = self.publish("model")

    def publish(self, name: str, **changes: Any) -> Path:
        settings = {"dataset": self.dataset} | changes
        return publish_model(self.folder / name, self.base, self.attributes, **settings)

    def args(self, output: str = "results", **changes: Any) -> EvaluationArgs:
        content = {
            "output": self.folder / output,
            "dataset": self.dataset,
            "models": {"M-TS": {"path": self.model, "conditions": [{}, BOTH]}},
            "prompts": [{"kind": "unprompted", "count": 5}, {"kind": "validation", "count": 4}],
            "decodings": {
                "sample": {"max_length": 8},
                "contrast": {"max_length": 8, "contrast_weights": {"toxicity": 2, "sentiment": 1}},
            },
            "batch_size": 4,
            "device": "cpu",
        }
        return EvaluationArgs.model_validate(content | changes)


@pytest.fixture(scope="session")
def bases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("bases")
    return {
        "gpt2": builders.tiny_gpt2(folder / "gpt2"),
        "llama": builders.tiny_llama(folder / "llama"),
    }


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory, bases: dict[str, Path]) -> Project:
    """Shared: tests give every output a name of its own and change no input."""
    return Project(tmp_path_factory.mktemp("project"), bases["gpt2"])


@pytest.fixture
def own_project(tmp_path: Path, bases: dict[str, Path]) -> Project:
    """For tests that spoil their inputs."""
    return Project(tmp_path, bases["gpt2"])


@pytest.fixture
def problems_of(project: Project) -> Callable[[EvaluationArgs], str]:
    """What is said against args; empty where nothing is wrong."""
    from src.errors import ProjectError
    from src.evaluation.plan.inputs import find_inputs

    def find(args: EvaluationArgs) -> str:
        try:
            find_inputs(args, hash_files=True)
        except ProjectError as error:
            return str(error)
        return ""

    return find
