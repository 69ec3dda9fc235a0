import functools
import itertools
import json
import shutil
from collections import Counter

import pytest
import torch
from scipy.stats import chi2_contingency
from transformers import AutoModelForCausalLM, LogitsProcessorList, TopPLogitsWarper

from src.artifacts.manifest import read_manifest
from src.attributes.attribute import from_manifest
from src.config.evaluation import DecodingArgs
from src.errors import ArtifactError, UserError
from src.evaluation.generation import writer as writer_module
from src.evaluation.generation.continuation_text import decode_continuation
from src.evaluation.generation.sampling import uniforms
from src.evaluation.generation.writer import Task, Writer, writing_dtype
from src.evaluation.plan.prompts import Prompt
from src.models.control_tokens import (
    control_ids,
    encode_prompt,
    load_tokenizer,
)
from src.models.decoding import BATCHINGS
from tests import builders
from tests.demo_attributes import BOTH
from tests.unit.evaluation.conftest import publish_model

CPU = torch.device("cpu")
PROMPTS = [
    Prompt(f"p{i}", " ".join(builders.sentence(str(i)).split()[: 1 + 2 * i])) for i in range(5)
]
DECODING = DecodingArgs(top_p=0.9, max_length=8)


@pytest.fixture(params=["gpt2", "llama"], scope="module")
def model(request, bases, attributes, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param) / "model"
    return publish_model(folder, bases[request.param], attributes, loud=3.0)


@pytest.fixture
def exact(monkeypatch):
    """Rounding would tell one batch from another; float32 keeps it out of the way."""
    monkeypatch.setattr(writer_module, "writing_dtype", lambda *_: torch.float32)


def writer_of(model):
    manifest = read_manifest(model, "training", verify=False)
    fingerprint = manifest["tokenizer"]["fingerprint"]
    return Writer(model / "final", from_manifest(manifest["attributes"]), fingerprint, CPU)


def task(prompts=PROMPTS, batch_size=3, samples=2, placement="after_prompt"):
    return Task("validation", prompts, samples, placement, batch_size, seed=1)


def by_hand(model, attributes, prompt, sample, condition, decoding, placement="after_prompt"):
    """The same continuation written a token at a time, unbatched, without cache or own code for sampling."""
    plain = AutoModelForCausalLM.from_pretrained(model / "final").eval()
    tokenizer = load_tokenizer(str(model / "final"), attributes)

    def without(names):
        kept = {name: label for name, label in condition.items() if name not in names}
        if decoding.contrast_against == "nothing":
            return kept
        return kept | {name: attributes[name].opposite(condition[name]) for name in names}

    flipped = [(w, without([name])) for name, w in decoding.contrast_weights.items()]
    if decoding.contrast_flip == "together":
        flipped = [(flipped[0][0], without(list(condition)))]
    numbers = uniforms(1, "validation", [(prompt.id, sample)], decoding.max_length)[0]
    written = []
    for number in numbers:

        def log_p(asked):
            ids = encode_prompt(tokenizer, prompt.text, asked, attributes, placement)
            logits = plain(torch.tensor([ids + written])).logits[0, -1].double()
            logits[control_ids(tokenizer, attributes)] = -torch.inf
            return logits.log_softmax(-1)

        with torch.no_grad():
            own = log_p(condition)
            combined = own + sum(
                w * (own - log_p(other)).nan_to_num(nan=0.0) for w, other in flipped
            )
        if flipped:
            plausible = TopPLogitsWarper(decoding.contrast_top_p)(None, own.unsqueeze(0))[0]
            combined = combined.where(plausible.isfinite(), -torch.inf)
        warper = LogitsProcessorList([TopPLogitsWarper(decoding.top_p)])
        probabilities = warper(None, combined.unsqueeze(0)).softmax(-1)[0]
        token = int((probabilities.cumsum(-1) > number).nonzero()[0])
        if token == tokenizer.eos_token_id:
            break
        written.append(token)
    after_tokens = placement == "after_prompt"
    return decode_continuation(tokenizer, prompt.text, written, after_tokens=after_tokens)


@pytest.mark.parametrize("placement", ["after_prompt", "before_prompt"])
@pytest.mark.parametrize(
    "weights", [{}, {"toxicity": 2.0, "sentiment": 0.5}], ids=["sample", "contrast"]
)
def test_a_batch_writes_what_one_writes_by_hand(model, attributes, exact, weights, placement):
    decoding = DECODING.model_copy(update={"contrast_weights": weights})
    written = writer_of(model).write(task(placement=placement), BOTH, decoding, "title")
    assert [(one.prompt_id, one.sample) for one in written] == [
        (p.id, s) for p in PROMPTS for s in (0, 1)
    ]
    for one in written[::3]:
        prompt = next(p for p in PROMPTS if p.id == one.prompt_id)
        expected = by_hand(model, attributes, prompt, one.sample, BOTH, decoding, placement)
        assert one.text == expected
        assert one.prompt == prompt.text


@pytest.mark.parametrize("flip", ["each", "together"])
def test_contrast_against_nothing_leaves_the_token_out(model, attributes, exact, flip):
    """With `together`, and so without a condition: classifier-free guidance."""
    contrast = {
        "contrast_weights": {"toxicity": 2.0, "sentiment": 2.0},
        "contrast_against": "nothing",
        "contrast_flip": flip,
    }
    decoding = DECODING.model_copy(update=contrast)
    written = writer_of(model).write(task(), BOTH, decoding, "")
    for one in written[::3]:
        prompt = next(p for p in PROMPTS if p.id == one.prompt_id)
        assert one.text == by_hand(model, attributes, prompt, one.sample, BOTH, decoding)
    flipped = decoding.model_copy(update={"contrast_against": "flipped"})
    assert written != writer_of(model).write(task(), BOTH, flipped, "")


def batch_sizes(writer, monkeypatch):
    """The rows of every pass through the model."""
    rows, real = [], writer.model.forward

    @functools.wraps(real)
    def counted(**given):
        rows.append(len(given["input_ids"]))
        return real(**given)

    monkeypatch.setattr(writer.model, "forward", counted)
    return rows


def test_labels_flipped_together_are_one_variant(model, attributes, exact, monkeypatch):
    contrast = {
        "contrast_weights": {"toxicity": 2.0, "sentiment": 2.0},
        "contrast_flip": "together",
    }
    decoding, writer = DECODING.model_copy(update=contrast), writer_of(model)
    rows = batch_sizes(writer, monkeypatch)
    written = writer.write(task(batch_size=10), BOTH, decoding, "")
    assert rows[0] == 2 * 10
    for one in written[::4]:
        prompt = next(p for p in PROMPTS if p.id == one.prompt_id)
        assert one.text == by_hand(model, attributes, prompt, one.sample, BOTH, decoding)


def test_weights_that_differ_cannot_be_flipped_together():
    same = {"contrast_weights": {"toxicity": 2.0, "sentiment": 2.0, "formality": 0.0}}
    assert DecodingArgs(**same, contrast_flip="together").contrast_flip == "together"
    with pytest.raises(ValueError, match="together has one flipped variant and so one weight"):
        DecodingArgs(contrast_weights={"toxicity": 2.0, "sentiment": 1.0}, contrast_flip="together")


@pytest.mark.parametrize("top_p", [0.7, 0.9])
def test_samples_are_distributed_as_those_of_generate_itself(model, exact, top_p):
    """Pairs of first tokens, 2,000 of ours against 2,000 of `generate(do_sample=True)`."""
    n, temperature = 2000, 0.04  # sharpened, so that a pair of tokens is seen often enough to count
    writer = writer_of(model)
    decoding = DecodingArgs(top_p=top_p, temperature=temperature, min_length=2, max_length=2)
    seen = []
    writer._decode = lambda _, ids, after: seen.append(tuple(ids)) or ""
    writer.write(Task("validation", PROMPTS[1:2], n, "after_prompt", n, 1), BOTH, decoding, "")
    front = encode_prompt(
        writer.tokenizer, PROMPTS[1].text, BOTH, writer.attributes, "after_prompt"
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        theirs = writer.model.generate(
            torch.tensor([front] * n),
            attention_mask=torch.ones(n, len(front), dtype=torch.long),
            do_sample=True,
            top_p=top_p,
            top_k=0,
            temperature=temperature,
            min_new_tokens=2,
            max_new_tokens=2,
        )
    counts = [Counter(seen), Counter(tuple(row) for row in theirs[:, len(front) :].tolist())]
    common = [pair for pair, k in (counts[0] + counts[1]).items() if k >= 20]
    table = [[one[pair] for pair in common] for one in counts]
    for row in table:
        row.append(n - sum(row))
    assert len(common) > 5
    assert chi2_contingency(table).pvalue > 0.01
    table[0][0] += 150  # the test can fail
    assert chi2_contingency(table).pvalue < 0.01


def test_order_and_batch_do_not_matter(model, exact):
    writer = writer_of(model)
    first = writer.write(task(batch_size=3), BOTH, DECODING, "")
    alone = writer.write(task(batch_size=1), BOTH, DECODING, "")
    turned = writer.write(task(PROMPTS[::-1], batch_size=10), BOTH, DECODING, "")
    assert alone == first
    assert sorted(turned, key=lambda one: (one.prompt_id, one.sample)) == first
    assert len({one.text for one in first}) > 5


def test_what_is_asked_and_the_dial_change_the_text(model):
    writer = writer_of(model)
    asked = [one.text for one in writer.write(task(), BOTH, DECODING, "")]
    nothing = [one.text for one in writer.write(task(), {}, DECODING, "")]
    dial = DECODING.model_copy(update={"contrast_weights": {"sentiment": 30.0}})
    pushed = [one.text for one in writer.write(task(), BOTH, dial, "")]
    assert asked != nothing
    assert asked != pushed


def test_a_weight_on_what_is_not_asked_for_does_nothing(model):
    writer, condition = writer_of(model), {"sentiment": "pos"}
    one = DECODING.model_copy(update={"contrast_weights": {"sentiment": 2.0}})
    two = DECODING.model_copy(update={"contrast_weights": {"sentiment": 2.0, "toxicity": 9.0}})
    assert writer.write(task(), condition, one, "") == writer.write(task(), condition, two, "")


def with_loud_end(model, folder, factor):
    """A copy of a model that ends its texts sooner or later."""
    shutil.copytree(model, folder)
    plain = AutoModelForCausalLM.from_pretrained(folder / "final")
    with torch.no_grad():
        plain.get_output_embeddings().weight[plain.config.eos_token_id] *= factor
    plain.save_pretrained(folder / "final")
    return folder


# Neither of these models counts its positions from the mask.
@pytest.mark.parametrize("batching", [b for b in BATCHINGS if b.positions or not b.padded], ids=str)
@pytest.mark.parametrize(
    "weights", [{}, {"toxicity": 2.0, "sentiment": 0.5}], ids=["sample", "contrast"]
)
def test_rows_come_out_as_by_hand_in_whatever_way_a_model_is_computed(
    model, attributes, exact, tmp_path, monkeypatch, weights, batching
):
    loud = with_loud_end(model, tmp_path / "loud", 40.0)
    decoding = DecodingArgs(top_p=0.95, max_length=16, contrast_weights=weights)
    writer = writer_of(loud)
    assert writer.batching == BATCHINGS[0]
    writer.batching = batching
    rows = batch_sizes(writer, monkeypatch)
    written = writer.write(task(batch_size=10), BOTH, decoding, "")
    if batching.padded:
        assert (rows[-1] < rows[0]) == batching.shrinks
    assert len({one.n_tokens for one in written}) > 3
    for one in written:
        prompt = next(p for p in PROMPTS if p.id == one.prompt_id)
        assert one.text == by_hand(loud, attributes, prompt, one.sample, BOTH, decoding)


def test_lengths_count_new_tokens_and_the_end_is_no_text(model, tmp_path):
    writer = writer_of(with_loud_end(model, tmp_path / "loud", 40.0))
    free = writer.write(task(samples=6), {}, DECODING, "")
    lengths = [one.n_tokens for one in free]
    assert min(lengths) < 4
    assert max(lengths) <= 8
    assert all((one.n_tokens == 0) == (one.text == "") for one in free)
    held = DECODING.model_copy(update={"min_length": 5})
    assert min(one.n_tokens for one in writer.write(task(samples=6), {}, held, "")) >= 5
    assert not any("<|" in one.text for one in free)


def test_no_control_token_is_ever_written_however_likely(bases, attributes, tmp_path):
    # Tied embeddings: rows this large are what the model wishes for most.
    model = publish_model(tmp_path / "m", bases["gpt2"], attributes, loud=500.0)
    (model / "final/generation_config.json").write_text(
        json.dumps({"eos_token_id": 0, "repetition_penalty": 9.0, "do_sample": True})
    )
    writer = writer_of(model)
    text = writer.tokenizer(" ".join(builders.sentences(5)), return_tensors="pt")["input_ids"]
    wishes = writer.model(text).logits[0].argmax(-1).tolist()
    assert set(wishes) & set(control_ids(writer.tokenizer, attributes))
    seen = []
    writer._decode = lambda _, ids, after: seen.extend(ids) or ""
    writer.write(task(), BOTH, DECODING, "")
    assert len(seen) > 50
    assert not set(seen) & set(control_ids(writer.tokenizer, attributes))


def test_an_n_gram_does_not_repeat_where_that_is_asked_for(model):
    def repeated_pairs(size):
        decoding = DecodingArgs(top_p=0.02, max_length=40, no_repeat_ngram_size=size)
        pairs = [
            list(itertools.pairwise(one.text.split()))
            for one in writer.write(task(samples=1), {}, decoding, "")
        ]
        return sum(len(of_one) - len(set(of_one)) for of_one in pairs)

    writer = writer_of(model)
    # The ids themselves: texts can be read in two ways.
    writer._decode = lambda _, ids, after: " ".join(map(str, ids))
    assert repeated_pairs(0) > 0
    assert repeated_pairs(2) == 0


def test_a_prompt_that_leaves_no_room_is_named(model):
    long = Prompt("the-long-one", " ".join(builders.sentences(12)))
    with pytest.raises(UserError, match=r"the-long-one.*128 positions"):
        writer_of(model).write(task([*PROMPTS, long]), {}, DECODING, "")


def test_another_tokenizer_is_refused(model, attributes):
    with pytest.raises(ArtifactError, match="tokenizer differs"):
        Writer(model / "final", attributes, "0" * 64, CPU)


def test_the_number_format_is_the_devices():
    able = torch.cpu.get_capabilities()
    native = any(able.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))
    assert writing_dtype(CPU) == (torch.bfloat16 if native else torch.float32)
