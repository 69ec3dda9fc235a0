"""Where everything came from: every hash, every version, the args."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from src.evaluation.report.sources import Sources

LONG = ("args", "attributes", "files", "checkpoints", "schema_version", "stage")
"""Parts of a manifest that the page shows on their own, or that a finished run's folder has."""


SHOWN_ELSEWHERE = (
    *("rows", "attributes", "models", "dataset", "scorers", "comparisons", "controllability"),
    *("selected", "sweep"),
)
"""Parts of metrics.json that have a section or a group of their own."""


@dataclass(frozen=True)
class Group:
    """A list of facts under one heading, and what is shown as it stands in the file."""

    title: str
    facts: tuple[tuple[str, str], ...]
    json: str = ""
    json_title: str = ""


def build_provenance(sources: Sources) -> list[Group]:
    """Facts of the evaluation, its files, scorers, models and data set."""
    metrics, facts = sources.metrics, dict(sources.facts)
    args = facts.pop("args", None)
    settings = {k: v for k, v in metrics.items() if k not in SHOWN_ELSEWHERE}
    if "sweep" in metrics:
        kept = ("prompts", "limits", "reference")
        settings["sweep"] = {k: v for k, v in metrics["sweep"].items() if k in kept}
    groups = [
        Group("This evaluation", tuple(_flat({**facts, **settings})), _pretty(args), "args"),
        Group("Its files, sha256", tuple(sources.files.items())),
        Group("Attributes", tuple(_flat(metrics["attributes"]))),
        Group("Scorers", tuple(_flat(metrics["scorers"]))),
    ]
    for name, model in metrics["models"].items():
        trainings = model["trainings"]
        shared = {key: value for key, value in model.items() if key != "trainings"}
        manifests = sources.models.get(name) or [{} for _ in trainings]
        for i, (known, manifest) in enumerate(zip(trainings, manifests, strict=True), 1):
            which = f", training {i} of {len(trainings)}" if len(trainings) > 1 else ""
            groups.append(_of_run(f"Model {name}{which}", {**shared, **known}, manifest))
    groups.append(_of_run("Data set", metrics["dataset"], sources.dataset))
    return groups


def _of_run(title: str, known: Mapping[str, Any], manifest: Mapping[str, Any]) -> Group:
    recorded = {key: value for key, value in manifest.items() if key not in LONG}
    files = {f"sha256 of {n}": f["sha256"] for n, f in manifest.get("files", {}).items()}
    facts = (*_flat({**known, **recorded}), *files.items())
    return Group(title, facts, _pretty(manifest.get("args")), "args")


def _pretty(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) if value else ""


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every leaf of a JSON value as (path, text); lists without objects are one leaf."""
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _flat(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and any(isinstance(one, Mapping) for one in value):
        for i, inner in enumerate(value):
            yield from _flat(inner, f"{path}.{i}")
    else:
        yield path, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
