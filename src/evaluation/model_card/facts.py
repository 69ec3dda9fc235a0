"""What a model card says of training, data and provenance: from the manifests, nothing invented.

Imports neither torch nor transformers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from src.artifacts.manifest import Manifest
from src.published.trained_model import checkpoint_folder

Fact = tuple[str, Any]


def training_facts(model: Manifest) -> list[Fact]:
    """How the model was trained; a value that was not recorded is None."""
    base, args = model["base_model"], model.get("args", {})
    facts: list[Fact] = [
        ("base model", base["name"]),
        ("revision", base.get("revision")),
        ("trained with the tokens of", ", ".join(model["condition_on"]) or "no attribute"),
        ("sentences", model.get("sentences")),
        ("tokens", model.get("tokens_trained")),
        ("steps", model.get("steps")),
        ("precision", model.get("precision")),
        ("seed", model.get("seed")),
    ]
    return facts + list(args.get("optimisation", {}).items())


def data_facts(model: Manifest, dataset: Manifest) -> list[Fact]:
    """What it was trained on; counts only where the data set here is that one."""
    made_from = model["made_from"]
    facts: list[Fact] = [
        ("data set", made_from.get("dataset")),
        ("its manifest's sha256", made_from.get("dataset_manifest_sha256")),
        ("cleaning", model.get("cleaning")),
    ]
    if dataset.sha256 != made_from.get("dataset_manifest_sha256"):
        return [*facts, ("evaluated with another data set", str(dataset.folder))]
    rows, tokens = dataset.get("rows", {}), dataset.get("tokens", {})
    source, counts = dataset.get("made_from", {}), dataset.get("counts", {})
    return [
        *facts,
        ("made from", source.get("path")),
        ("documents read", counts.get("documents", {}).get("read")),
        *((f"{split} sentences", n) for split, n in rows.items()),
        *((f"{split} tokens", n) for split, n in tokens.items()),
    ]


def provenance_facts(
    facts: Mapping[str, Any], model: Manifest, metrics: Mapping[str, Any]
) -> list[Fact]:
    """The hashes and versions that tell this model from any other.

    Args:
        facts: of the model in metrics.json.
        model: manifest of its training run.
        metrics: content of metrics.json.
    """
    prefix = f"{checkpoint_folder(facts['checkpoint'])}/"
    files = [
        (f"sha256 of {name}", one["sha256"])
        for name, one in model["files"].items()
        if name.startswith(prefix)
    ]
    packages = ", ".join(f"{name} {version}" for name, version in model.get("packages", {}).items())
    return [
        ("training run", facts["path"]),
        ("its manifest's sha256", facts["manifest_sha256"]),
        ("checkpoint", facts["checkpoint"]),
        *files,
        ("sha256 of the base model's weights", model["base_model"].get("weights_sha256")),
        ("tokenizer's fingerprint", model["tokenizer"]["fingerprint"]),
        ("data set's manifest's sha256", model["made_from"].get("dataset_manifest_sha256")),
        ("sha256 of the reference model's weights", metrics["reference"].get("weights_sha256")),
        ("commit of the training code", model.get("git_commit")),
        ("packages of the training", packages or None),
    ]
