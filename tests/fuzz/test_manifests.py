"""Whatever stands in a manifest, the next stage reads it, or refuses it with one kind of error."""

from __future__ import annotations

import contextlib
import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.artifacts.manifest import MANIFEST
from src.errors import ProjectError
from src.evaluation.run import evaluate
from src.training.run import train
from tests import builders
from tests.fuzz.strategies import SCALARS, examples, trees
from tests.fuzz.test_args_files import paths_in
from tests.unit.evaluation.conftest import Project
from tests.unit.training.small_data import training_args

KEYS = ["name", "labels", "edges", "fingerprint", "bytes", "sha256", "scorer", "x"]
VALUES = SCALARS | trees(st.sampled_from(KEYS), leaves=4)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Of this file alone: the manifests are overwritten."""
    folder = tmp_path_factory.mktemp("manifests")
    return Project(folder, builders.tiny_gpt2(folder / "gpt2"))


@pytest.fixture(scope="module", params=["dataset", "model"])
def manifest(request: pytest.FixtureRequest, project: Project) -> tuple[Path, Any]:
    file = getattr(project, request.param) / MANIFEST
    return file, json.loads(file.read_text("utf-8"))


@examples(60)
@given(data=st.data())
def test_any_manifest_is_read_or_refused(project, manifest, data):
    """One to three of its values replaced or removed."""
    file, whole = manifest
    tree = copy.deepcopy(whole)
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(paths_in(whole)))
        # An earlier change may have taken the place away.
        with contextlib.suppress(LookupError, TypeError):
            holder = tree
            for key in path[:-1]:
                holder = holder[key]
            if data.draw(st.booleans()):
                holder[path[-1]] = data.draw(VALUES)
            else:
                del holder[path[-1]]
    file.write_text(json.dumps(tree), "utf-8")
    output = project.folder / "new"
    try:
        for stage, args in (
            (evaluate, project.args("new")),
            (train, training_args(output, project.dataset, project.base)),
        ):
            with contextlib.suppress(ProjectError):
                stage(args, dry_run=True)
    finally:
        file.write_text(json.dumps(whole), "utf-8")
    assert not output.exists()
