"""What a training minimises."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import nn

from src.models.target_nll import NO_TARGET, target_nll


def discriminative_loss(
    own: torch.Tensor, other: torch.Tensor, targets: torch.Tensor
) -> torch.Tensor:
    """−log p(own tokens | sentence), where the tokens are either its own or those with one exchanged.

    Of GeDi (Krause et al. 2021, "Generative Discriminator Guided Sequence Generation", equations 5 to 7): a
    class-conditional language model is a classifier by Bayes' rule, p(c|x) ∝ p(x|c), and is trained as
    one beside. Here with the log-likelihood of the whole sentence, where GeDi divides it by the length,
    and with one other class a sentence, drawn anew in each epoch.

    Args:
        own: nats of every target behind its sentence's own tokens, [targets].
        other: the same with one token exchanged.
        targets: as given to `target_nll`, [sentences, length].

    Returns:
        fp32 [sentences], at least 0; log 2 for a model that ignores its tokens.
    """
    sentence = (targets != NO_TARGET).nonzero()[:, 0]
    margin = torch.zeros(len(targets), device=own.device).index_add(0, sentence, other - own)
    return nn.functional.softplus(-margin)


def part_of_loss(
    model: nn.Module,
    batch: Mapping[str, torch.Tensor],
    banned_ids: Sequence[int],
    *,
    n_targets: int,
    n_exchanges: int,
    discrimination: float,
) -> torch.Tensor:
    """A batch's part of the loss of its whole step; the parts of all batches add up to it.

    The loss is the mean negative log-likelihood per target, and the weighted mean of the discriminative loss
    over the sentences that have a token to exchange.

    Args:
        model: a causal language model, also wrapped for data-parallel processes.
        batch: as `examples.batch_of_examples` makes it, on the model's device.
        banned_ids: tokens that get no probability: the control tokens.
        n_targets: of the whole step, over all batches and processes.
        n_exchanges: sentences of the whole step that have a token to exchange.
        discrimination: weight of the discriminative loss.
    """
    ids, mask, targets = (batch[name] for name in ("input_ids", "attention_mask", "targets"))
    exchanged = batch.get("exchanged_ids")
    if exchanged is None:
        return target_nll(model, ids, mask, targets, banned_ids).sum() / n_targets
    # In one pass: own tokens in the first half, exchanged ones in the second.
    twice = [torch.cat(pair) for pair in ((ids, exchanged), (mask, mask), (targets, targets))]
    own, other = target_nll(model, twice[0], twice[1], twice[2], banned_ids).chunk(2)
    apart = discriminative_loss(own, other, targets)[batch["has_exchange"]]
    return own.sum() / n_targets + discrimination * apart.sum() / n_exchanges
