"""Drawing tokens with random numbers that belong to a prompt and a sample, not to a batch.

A token is drawn by inverse CDF from one uniform number per prompt, sample and step. So a continuation depends
on its prompt, its sample number and the seed alone: not on order, on the batch it is in (but for rounding) or
on how work is spread. Every cell uses the same numbers for the same prompt and sample; each cell taken alone
is an ordinary sample.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from src.config.evaluation import DecodingArgs
from src.runtime.randomness import keyed_hash

LARGEST = (256, 2048, 16384)
"""Logits sorted at first, and for the rows whose mass they do not hold; what is left is sorted whole.

Sorting a vocabulary of 49,152 takes 3.9 ms a row, its 256 largest 0.2 ms, 2,048 of them 0.5 ms (one
thread). It was the dearest part of top-p sampling; the result is the same."""


def uniforms(
    seed: int, source: str, prompts_and_samples: Sequence[tuple[str, int]], steps: int
) -> np.ndarray:
    """The random numbers of some continuations.

    Args:
        seed: of the run.
        source: name of the source of prompts.
        prompts_and_samples: prompt id and sample number of each continuation.
        steps: most new tokens.

    Returns:
        float64 of shape [continuations, steps], in [0, 1); a shorter row is the beginning of a longer.
    """
    rows = [
        np.random.Generator(
            np.random.PCG64(keyed_hash(seed, "sample", f"{source}/{prompt}/{sample}"))
        ).random(steps)
        for prompt, sample in prompts_and_samples
    ]
    return np.stack(rows)


def nucleus(
    logits: torch.Tensor, decoding: DecodingArgs, largest: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """What temperature, top_k and top_p, in transformers' order, leave of a distribution.

    Args:
        logits: float of shape [rows, vocabulary]; -inf where a token is banned.
        decoding: temperature, top_k, top_p.
        largest: how many of the largest logits to look at.

    Returns:
        (ids, weights, held): token ids that rise along each row, and weights in proportion to their
        probability, 0 where cut off, both of shape [rows, kept at most]; and per row whether the
        logits looked at were enough. Where not, the row has to be done again with more of them.
    """
    scaled = logits / decoding.temperature
    vocabulary = scaled.shape[-1]
    looked_at = min(decoding.top_k or largest, vocabulary)
    if looked_at == vocabulary and decoding.top_p >= 1.0:
        ids, weights = _all_ids(scaled), _exact(scaled.softmax(-1))
        return ids, weights, torch.ones(len(scaled), dtype=torch.bool, device=scaled.device)
    values, ids = scaled.topk(looked_at, dim=-1)
    normaliser = (values if decoding.top_k else scaled).logsumexp(-1, keepdim=True)
    weights = _exact((values - normaliser).exp())
    cumulated = weights.cumsum(-1)
    # A token stays while those before it hold less than top_p; the first one always stays.
    weights = weights.where(cumulated - weights < decoding.top_p, 0.0)
    held = (cumulated[:, -1] >= decoding.top_p) | bool(decoding.top_k)
    # By id, not by size: where two tokens are nearly equal, rounding would decide on their order.
    if looked_at == vocabulary:
        return _all_ids(scaled), torch.zeros_like(weights).scatter(1, ids, weights), held | True
    ids, order = ids.sort(-1)
    return ids, weights.gather(-1, order), held


def _all_ids(logits: torch.Tensor) -> torch.Tensor:
    return torch.arange(logits.shape[-1], device=logits.device).expand_as(logits)


def _exact(weights: torch.Tensor) -> torch.Tensor:
    """In double precision, where the device has it: sums over a vocabulary round visibly in single."""
    return weights if weights.device.type == "mps" else weights.double()


def draw_tokens(
    logits: torch.Tensor,
    uniform: torch.Tensor,
    decoding: DecodingArgs,
    largest: Sequence[int] = LARGEST,
) -> torch.Tensor:
    """Draw one token per row.

    Args:
        logits: [rows, vocabulary].
        uniform: [rows], in [0, 1).
        decoding: temperature, top_k, top_p.
        largest: how many logits to look at, rising, before all of them.

    Returns:
        Token ids of shape [rows].
    """
    tokens = torch.empty(len(logits), dtype=torch.long, device=logits.device)
    for rows, ids, weights in _nuclei(logits, decoding, largest):
        tokens[rows] = _inverse_cdf(ids, weights, uniform[rows])
    return tokens


def candidates(
    logits: torch.Tensor, top_p: float, largest: Sequence[int] = LARGEST
) -> torch.Tensor:
    """The tokens that contrast decoding may draw: the nucleus of the condition's own distribution.

    A contrast says how much more likely a token is, not that it is likely: without such a limit, tokens
    that no variant would write win by the ratio of two tiny probabilities (Li et al. 2023, "Contrastive
    Decoding", the plausibility constraint; DExperts filters its base model for the same reason).

    Args:
        logits: [rows, vocabulary] of the condition itself.
        top_p: mass of the nucleus.
        largest: how many logits to look at, rising, before all of them.

    Returns:
        bool [rows, vocabulary].
    """
    kept = torch.zeros_like(logits, dtype=torch.bool)
    for rows, ids, weights in _nuclei(logits, DecodingArgs(top_p=top_p), largest):
        kept[rows] = kept[rows].scatter(1, ids, weights > 0)
    return kept


def _nuclei(
    logits: torch.Tensor, decoding: DecodingArgs, largest: Sequence[int]
) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    """(rows, ids, weights): each row's `nucleus` once, in as few looks as its mass allows."""
    vocabulary = logits.shape[-1]
    steps = largest if decoding.top_p < 1.0 else ()
    left = torch.arange(len(logits), device=logits.device)
    for looked_at in (*(n for n in steps if n < vocabulary), vocabulary):
        rows = logits if len(left) == len(logits) else logits[left]
        ids, weights, held = nucleus(rows, decoding, looked_at)
        yield left[held], ids[held], weights[held]
        left = left[~held]
        if not len(left):
            break


def _inverse_cdf(ids: torch.Tensor, weights: torch.Tensor, uniform: torch.Tensor) -> torch.Tensor:
    cumulated = weights.cumsum(-1)
    total = cumulated[:, -1:]
    # Below the total even after rounding, so that no token of weight 0 at the end can be drawn.
    point = torch.minimum(
        uniform.to(cumulated).unsqueeze(-1) * total, torch.nextafter(total, torch.zeros_like(total))
    )
    place = torch.searchsorted(cumulated, point, right=True)
    return ids.gather(-1, place).squeeze(-1)


def draw_for_groups(
    scores: torch.Tensor,
    uniform: torch.Tensor,
    decoding: DecodingArgs,
    weights: Sequence[float],
) -> torch.Tensor:
    """Draw one token per group of rows.

    Plain sampling has one variant of the condition; contrast decoding (docs/DECISIONS.md) has the condition
    itself and, after it, the condition with one attribute flipped for each weight.

    Args:
        scores: [variants · groups, vocabulary] logits, -inf where banned; row v · groups + g is variant v of
            group g.
        uniform: [groups], in [0, 1).
        decoding: how tokens are drawn.
        weights: of the flipped variants.

    Returns:
        Token ids of shape [groups].
    """
    variants = scores.unflatten(0, (1 + len(weights), -1))
    combined = contrast(variants, weights)
    if weights and decoding.contrast_top_p < 1.0:
        plausible = candidates(variants[0], decoding.contrast_top_p)
        combined = combined.masked_fill(~plausible, -torch.inf)
    return draw_tokens(combined, uniform, decoding)


def contrast(variants: torch.Tensor, weights: Sequence[float]) -> torch.Tensor:
    """logits(x|c) + Σ_a w_a · (log p(x|c) − log p(x|c with a flipped)), but for a constant per row.

    Logits stand in for log-probabilities: they differ by a constant per row, which no draw feels.

    Args:
        variants: [1 + weights, groups, vocabulary] logits: the condition's, then each flipped one's.
        weights: of the flipped variants.

    Returns:
        [groups, vocabulary]; -inf where the condition's own logits are.
    """
    own = variants[0]
    combined = own
    for weight, flipped in zip(weights, variants[1:], strict=True):
        # A token banned under one variant alone (an n-gram with a control token) is not contrasted.
        both = own.isfinite() & flipped.isfinite()
        combined = combined + weight * (own - flipped).where(both, 0.0)
    return combined
