"""Whatever an args file or the command line holds, it is used or refused with one kind of error."""

from __future__ import annotations

import contextlib
import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from src.attributes.attribute import attributes_from_args
from src.config.dataset import DatasetArgs
from src.config.evaluation import EvaluationArgs
from src.config.loading import load_args
from src.config.training import TrainingArgs
from src.errors import ArgsError
from tests.fuzz.strategies import HOSTILE, SCALARS, TEXTS, examples, trees

ARGS = Path(__file__).resolve().parents[2] / "args"
MODELS: dict[str, type[BaseModel]] = {
    "dataset": DatasetArgs,
    "train": TrainingArgs,
    "evaluate": EvaluationArgs,
}
STAGES = st.sampled_from(sorted(MODELS))


def merged(stage: str) -> dict[str, Any]:
    """The shipped args of the demo, with what they extend and all defaults, as plain JSON."""
    name = {"dataset": "dataset", "train": "train_toxsen", "evaluate": "evaluate"}[stage]
    name = {"train": "train_demo_toxsen"}.get(stage, f"{name}_demo")
    return json.loads(load_args(MODELS[stage], ARGS / f"args_{name}").model_dump_json())


REAL = {stage: merged(stage) for stage in MODELS}


def paths_in(value: Any, path: tuple = ()) -> list[tuple]:
    items = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    found = [path] if path else []
    for key, inner in items:
        found += paths_in(inner, (*path, key))
    return found  # fmt: skip


YAML = {stage: yaml.safe_dump(value, sort_keys=False) for stage, value in REAL.items()}
PATHS = {stage: paths_in(value) for stage, value in REAL.items()}
KEYS = sorted({str(key) for paths in PATHS.values() for path in paths for key in path})
WORDS = st.sampled_from(KEYS) | TEXTS
TREES = trees(st.sampled_from(KEYS) | st.text(max_size=8))


def use(stage: str, content: bytes | str, folder: Path, overrides: tuple[str, ...] = ()) -> None:
    """Anything but args or an ArgsError of printable lines fails the test."""
    file = folder / "run.yaml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "replace"))
    try:
        args = load_args(MODELS[stage], file, overrides)
    except ArgsError as error:
        str(error).encode("utf-8")
        return
    args.model_dump_json()
    json.dumps(args.model_dump(mode="json"), allow_nan=False)  # what a run folder records


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("args")


@examples(100)
@given(stage=STAGES, content=st.binary(max_size=200) | st.text(max_size=200))
def test_any_bytes(folder, stage, content):
    use(stage, content, folder)


@examples(100)
@given(stage=STAGES, tree=TREES)
def test_any_tree(folder, stage, tree):
    with contextlib.suppress(UnicodeEncodeError):
        use(stage, yaml.safe_dump(tree, allow_unicode=True), folder)


@examples(200)
@given(stage=STAGES, data=st.data())
def test_real_args_with_anything_anywhere(folder, stage, data):
    """One to three places replaced, renamed or removed."""
    tree = copy.deepcopy(REAL[stage])
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(PATHS[stage]))
        holder = tree
        # An earlier change may have taken the place away.
        with contextlib.suppress(LookupError, TypeError, AttributeError):
            for key in path[:-1]:
                holder = holder[key]
            way = data.draw(st.sampled_from(["replace", "rename", "remove", "repeat"]))
            if way == "replace":
                holder[path[-1]] = data.draw(TREES | WORDS | SCALARS)
            elif way == "rename":
                holder[data.draw(WORDS)] = holder.pop(path[-1])
            elif way == "remove":
                del holder[path[-1]]
            else:
                holder[path[-1]] = [holder[path[-1]]] * 2
    use(stage, json.dumps(tree), folder)  # JSON is YAML


@examples(100)
@given(stage=STAGES, data=st.data())
def test_real_files_with_damaged_text(folder, stage, data):
    """As an editor slips, a merge leaves its marks, or a download breaks off."""
    text = YAML[stage]
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = min(len(text), start + data.draw(st.integers(0, 30)))
        text = (
            text[:start] + data.draw(WORDS | st.sampled_from(":-[]{}#&*!|>'\"%@`,?\t")) + text[end:]
        )
    use(stage, text, folder)


@examples(100)
@given(stage=STAGES, key=st.data(), value=SCALARS.map(str) | TREES.map(json.dumps) | TEXTS)
def test_any_override(folder, stage, key, value):
    path = key.draw(st.sampled_from(PATHS[stage]).map(lambda p: ".".join(map(str, p))) | TEXTS)
    use(stage, json.dumps(REAL[stage]), folder, (f"{path}={value}",))


@examples(200)
@given(parents=TREES, own=WORDS)
def test_any_extends(folder, parents, own):
    use("train", json.dumps({"extends": parents, own: 1}), folder)
    use("train", json.dumps({"extends": ["run", own]}), folder)


ATTRIBUTE = {
    "scorer": {"name": "vader"},
    "labels": ["neg", "pos"],
    "edges": [0.0],
    "desired": "pos",
}
ATTRIBUTE_KEYS = [
    *ATTRIBUTE, "quantiles", "exclude_within", "words", "judge", "name", "value", "model", "head"
]  # fmt: skip
SCORER_NAMES = [
    "vader",
    "detoxify",
    "profanity_check",
    "huggingface",
    "os:system",
    "x:y",
    "a",
    ":",
    "src:x",
]


@examples(200)
@given(
    name=st.sampled_from(["mood", "joint", *HOSTILE]),
    changes=st.fixed_dictionaries(
        {},
        optional={
            "scorer": st.fixed_dictionaries({"name": st.sampled_from(SCORER_NAMES)})
            | trees(st.sampled_from(ATTRIBUTE_KEYS)),
            "labels": st.lists(st.sampled_from(["a", "b", "c", *HOSTILE]), max_size=4) | SCALARS,
            "edges": st.lists(st.floats() | st.integers(), max_size=3) | SCALARS,
            "quantiles": st.lists(st.floats() | st.integers(), max_size=3) | SCALARS,
            "desired": st.sampled_from(["a", "b"]) | SCALARS,
            "exclude_within": SCALARS,
            "words": st.dictionaries(st.sampled_from(["a", "b", "x"]), st.lists(TEXTS, max_size=2)) | SCALARS,
            "judge": trees(st.sampled_from(ATTRIBUTE_KEYS)),
        },
    ),
    score=st.floats(allow_nan=False, allow_infinity=False),
)  # fmt: skip
def test_any_definition_of_an_attribute(folder, name, changes, score):
    """One that is taken gives every finite score a label of its own."""
    tree = copy.deepcopy(REAL["dataset"])
    tree["attributes"] = {name: ATTRIBUTE | changes}
    file = folder / "attribute.yaml"
    file.write_text(json.dumps(tree), "utf-8")
    try:
        args = load_args(DatasetArgs, file)
    except ArgsError:
        return
    if args.attributes[name].edges is not None:
        one = attributes_from_args(args.attributes)[name]
        assert one.label_of(score) in one.labels
