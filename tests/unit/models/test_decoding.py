"""Every kind of causal model: what a batch gives is what its rows give alone, or the model is refused."""

import logging

import pytest
import torch
import transformers
from transformers import AutoModelForCausalLM

from src.errors import UserError
from src.models.decoding import BATCHINGS, GrowingBatch, check_reads, find_batching

SHAPE = {"vocab_size": 300, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
HEADS = SHAPE | {"num_attention_heads": 4, "num_key_value_heads": 2}
MAMBA = HEADS | {"mamba_n_heads": 8, "mamba_d_head": 8, "mamba_n_groups": 1, "mamba_d_state": 8}
OLD = {"vocab_size": 300, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64}
BART = {"vocab_size": 300, "d_model": 32, "decoder_layers": 2, "decoder_attention_heads": 4}
BERT = SHAPE | {"num_attention_heads": 4, "max_position_embeddings": 64}
LINEAR = {"linear_num_key_heads": 2, "linear_num_value_heads": 4, "linear_key_head_dim": 8}
XLNET = {"vocab_size": 300, "d_model": 32, "n_layer": 2, "n_head": 4, "d_inner": 64, "d_head": 8}
WRITES = {
    "GPT2": OLD,
    "OpenAIGPT": OLD,
    "CTRL": {"vocab_size": 300, "n_embd": 32, "n_layer": 2, "n_head": 4, "dff": 64},
    "Bloom": {"vocab_size": 300, "hidden_size": 32, "n_layer": 2, "n_head": 4},
    "Llama": HEADS,
    "Gemma3Text": HEADS | {"head_dim": 8, "sliding_window": 8},
    "Qwen3_5Text": HEADS | LINEAR | {"linear_value_head_dim": 8, "head_dim": 8},
    "Lfm2": HEADS | {"layer_types": ["conv", "full_attention"]},
    "Mamba": {"vocab_size": 300, "hidden_size": 32, "num_hidden_layers": 2, "state_size": 8},
    "Bamba": MAMBA | {"attn_layer_indices": [1]},
    "GraniteMoeHybrid": MAMBA | {"layer_types": ["mamba", "attention"], "num_local_experts": 2},
    "FalconH1": MAMBA | {"mamba_d_ssm": 64},
    "Jamba": HEADS
    | {"attn_layer_period": 2, "attn_layer_offset": 1, "use_mamba_kernels": False, "num_experts": 2},
    "RecurrentGemma": HEADS | {"lru_width": 32, "attention_window_size": 16, "head_dim": 8},
    "MiniMax": HEADS | {"head_dim": 8, "num_local_experts": 2},
    "Rwkv": {"vocab_size": 300, "hidden_size": 32, "num_hidden_layers": 2},
    "Bart": BART,
    "Roberta": BERT | {"is_decoder": True},
}  # fmt: skip
UNPADDED = {"Mamba", "RecurrentGemma", "Rwkv", "Bart", "Roberta"}
LOOKS_AHEAD = {"Bert": BERT, "Roberta": BERT, "XLNet": XLNET}


def model_of(kind, settings):
    config = getattr(transformers, f"{kind}Config")(**settings)
    for name in ("pad_token_id", "bos_token_id", "eos_token_id"):
        if isinstance(getattr(config, name, None), int):
            setattr(config, name, getattr(config, name) % 300)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(config, attn_implementation="eager")
        for weight in model.parameters():
            if weight.dim() > 1:  # weights as they start give nearly the same to every token
                weight.data.mul_(3)
    return model.eval()


@pytest.mark.parametrize("kind", WRITES)
def test_greedy_texts_of_a_batch_are_those_of_the_rows_alone(kind):
    model = model_of(kind, WRITES[kind])
    batching = find_batching(model, kind)
    assert batching.padded == (kind not in UNPADDED)
    generator = torch.Generator().manual_seed(1)
    lengths = (2, 9, 5, 14) if batching.padded else (7,) * 4
    rows = [torch.randint(10, 300, (n,), generator=generator).tolist() for n in lengths]
    with torch.inference_mode():
        batch = GrowingBatch(model, rows, 5, batching)
        expected, left = [list(row) for row in rows], [0, 1, 2, 3]
        for step in range(8):
            for leaves_at, row in ((3, 1), (5, 0)):
                if step == leaves_at and batching.shrinks:
                    batch.keep(torch.tensor([i for i, one in enumerate(left) if one != row]))
                    left.remove(row)
            batch.append(batch.next_logits().argmax(-1))
            for i in left:
                ids = torch.tensor([expected[i]])
                alone = model(ids, attention_mask=torch.ones_like(ids), use_cache=False).logits
                expected[i].append(int(alone[0, -1].argmax()))
    for row, i in zip(batch.ids.tolist(), left, strict=True):
        assert row[-len(expected[i]) :] == expected[i]


@pytest.mark.parametrize("kind", LOOKS_AHEAD)
def test_a_model_that_looks_ahead_is_refused(kind):
    model = model_of(kind, LOOKS_AHEAD[kind])
    for check in (find_batching, check_reads):
        with pytest.raises(UserError, match=f"'my/{kind}' looks ahead"):
            check(model, f"my/{kind}")


def test_a_model_whose_batches_mix_their_rows_is_refused():
    model = model_of("GPT2", OLD)
    model.transformer.ln_f.register_forward_hook(lambda _, __, out: out + out.mean(0, keepdim=True))
    with pytest.raises(UserError, match="otherwise than alone"):
        find_batching(model, "mixes")


def test_a_model_that_cannot_read_texts_together_is_refused():
    # XLNet's one-way attention and a padding mask do not go together.
    model = model_of("XLNet", XLNET | {"attn_type": "uni"})
    for check in (find_batching, check_reads):
        with pytest.raises(UserError, match="cannot read a plain text"):
            check(model, "xlnet")


def test_a_model_that_reads_padding_is_refused():
    model = model_of("GPT2", OLD)

    def add_the_mean(module, inputs, output):
        output.logits = output.logits + output.logits.mean((0, 1), keepdim=True).detach() * (
            len(output.logits) > 1
        )
        return output

    model.register_forward_hook(add_the_mean)
    with pytest.raises(UserError, match="padded on the right otherwise than alone"):
        check_reads(model, "pads")


def test_a_model_that_cannot_read_plain_text_is_refused():
    model = model_of("GPT2", OLD)
    model.forward = lambda input_ids, pixels, **_: None
    with pytest.raises(UserError, match=r"cannot read a plain text .*pixels"):
        find_batching(model, "sees")


def test_a_cache_that_fails_once_rows_leave_is_not_asked_to(caplog, monkeypatch):
    model = model_of("GPT2", OLD)

    def refuse(self, rows):
        raise NotImplementedError("rows stay")

    monkeypatch.setattr(transformers.DynamicCache, "reorder_cache", refuse)
    with caplog.at_level(logging.INFO):
        found = find_batching(model, "stays")
    assert (found.padded, found.cached, found.shrinks) == (True, True, False)
    assert "stays writes more slowly than most models: finished rows go on" in caplog.text


def test_the_training_mode_is_restored_and_dropout_plays_no_part():
    model = model_of("GPT2", OLD | {"resid_pdrop": 0.5}).train()
    assert find_batching(model, "drops") == BATCHINGS[0]
    assert model.training
