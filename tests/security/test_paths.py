"""Names from args, data and manifests never lead out of the run's folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from src.artifacts.manifest import check_files, read_manifest
from src.artifacts.run_folder import Run
from src.config.dataset import DatasetArgs
from src.config.evaluation import EvaluationArgs
from src.config.loading import load_args
from src.errors import ArgsError, ArtifactError, ProjectError, UserError
from tests.builders import MANIFEST_FACTS

ARGS = Path(__file__).resolve().parents[2] / "args"
HOSTILE = [
    "../x", "..", ".", "/tmp/x", "a/b", "a\\b", "a\x00b", "a\nb", "", " ", ".hidden", "-rf", "é", "😀",
    "a" * 5000,
    "CON", "nul.txt", "a.", "a ", "$(touch x)", "`x`", "a;b", "a|b", "*", "~",
]  # fmt: skip


def refuses(stage: type, base: str, override: str) -> None:
    with pytest.raises(ArgsError):
        load_args(stage, ARGS / base, [override])


@pytest.mark.parametrize("name", HOSTILE)
def test_names_that_become_folders_or_tokens(name):
    text = json.dumps({name: {"path": "models/x"}})
    refuses(EvaluationArgs, "args_evaluate_demo", f"models={text}")
    if name not in ("CON", "nul.txt", "a."):  # an attribute is never a folder
        vader = {"scorer": {"name": "vader"}, "labels": ["x", "y"], "edges": [0], "desired": "x"}
        refuses(DatasetArgs, "args_dataset_demo", f"attributes={json.dumps({name: vader})}")
        labelled = vader | {"labels": [name, "y"], "desired": "y"}
        refuses(DatasetArgs, "args_dataset_demo", f"attributes={json.dumps({'a': labelled})}")


def test_names_that_one_file_system_takes_for_one():
    models = {"M-A": {"path": "models/x"}, "m-a": {"path": "models/y"}}
    refuses(EvaluationArgs, "args_evaluate_demo", f"models={json.dumps(models)}")


@pytest.mark.parametrize("output", ["", ".", "..", "/", "a/..", "a\x00b"])
def test_an_output_that_is_no_folder_of_its_own(tmp_path, monkeypatch, output):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="cannot be a run's folder"):
        Run(Path(output), "dataset", {})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("output", [".", "..", "/", "a/..", "a\x00b"])
def test_an_output_that_is_no_folder_of_its_own_is_an_error_in_the_args(output):
    refuses(DatasetArgs, "args_dataset_demo", f"output={json.dumps(output)}")


def test_an_output_whose_name_is_too_long(tmp_path):
    with (
        pytest.raises(ProjectError, match="cannot be written"),
        Run(tmp_path / ("a" * 300), "dataset", {}),
    ):
        pass  # fmt: skip


@pytest.mark.parametrize("name", ["../secret", "/etc/hostname", "a/../../secret"])
def test_a_manifest_cannot_point_outside(tmp_path, name):
    folder = tmp_path / "run"
    (folder / "a").mkdir(parents=True)
    (tmp_path / "secret").write_text("x")
    files = {name: {"bytes": 1, "sha256": "0" * 64}}
    content = {
        "schema_version": 1,
        "stage": "dataset",
        "args": {},
        "files": files,
        **MANIFEST_FACTS,
    }
    (folder / "manifest.json").write_text(json.dumps(content))
    with pytest.raises(ArtifactError, match="outside of the folder"):
        read_manifest(folder, "dataset")
    unverified = read_manifest(folder, "dataset", verify=False)
    with pytest.raises(ArtifactError, match="outside of the folder"):
        check_files(unverified, name.split("/")[0], hash_files=False)


@pytest.mark.parametrize("content", ["", "[]", "null", "{}", '{"schema_version": 1}', "[" * 5000, '"x"',
    '{"schema_version": 1, "stage": "dataset", "files": []}',
    '{"schema_version": 1, "stage": "dataset", "files": {"a": 1}}',
    '{"schema_version": 1, "stage": "dataset", "args": {}, "files": {}, "attributes": {}}',
])  # fmt: skip
def test_a_broken_manifest_is_one_clear_line(tmp_path, content):
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(ArtifactError, match="cannot be read"):
        read_manifest(tmp_path, "dataset")
