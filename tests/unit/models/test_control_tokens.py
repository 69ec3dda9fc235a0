"""Control tokens: layout, tokenizer, bans, and rows that learn apart and are saved merged."""

import copy
from collections import Counter

import pytest
import torch
from transformers import AutoModelForCausalLM, GenerationConfig

from src.errors import ArtifactError, UserError
from src.models import control_tokens as ct
from src.models.control_rows import CONTROL_ROWS, initialise_rows, train_rows_apart
from src.models.language_model import load_language_model
from tests.builders import END_OF_TEXT, build_tokenizer, tiny_gpt2, tiny_llama
from tests.unit import strange_tokenizers as strange
from tests.unit.training.small_data import small_attributes

CPU = torch.device("cpu")
SHAPES = {
    "gpt2_tied": (tiny_gpt2, True),
    "gpt2_untied": (tiny_gpt2, False),
    "llama_tied": (tiny_llama, True),
    "llama_untied": (tiny_llama, False),
}


@pytest.fixture(scope="module")
def attributes():
    return small_attributes()


@pytest.fixture(scope="module")
def bases(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bases")
    return {name: make(folder / name, tied=tied) for name, (make, tied) in SHAPES.items()}


@pytest.fixture(scope="module")
def tokenizer(bases, attributes):
    return ct.load_tokenizer(str(bases["gpt2_tied"]), attributes)


def prepared(base, tokenizer, attributes, **options):
    model = load_language_model(str(base), device=CPU)
    options = {"from_words": True, "seed": 0} | options
    initialise_rows(model, tokenizer, attributes, **options)
    return model


# ---------------------------------------------------------------------------------------- rendering


def test_tokens_stand_in_the_attributes_order_whatever_the_order_of_the_labels(attributes):
    labels = {"sentiment": "pos", "toxicity": "nontoxic"}
    assert ct.render("Hi.", labels, attributes) == "<|nontoxic|><|pos|>Hi."
    assert ct.render("Hi.", {"sentiment": "neg"}, attributes) == "<|neg|>Hi."
    assert ct.render("Hi.", {}, attributes) == "Hi."


def test_a_sentence_is_start_condition_text_end(tokenizer, attributes):
    text = ct.text_ids(tokenizer, ["The teacher read the report."])[0]
    ids, n_front = ct.encode_sentence(tokenizer, text, {"sentiment": "pos"}, attributes)
    assert n_front == 2
    assert tokenizer.convert_ids_to_tokens(ids[:2]) == [END_OF_TEXT, "<|pos|>"]
    assert ids[2:-1] == text
    assert ids[-1] == tokenizer.eos_token_id


def test_the_rendered_text_and_the_encoded_sentence_are_the_same_tokens(tokenizer, attributes):
    labels = {"toxicity": "toxic", "sentiment": "neg"}
    text = "my neighbour closed the door."
    ids, _ = ct.encode_sentence(tokenizer, ct.text_ids(tokenizer, [text])[0], labels, attributes)
    assert tokenizer.decode(ids[1:-1]) == ct.render(text, labels, attributes)


def test_a_text_cannot_forge_a_condition_or_an_end(tokenizer, attributes):
    forged = f"<|pos|> a day {END_OF_TEXT}"
    ids = ct.text_ids(tokenizer, [forged])[0]
    assert not set(ids) & {*ct.control_ids(tokenizer, attributes), tokenizer.eos_token_id}
    assert tokenizer.decode(ids) == forged
    assert ct.text_ids(tokenizer, []) == []


def test_placement_of_the_tokens_around_a_prompt(tokenizer, attributes):
    condition = {"sentiment": "pos"}
    prompt = ct.text_ids(tokenizer, ["The film"])[0]
    start, pos = tokenizer.eos_token_id, tokenizer.convert_tokens_to_ids("<|pos|>")

    def encoded(text, placement):
        return ct.encode_prompt(tokenizer, text, condition, attributes, placement)

    assert encoded("The film", "after_prompt") == [start, *prompt, pos]
    assert encoded("The film", "before_prompt") == [start, pos, *prompt]
    assert encoded("", "after_prompt") == encoded("", "before_prompt") == [start, pos]


def test_a_continuation_is_tokenised_with_its_prompt_and_owns_the_token_on_the_border(tokenizer):
    ids, n_front = ct.encode_continuation(tokenizer, "The teach", "er walked")
    whole = ct.text_ids(tokenizer, ["The teacher walked"])[0]
    assert ids == [tokenizer.eos_token_id, *whole]
    tokens = tokenizer.convert_ids_to_tokens(ids)
    assert "".join(tokens[1:n_front]) == "The"  # the token of 'teacher' crosses the border
    ids, n_front = ct.encode_continuation(tokenizer, "The teacher", " walked")
    assert tokenizer.decode(ids[n_front:]) == " walked"
    assert ct.encode_continuation(tokenizer, "", "The")[1] == 1
    ids, n_front = ct.encode_continuation(tokenizer, "The teacher", "")
    assert n_front == len(ids)


# ---------------------------------------------------------------------------------------- tokenizer


def test_saving_with_the_tokens_or_adding_them_anew_gives_one_fingerprint(
    tokenizer, attributes, tmp_path
):
    before = ct.tokenizer_fingerprint(tokenizer)
    tokenizer.save_pretrained(tmp_path)
    assert ct.tokenizer_fingerprint(ct.load_tokenizer(str(tmp_path))) == before
    again = ct.load_tokenizer(str(tmp_path), attributes)
    assert ct.tokenizer_fingerprint(again) == before
    assert ct.control_ids(again, attributes) == ct.control_ids(tokenizer, attributes)
    again(["a", "longer text"], padding=True, truncation=True, max_length=8)
    assert ct.tokenizer_fingerprint(again) == before, "padding does not change what ids mean"


def test_a_tokenizer_without_the_tokens_or_with_others_is_refused(bases, tokenizer, attributes):
    plain = ct.load_tokenizer(str(bases["gpt2_tied"]))
    with pytest.raises(ArtifactError, match=r"no control token <\|nontoxic\|>"):
        ct.control_ids(plain, attributes)
    with pytest.raises(ArtifactError, match="tokenizer differs from the one that data/x"):
        ct.check_tokenizer(plain, ct.tokenizer_fingerprint(tokenizer), "data/x")
    ct.check_tokenizer(tokenizer, ct.tokenizer_fingerprint(tokenizer), "data/x")


def test_a_missing_folder_is_said_at_once_and_is_no_question_to_the_hub(tmp_path):
    with pytest.raises(UserError, match=r"does not exist.*no-such") as error:
        ct.load_tokenizer(str(tmp_path / "no-such"))
    assert "fetch_demo_assets" in str(error.value)


def test_an_empty_folder_is_no_tokenizer(tmp_path):
    with pytest.raises(UserError, match="holds no tokenizer"):
        ct.load_tokenizer(str(tmp_path))


def test_a_label_that_needs_the_end_of_text_token_is_refused(bases, attributes):
    from dataclasses import replace

    clash = {"a": replace(attributes["sentiment"], labels=("neg", "endoftext"))}
    with pytest.raises(UserError, match="rename the label"):
        ct.load_tokenizer(str(bases["gpt2_tied"]), clash)


def test_a_tokenizer_without_end_of_text_is_refused(tmp_path):
    tokenizer = build_tokenizer()
    tokenizer.eos_token = None
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(UserError, match="no end-of-text token"):
        ct.load_tokenizer(str(tmp_path))


def test_a_ban_is_added_to_what_was_banned_before():
    generation = GenerationConfig(suppress_tokens=[3])
    ct.ban(generation, [9, 7])
    assert generation.suppress_tokens == [3, 7, 9]


# ------------------------------------------------------------------------------------ embedding rows


@pytest.mark.parametrize("shape", SHAPES)
def test_rows_start_from_the_mean_of_their_words(shape, bases, tokenizer, attributes):
    before = load_language_model(str(bases[shape]), device=CPU).get_input_embeddings().weight
    model = prepared(bases[shape], tokenizer, attributes)
    after = model.get_input_embeddings().weight
    assert after.shape[0] == len(tokenizer) == before.shape[0] + 4
    assert torch.equal(after[: before.shape[0]], before), "the base model's rows stay"
    forms = ["stupid", " stupid", "fool", " fool"]
    ids = [i for one in ct.text_ids(tokenizer, forms) for i in one]
    row = after[tokenizer.convert_tokens_to_ids("<|toxic|>")]
    assert torch.allclose(row, before[ids].mean(0))


def test_rows_without_words_differ_from_each_other_and_come_back_with_the_seed(
    bases, tokenizer, attributes
):
    base = bases["gpt2_tied"]
    ids = ct.control_ids(tokenizer, attributes)
    rows = [
        prepared(base, tokenizer, attributes, from_words=False, seed=seed)
        .get_input_embeddings()
        .weight[ids]
        for seed in (0, 0, 1)
    ]
    assert torch.equal(rows[0], rows[1])
    assert not torch.equal(rows[0], rows[2])
    assert len({tuple(row.tolist()) for row in rows[0]}) == len(ids)


def test_a_table_that_is_larger_than_the_tokenizer_keeps_its_size(bases, tokenizer, attributes):
    model = load_language_model(str(bases["llama_untied"]), device=CPU)
    model.resize_token_embeddings(len(tokenizer) + 28, mean_resizing=False)
    initialise_rows(model, tokenizer, attributes, from_words=True, seed=0)
    assert model.get_input_embeddings().weight.shape[0] == len(tokenizer) + 28


@pytest.mark.parametrize("shape", SHAPES)
def test_rows_apart_compute_the_same_and_alone_get_the_gradient(
    shape, bases, tokenizer, attributes
):
    model = prepared(bases[shape], tokenizer, attributes)
    plain = copy.deepcopy(model)
    ids = ct.control_ids(tokenizer, attributes)
    rows = train_rows_apart(model, ids)
    inputs = torch.tensor([[0, ids[1], ids[2], 40, 41, 42]])
    assert torch.equal(model(inputs).logits, plain(inputs).logits)
    chosen = model(inputs).logits[..., :600].sum()  # no control column takes part
    chosen.backward()
    assert rows.grad[1].abs().sum() > 0
    assert rows.grad[0].abs().sum() == 0, "its token was not read"
    assert model.get_input_embeddings().weight.grad[ids].abs().sum() == 0


@pytest.mark.parametrize("shape", SHAPES)
def test_a_checkpoint_is_plain_and_has_the_learned_rows(
    shape, bases, tokenizer, attributes, tmp_path
):
    model = prepared(bases[shape], tokenizer, attributes)
    ids = ct.control_ids(tokenizer, attributes)
    rows = train_rows_apart(model, ids)
    with torch.no_grad():
        rows.add_(1.0)
    model.save_pretrained(tmp_path)
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert not any(CONTROL_ROWS in name for name in loaded.state_dict())
    inputs = torch.tensor([[0, ids[0], 40, ids[3], 42]])
    keep = [i for i in range(len(tokenizer)) if i not in ids]
    ours, theirs = (m(inputs).logits[..., keep] for m in (model, loaded))
    assert torch.allclose(ours, theirs, atol=1e-6)

    other = prepared(bases[shape], tokenizer, attributes, from_words=False)
    other_rows = train_rows_apart(other, ids)
    other.load_state_dict(loaded.state_dict(), strict=False)
    assert torch.equal(other_rows, rows), "a run that goes on reads the rows back"


# ----------------------------------------------------------------------- tokenizers that users bring


@pytest.mark.parametrize("gap,jump_at", [(3, 50), (1, 20), (2, 30)])
def test_no_control_token_gets_the_id_of_another_entry(tmp_path, gap, jump_at):
    strange.words("<unk>", gap, jump_at).save_pretrained(tmp_path)
    with pytest.raises(UserError, match=r"ids of tokenizer .* have gaps.*would get the id of"):
        ct.load_tokenizer(str(tmp_path), small_attributes())
    assert ct.load_tokenizer(str(tmp_path)).eos_token_id == 0  # as a reference it needs no new ids


@pytest.mark.parametrize(
    "make",
    [
        lambda: strange.words("<unk>"),
        lambda: strange.words("<unk>", gap=400),  # new ids fall into the gap
        strange.words_and_one_added_far_away,
    ],
)
def test_control_tokens_get_ids_of_their_own_and_rows_for_them(tmp_path, make):
    make().save_pretrained(tmp_path)
    tokenizer = ct.load_tokenizer(str(tmp_path), small_attributes())
    own = ct.control_ids(tokenizer, small_attributes())
    named = Counter(tokenizer.get_vocab().values())
    assert all(named[i] == 1 for i in own)
    assert len(set(own)) == len(own)


@pytest.mark.parametrize("make", [strange.words, lambda: strange.words(None, 3)])
def test_a_tokenizer_that_refuses_unknown_words_is_refused(tmp_path, make):
    make().save_pretrained(tmp_path)
    for attributes in (None, small_attributes()):
        with pytest.raises(UserError, match=r"cannot encode every text .*unknown token") as caught:
            ct.load_tokenizer(str(tmp_path), attributes)
        assert "\n" not in str(caught.value)
