"""Loading models: clear errors, missing weights, number formats, hashes."""

import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM
from transformers.activations import NewGELUActivation

from src.errors import UserError
from src.models.language_model import (
    load_language_model,
    model_config,
    parameter_count,
    pick_precision,
    weights_sha256,
)
from tests.builders import tiny_gpt2, tiny_llama, tiny_text_classifier

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return tiny_llama(tmp_path_factory.mktemp("base") / "llama", tied=True)


def test_a_model_is_loaded_in_fp32_for_evaluation(base):
    model = load_language_model(str(base), device=CPU)
    assert not model.training
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert parameter_count(model_config(str(base))) == model.num_parameters()


@pytest.mark.parametrize(
    "name",
    ["{}/none", "assets/no-such-model", "./no-such-model"],
    ids=["absolute", "assets", "dot"],
)
def test_a_missing_folder_is_one_line_with_what_to_do(name, tmp_path):
    with pytest.raises(UserError, match="does not exist") as error:
        model_config(name.format(tmp_path))
    assert "fetch_demo_assets" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(UserError, match="holds no model that can be read"):
        model_config(str(tmp_path))


def test_a_model_of_another_kind_is_refused(tmp_path):
    from transformers import ViTConfig

    ViTConfig().save_pretrained(tmp_path)
    with pytest.raises(UserError, match="not a causal language model; got 'vit'"):
        model_config(str(tmp_path))


def test_weights_that_are_missing_are_an_error_not_random_numbers(base, tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(base, broken)
    weights = load_file(broken / "model.safetensors")
    del weights["model.layers.1.mlp.up_proj.weight"]
    save_file(weights, broken / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UserError, match=r"lacks 1 of its weights.*layers\.1\.mlp\.up_proj"):
        load_language_model(str(broken), device=CPU)


def test_a_classifier_has_no_output_head_and_is_refused(tmp_path):
    folder = tiny_text_classifier(tmp_path / "classifier", ["a", "b"])
    with pytest.raises(UserError, match="lacks"):
        load_language_model(str(folder), device=CPU)


def test_the_hash_follows_the_weights(base, tmp_path):
    assert weights_sha256(str(base)) == weights_sha256(str(base))
    other = tiny_llama(tmp_path / "other", tied=True, seed=1)
    assert weights_sha256(str(other)) != weights_sha256(str(base))
    copied = shutil.copytree(base, tmp_path / "copy")
    assert weights_sha256(str(copied)) == weights_sha256(str(base))


def test_loading_says_nothing(base, capfd):
    load_language_model(str(base), device=CPU)
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "")


def test_precision_is_bf16_only_where_it_is_native(monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    assert pick_precision("auto", CPU) == "bf16"
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_f": True})
    assert pick_precision("auto", CPU) == "fp32"
    assert pick_precision("bf16", CPU) == "bf16", "asked for, it is computed, if slowly"
    with pytest.raises(UserError, match="allowed: auto, fp32, bf16"):
        pick_precision("fp16", CPU)


def test_gpt2_without_a_tied_head_keeps_both_tables(tmp_path):
    folder = tiny_gpt2(tmp_path / "untied", tied=False)
    model = load_language_model(str(folder), device=CPU)
    assert model.lm_head.weight.data_ptr() != model.transformer.wte.weight.data_ptr()


def test_gpt2s_activation_in_one_step_is_the_same_function(tmp_path):
    plain = AutoModelForCausalLM.from_pretrained(tiny_gpt2(tmp_path / "m")).eval()
    ours = load_language_model(str(tmp_path / "m"), device=CPU)
    ids = torch.arange(40).reshape(2, 20)
    assert not any(isinstance(one, NewGELUActivation) for one in ours.modules())
    torch.testing.assert_close(ours(ids).logits, plain(ids).logits, rtol=1e-4, atol=1e-5)
    assert ours.config.activation_function == plain.config.activation_function == "gelu_new"
