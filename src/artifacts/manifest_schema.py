"""What each stage's manifest promises to the stages that read it; other facts may stand beside."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

SCHEMA_VERSIONS = {"dataset": 1, "training": 1, "evaluation": 3}
"""Raise a stage's when what it writes changes so that this code cannot read an older folder any more."""


class _Facts(BaseModel):
    model_config = ConfigDict(extra="allow", strict=True)


class _File(_Facts):
    bytes: int
    sha256: str


class _Tokenizer(_Facts):
    fingerprint: str


class _BaseModel(_Facts):
    name: str
    revision: str | None = None
    weights_sha256: str | None = None


class _Origin(_Facts):
    dataset_manifest_sha256: str | None = None


class _Checkpoint(_Facts):
    name: str
    tokens_seen: int | None = None


class _MadeFrom(_Facts):
    manifest_sha256: str


class _Manifest(_Facts):
    args: dict[str, Any]
    files: dict[str, _File]
    attributes: dict[str, dict[str, Any]]


class _DatasetManifest(_Manifest):
    cleaning: str
    context_length: int
    tokenizer: _Tokenizer
    scorers: dict[str, dict[str, Any]]
    judges: dict[str, dict[str, Any]] = Field(default_factory=dict)


class _TrainingManifest(_Manifest):
    condition_on: list[str]
    cleaning: str
    tokenizer: _Tokenizer
    base_model: _BaseModel
    made_from: _Origin
    checkpoints: list[_Checkpoint] = Field(default_factory=list)


class _Model(_Facts):
    trainings: list[_MadeFrom]


class _EvaluationManifest(_Manifest):
    dataset: _MadeFrom
    models: dict[str, _Model]


_SCHEMAS: dict[str, type[_Manifest]] = {
    "dataset": _DatasetManifest,
    "training": _TrainingManifest,
    "evaluation": _EvaluationManifest,
}


def broken_promises(stage: str, content: Any) -> list[str]:
    """What a manifest lacks, or holds in another form, one line each.

    Args:
        stage: whose manifest it is.
        content: of the file, as JSON.
    """
    try:
        _SCHEMAS[stage].model_validate(content)
    except ValidationError as error:
        return [
            f"{'.'.join(map(str, one['loc'])) or 'the whole'}: {one['msg']}"
            for one in error.errors(include_url=False)
        ]
    return []
