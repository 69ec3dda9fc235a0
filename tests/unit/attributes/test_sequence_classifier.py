"""A text's outputs do not depend on the texts beside it, whatever the model's kind and its padding."""

import itertools

import pytest
import torch
import transformers
from tokenizers.processors import TemplateProcessing
from transformers import AutoModelForSequenceClassification

from src.attributes.sequence_classifier import SequenceClassifier
from tests.builders import build_tokenizer, sentences

TEXTS = [" ".join(one.split()[: 2 + i % 9]) for i, one in enumerate(sentences(24))]
GPT = {"n_embd": 32, "n_layer": 2, "n_head": 4}
LLAMA = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
}
BART = {"d_model": 32, "encoder_layers": 2, "decoder_layers": 2, "encoder_ffn_dim": 64}
KINDS = {
    "GPT2": GPT,
    "Llama": LLAMA | {"num_key_value_heads": 2},
    "Mistral": LLAMA | {"num_key_value_heads": 2},
    "Bloom": {"hidden_size": 32, "n_layer": 2, "n_head": 4},
    "Bert": LLAMA,
    "Roberta": LLAMA | {"max_position_embeddings": 66},
    "Electra": LLAMA | {"embedding_size": 32},
    "DistilBert": {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 64},
    "Bart": BART | {"encoder_attention_heads": 4, "decoder_attention_heads": 4, "decoder_ffn_dim": 64},
    "XLNet": {"d_model": 32, "n_layer": 2, "n_head": 4, "d_inner": 64, "d_head": 8},
}  # fmt: skip


def classifier(kind, side="right", pad_id=None, **more):
    tokenizer = build_tokenizer()
    tokenizer.pad_token, tokenizer.padding_side = "!", side
    if kind == "Bart":  # it reads the last end-of-text token of each text
        end = tokenizer.eos_token
        template = TemplateProcessing(
            single=f"$A {end}", special_tokens=[(end, tokenizer.eos_token_id)]
        )
        tokenizer.backend_tokenizer.post_processor = template
    config = getattr(transformers, f"{kind}Config")(
        vocab_size=len(tokenizer), num_labels=3, **KINDS[kind]
    )
    config.eos_token_id = tokenizer.eos_token_id
    config.pad_token_id = tokenizer.pad_token_id if pad_id is None else pad_id
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = AutoModelForSequenceClassification.from_config(config)
        for weight in model.parameters():
            if weight.dim() > 1:
                weight.data.mul_(4)
    return SequenceClassifier(model, tokenizer, device="cpu", **more)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("side,pad_id", itertools.product(["right", "left"], [None, 7]))
def test_a_text_s_outputs_are_those_that_it_has_alone(kind, side, pad_id):
    one = classifier(kind, side, pad_id)
    alone = torch.cat([one.logits([text]) for text in TEXTS])
    assert alone.std(0).min() > 0.01
    together = classifier(kind, side, pad_id, batch_size=8).logits(TEXTS)
    torch.testing.assert_close(together, alone, atol=2e-5, rtol=1e-4)


def test_padding_that_changes_nothing_is_used_and_texts_stay_together(caplog):
    one = classifier("Bert", "left")
    one.logits(TEXTS)
    assert one._padding.side == "right"
    assert not caplog.text


def test_where_no_padding_will_do_only_texts_of_one_length_go_together(caplog):
    one, rows = classifier("GPT2"), []

    def forget_the_mask(_, args, kwargs):
        rows.append(kwargs["input_ids"].shape)
        return args, kwargs | {"attention_mask": None, "position_ids": None}

    one.model.score.register_forward_hook(
        lambda _, __, out: out.mean(1, keepdim=True).expand_as(out)
    )
    one.model.register_forward_pre_hook(forget_the_mask, with_kwargs=True)
    alone = torch.cat([one.logits([text]) for text in TEXTS])
    del rows[:]
    torch.testing.assert_close(one.logits(TEXTS), alone, atol=2e-5, rtol=1e-4)
    assert "only texts of one length are computed together" in caplog.text
    assert max(shape[0] for shape in rows[5:]) > 1


@pytest.mark.parametrize(
    "kind,limit",
    [
        ("Bert", {"max_position_embeddings": 12}),
        ("GPT2", {"n_positions": 12}),
        ("Roberta", {"max_position_embeddings": 14, "pad_token_id": 1}),
        ("Electra", {"max_position_embeddings": 12}),
        ("DistilBert", {"max_position_embeddings": 12}),
    ],
)
@pytest.mark.parametrize("stated", [512, 10**30])
def test_texts_are_cut_at_the_smaller_limit(monkeypatch, kind, limit, stated):
    monkeypatch.setitem(KINDS, kind, KINDS[kind] | limit)
    one = classifier(kind, pad_id=limit.get("pad_token_id"))
    one.tokenizer.model_max_length = stated
    one = SequenceClassifier(one.model, one.tokenizer, device="cpu", max_length=300)
    assert one.max_length == 12
    assert one.logits([" ".join(sentences(5)), "Yes."]).isfinite().all()


def test_a_model_without_a_limit_reads_all():
    one = classifier("XLNet")
    one.tokenizer.model_max_length = 10**30
    assert SequenceClassifier(one.model, one.tokenizer, device="cpu").max_length is None
