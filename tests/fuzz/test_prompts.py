"""Whatever a file of prompts holds, each line is a prompt that a model can be given, or one clear error."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.attributes.attribute import from_manifest
from src.config.prompts import FilePrompts
from src.errors import UserError
from src.evaluation.plan.prompts import Prompt, load_prompts
from src.models.control_tokens import control_ids, encode_prompt, load_tokenizer
from tests.builders import tiny_tokenizer
from tests.demo_attributes import BOTH, SENTIMENT, toxicity
from tests.fuzz.strategies import TEXTS, examples, trees

ATTRIBUTES = from_manifest({"toxicity": toxicity(0.2), "sentiment": SENTIMENT})
KEYS = st.sampled_from(["prompt", "text", "prompt.text", "continuation", ""])
LINES = st.one_of(
    TEXTS,
    trees(KEYS, leaves=4).map(json.dumps),
    TEXTS.map(lambda text: json.dumps({"prompt": {"text": text}})),
    st.sampled_from(
        ['{"prompt": {"text": "\\ud800"}}', '{"prompt": {"text": "\\ud83d\\ude00"}}', "[" * 3000]
    ),
    st.integers(0, 10**3).map(lambda n: '{"prompt": {"text": "a", "n": ' + "9" * (n + 4000) + "}}"),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("prompts")


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    return load_tokenizer(str(tiny_tokenizer(tmp_path_factory.mktemp("tokenizer"))), ATTRIBUTES)


def load(folder: Path, name: str, content: bytes) -> list[Prompt]:
    (folder / name).write_bytes(content)
    source = FilePrompts(kind="file", path=folder / name)
    try:
        return load_prompts(source, folder, ATTRIBUTES, 0)
    except UserError:
        return []


def check(tokenizer, prompts: list[Prompt]) -> None:
    """A prompt reaches the model as it is, and none of its words becomes a control token."""
    assert len({prompt.id for prompt in prompts}) == len(prompts)
    tokens = set(control_ids(tokenizer, ATTRIBUTES))
    for prompt in prompts:
        prompt.text.encode("utf-8")
        ids = encode_prompt(tokenizer, prompt.text, {}, ATTRIBUTES, "after_prompt")
        assert not tokens & set(ids)
        asked = encode_prompt(tokenizer, prompt.text, BOTH, ATTRIBUTES, "after_prompt")
        assert len(asked) == len(ids) + 2


@examples(100)
@given(st.binary(max_size=120), st.sampled_from(["a.txt", "a.jsonl"]))
def test_any_bytes(folder, tokenizer, content, name):
    check(tokenizer, load(folder, name, content))


@examples(200)
@given(st.lists(LINES, max_size=6))
def test_any_lines_of_text(folder, tokenizer, lines):
    content = "\n".join(lines)
    prompts = load(folder, "a.txt", content.encode())
    check(tokenizer, prompts)
    lines = content.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    assert [prompt.text for prompt in prompts] == [line for line in lines if line.strip()]


@examples(200)
@given(st.lists(LINES, max_size=4))
def test_any_lines_of_json(folder, tokenizer, lines):
    check(tokenizer, load(folder, "a.jsonl", "\n".join(lines).encode()))
