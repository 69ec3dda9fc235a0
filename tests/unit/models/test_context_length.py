"""What a config says of a model's positions, under the names that the kinds of models have for them."""

import pytest
import transformers

from src.pretrained.context_length import context_length


@pytest.mark.parametrize(
    "kind,settings,expected",
    [
        ("GPT2", {"n_positions": 77}, 77),
        ("Llama", {"max_position_embeddings": 99}, 99),
        ("Bert", {"max_position_embeddings": 64}, 64),
        ("CTRL", {"n_positions": 55}, 55),
        ("XLNet", {}, None),  # it says -1
        ("Bloom", {}, None),
        ("Mamba", {}, None),
        ("Gemma3", {"text_config": {"max_position_embeddings": 88}}, 88),
    ],
)
def test_positions_are_found_and_none_is_no_limit(kind, settings, expected):
    assert context_length(getattr(transformers, f"{kind}Config")(**settings)) == expected
