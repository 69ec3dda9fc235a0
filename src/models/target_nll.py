"""The loss of a language model's targets: the one piece of code that turns logits into likelihoods."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import nn

NO_TARGET = -100
# Temporary memory of the loss, in numbers of fp32: on a CPU what fits its cache (measured: 2**18 to 2**21
# take the same time, the whole batch at once twice as long).
_CHUNK_NUMBERS = {"cpu": 2**19}
_CHUNK_NUMBERS_ELSEWHERE = 2**26


class _TargetNll(torch.autograd.Function):
    """Cross entropy in fp32 of logits in any format, a few rows at a time.

    The vocabulary is wide: a full fp32 copy of the logits, its softmax and its gradient would each be
    100 MB for 500 targets of a 50,000-token model, and moving them costs more than computing them.
    """

    @staticmethod
    def forward(
        ctx: torch.autograd.function.FunctionCtx,
        logits: torch.Tensor,
        targets: torch.Tensor,
        banned: torch.Tensor,
    ) -> torch.Tensor:
        normalisers = torch.empty(len(targets), dtype=torch.float32, device=logits.device)
        chosen = torch.empty_like(normalisers)
        for rows in _row_chunks(logits):
            part = logits[rows].float().index_fill_(1, banned, -torch.inf)
            torch.logsumexp(part, dim=1, out=normalisers[rows])
            chosen[rows] = part.gather(1, targets[rows].unsqueeze(1)).squeeze(1)
        ctx.save_for_backward(logits, targets, banned, normalisers)
        return normalisers - chosen

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(
        ctx: torch.autograd.function.FunctionCtx, gradient: torch.Tensor
    ) -> tuple[torch.Tensor, None, None]:
        logits, targets, banned, normalisers = ctx.saved_tensors
        result = torch.empty_like(logits)
        for rows in _row_chunks(logits):
            scale = gradient[rows].unsqueeze(1)
            part = logits[rows].float().sub_(normalisers[rows].unsqueeze(1)).exp_()
            part.index_fill_(1, banned, 0.0).mul_(scale)
            part.scatter_add_(1, targets[rows].unsqueeze(1), -scale)
            result[rows] = part
        return result, None, None


def _row_chunks(logits: torch.Tensor) -> Iterator[slice]:
    numbers = _CHUNK_NUMBERS.get(logits.device.type, _CHUNK_NUMBERS_ELSEWHERE)
    size = max(1, numbers // logits.shape[1])
    return (slice(start, start + size) for start in range(0, logits.shape[0], size))


def target_nll(
    model: nn.Module,
    input_ids: torch.Tensor,
    attention_mask: torch.Tensor,
    targets: torch.Tensor,
    banned_ids: Sequence[int],
) -> torch.Tensor:
    """Negative log-likelihood of every target, differentiable.

    The output head, a fifth of the work at GPT-2's size, is computed only where there is a target.

    Args:
        model: a causal language model, also wrapped for distributed training.
        input_ids: [sentences, length], padded on the right.
        attention_mask: [sentences, length], 0 at padding.
        targets: [sentences, length]; at each position the token that follows, or `NO_TARGET`.
        banned_ids: tokens that get no probability: the control tokens.

    Returns:
        fp32 [targets], in nats, row by row.
    """
    wanted = targets != NO_TARGET
    with _head_only_at(model, wanted):
        logits = model(input_ids=input_ids, attention_mask=attention_mask, use_cache=False).logits
    if logits.shape[:2] != (1, int(wanted.sum())):
        logits = logits[wanted]  # a head that is no module of its own was computed everywhere
    banned = torch.as_tensor(list(banned_ids), dtype=torch.long, device=logits.device)
    return _TargetNll.apply(logits.reshape(-1, logits.shape[-1]), targets[wanted], banned)


@contextlib.contextmanager
def _head_only_at(model: nn.Module, wanted: torch.Tensor) -> Iterator[None]:
    """Inside, the output head reads [1, targets, hidden] instead of [sentences, length, hidden]."""
    head = getattr(model, "module", model).get_output_embeddings()
    if head is None:
        yield
        return

    def select(_: nn.Module, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        return inputs[0][wanted].unsqueeze(0), *inputs[1:]

    handle = head.register_forward_pre_hook(select)
    try:
        yield
    finally:
        handle.remove()


def shift(ids: Sequence[int], n_front: int) -> tuple[list[int], list[int]]:
    """A sequence as inputs and, at each of their positions, the token to predict there.

    The last token is only predicted: computing what follows it would be for nothing.

    Args:
        ids: the whole sequence.
        n_front: tokens at its front that are never targets (start, control tokens, a prompt); at least 1.
    """
    return list(ids[:-1]), [NO_TARGET] * (n_front - 1) + list(ids[n_front:])


def batch_of(
    shifted: Sequence[tuple[Sequence[int], Sequence[int]]], pad_id: int, multiple: int = 1
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Shifted sequences as tensors, padded on the right.

    Args:
        shifted: (inputs, targets) of each sequence.
        pad_id: of the padding.
        multiple: the length is the longest one's, rounded up to a multiple of this.

    Returns:
        (input ids, attention mask, targets), each int64 [sentences, length].
    """
    longest = -(-max(len(inputs) for inputs, _ in shifted) // multiple) * multiple

    def padded(rows: Iterable[Sequence[int]], value: int) -> torch.Tensor:
        return torch.tensor([[*row, *[value] * (longest - len(row))] for row in rows])

    return (
        padded((inputs for inputs, _ in shifted), pad_id),
        padded(([1] * len(inputs) for inputs, _ in shifted), 0),
        padded((targets for _, targets in shifted), NO_TARGET),
    )
