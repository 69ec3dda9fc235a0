"""The loss against plain cross entropy: values, gradients, bans, padding, where the head is computed."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from src.models import target_nll as subject
from src.models.language_model import load_language_model
from src.models.target_nll import NO_TARGET, batch_of, shift, target_nll
from tests.builders import tiny_gpt2, tiny_llama

BANNED = [5, 690]
CPU = torch.device("cpu")


@pytest.fixture(
    scope="module", params=[(tiny_gpt2, True), (tiny_llama, False)], ids=["gpt2", "llama"]
)
def model(request, tmp_path_factory):
    make, tied = request.param
    folder = make(tmp_path_factory.mktemp("model"), tied=tied)
    return load_language_model(str(folder), device=CPU)


def batch(pad_id=0):
    """Two sentences of different lengths, of which 2 and 3 tokens are no targets."""
    return batch_of([shift([0, 50, 51, 52, 53, 54, 0], 2), shift([0, 60, 61, 62, 0], 3)], pad_id)


def reference(model, inputs, mask, targets, banned):
    """Cross entropy over the whole logits in fp64."""
    logits = model(input_ids=inputs, attention_mask=mask).logits.double()
    logits[..., list(banned)] = -torch.inf
    losses = functional.cross_entropy(
        logits.flatten(0, 1), targets.flatten(), ignore_index=NO_TARGET, reduction="none"
    )
    return losses[targets.flatten() != NO_TARGET]


def test_shift_leaves_the_last_token_out_and_the_front_without_targets():
    inputs, targets = shift([0, 7, 8, 9, 1], 2)
    assert inputs == [0, 7, 8, 9]
    assert targets == [NO_TARGET, 8, 9, 1]


def test_batches_are_padded_on_the_right():
    inputs, mask, targets = batch(pad_id=3)
    assert inputs.tolist() == [[0, 50, 51, 52, 53, 54], [0, 60, 61, 62, 3, 3]]
    assert mask.tolist() == [[1] * 6, [1] * 4 + [0] * 2]
    assert targets[1].tolist() == [NO_TARGET, NO_TARGET, 62, 0, NO_TARGET, NO_TARGET]


@pytest.mark.parametrize("chunk", [2**19, 1], ids=["one chunk", "row by row"])
@pytest.mark.parametrize("banned", [BANNED, []], ids=["banned", "nothing banned"])
def test_values_and_gradients_are_those_of_cross_entropy(model, banned, chunk, monkeypatch):
    monkeypatch.setitem(subject._CHUNK_NUMBERS, "cpu", chunk)
    weight = torch.linspace(0.5, 2.0, 7)
    gradients = []
    for nll in (target_nll(model, *batch(), banned), reference(model, *batch(), banned)):
        model.zero_grad()
        (nll * weight).sum().backward()
        gradients.append({n: p.grad.clone() for n, p in model.named_parameters()})
    ours = target_nll(model, *batch(), banned)
    assert ours.dtype == torch.float32
    assert torch.allclose(ours.double(), reference(model, *batch(), banned), atol=1e-5)
    for name, gradient in gradients[0].items():
        assert torch.allclose(gradient, gradients[1][name], atol=1e-5), name


def test_a_banned_token_gets_no_probability_and_its_column_no_gradient(model):
    head = model.get_output_embeddings().weight
    model.zero_grad()
    target_nll(model, *batch(), BANNED).sum().backward()
    if model.config.model_type == "llama":  # its head is not tied: only the output reaches it
        assert head.grad[BANNED].abs().sum() == 0
    assert head.grad[50].abs().sum() > 0
    impossible = target_nll(model, *batch(), [51])
    assert impossible[0] == torch.inf


def test_the_content_of_padding_does_not_matter(model):
    assert torch.equal(
        target_nll(model, *batch(pad_id=0), BANNED), target_nll(model, *batch(pad_id=99), BANNED)
    )


def test_the_head_is_computed_at_targets_only_and_left_as_it_was(model):
    seen = []
    handle = model.get_output_embeddings().register_forward_hook(
        lambda _, inputs, output: seen.append(tuple(output.shape[:2]))
    )
    target_nll(model, *batch(), BANNED)
    model(input_ids=batch()[0])
    handle.remove()
    assert seen == [(1, 7), (2, 6)]


class _Functional(nn.Module):
    """A model whose output head is no module of its own."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def get_output_embeddings(self):
        return None

    def forward(self, **inputs):
        return self.inner(**inputs)


def test_a_head_that_is_no_module_gives_the_same(model):
    assert torch.allclose(
        target_nll(_Functional(model), *batch(), BANNED), target_nll(model, *batch(), BANNED)
    )


def test_one_sentence_of_targets_only(model):
    alone = batch_of([shift([0, 50, 51, 52], 1)], 0)
    for tried in (model, _Functional(model)):
        found = target_nll(tried, *alone, [])
        assert torch.allclose(found.double(), reference(model, *alone, []), atol=1e-5)


def test_bf16_logits_lose_nothing_in_the_loss_itself():
    torch.manual_seed(0)
    logits = (torch.randn(1, 9, 700) * 4).bfloat16().requires_grad_()
    targets = torch.arange(9)
    ours = subject._TargetNll.apply(logits[0], targets, torch.tensor([699]))
    exact = logits[0].detach().double()
    exact[:, 699] = -torch.inf
    assert torch.allclose(
        ours.double(), functional.cross_entropy(exact, targets, reduction="none"), atol=1e-5
    )
    ours.sum().backward()
    assert logits.grad.dtype == torch.bfloat16
    assert logits.grad[0, :, 699].abs().sum() == 0
