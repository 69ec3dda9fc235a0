"""log p(text | condition): the training loss, perplexity and control AUC, from one piece of code.

So a checkpoint's validation loss, a report's perplexity and the loss that is minimised mean the same: the
negative log-likelihood in nats of the targets (the text and its end-of-text token; never the start or a
control token), under a distribution from which control tokens are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from src.errors import DataError
from src.models.control_tokens import (
    Attributes,
    control_ids,
    encode_continuation,
    encode_sentence,
    text_ids,
)
from src.models.language_model import Precision, autocast
from src.models.target_nll import batch_of, shift, target_nll
from src.pretrained.context_length import context_length
from src.runtime.console import progress
from src.statistics.auc import auc_estimate
from src.statistics.estimate import Estimate

_BATCH_TOKENS = {"cpu": 1024}
_BATCH_TOKENS_ELSEWHERE = 8192


def sequence_nll(
    model: PreTrainedModel,
    sequences: Sequence[Sequence[int]],
    n_fronts: Sequence[int],
    banned_ids: Sequence[int],
    *,
    precision: Precision = "fp32",
    batch_tokens: int | None = None,
    what: str = "likelihood",
) -> tuple[np.ndarray, np.ndarray]:
    """Summed negative log-likelihood of the targets of many sequences, batched by length.

    Args:
        model: on its device; its training mode is restored afterwards.
        sequences: token ids.
        n_fronts: per sequence, the tokens at its front that are never targets.
        banned_ids: tokens that get no probability.
        precision: of the matrix products.
        batch_tokens: tokens of a batch with its padding; None: what suits the device.
        what: name of the progress bar.

    Returns:
        (sums in nats, numbers of targets), each of shape [sequences], in the order given. A sequence without
        a target has (0, 0).

    Raises:
        DataError: a sequence is longer than the model's context.
    """
    counts = np.array([len(s) - n for s, n in zip(sequences, n_fronts, strict=True)], np.int64)
    sums = np.zeros(len(sequences))
    _check_lengths(model, sequences)
    was_training = model.training
    model.eval()
    with torch.no_grad(), progress(what=what, total=len(sequences), unit="text") as bar:
        size = batch_tokens or _BATCH_TOKENS.get(model.device.type, _BATCH_TOKENS_ELSEWHERE)
        for batch in _batches_by_length(sequences, counts, size):
            shifted = [shift(sequences[i], n_fronts[i]) for i in batch]
            tensors = [tensor.to(model.device) for tensor in batch_of(shifted, 0)]
            with autocast(model.device, precision):
                nll = target_nll(model, *tensors, banned_ids).double().cpu()
            parts = nll.split([int(counts[i]) for i in batch])
            sums[batch] = [float(part.sum()) for part in parts]
            bar.update(len(batch))
    model.train(was_training)
    return sums, counts


def _check_lengths(model: PreTrainedModel, sequences: Sequence[Sequence[int]]) -> None:
    context = context_length(model.config)
    longest = max(map(len, sequences), default=0) - 1  # the last token is only predicted
    if context is not None and longest > context:
        raise DataError(
            f"a text is longer than the context of the model {model.config.model_type}",
            got=f"{longest} tokens",
            allowed=f"{context} tokens",
            fix="leave out or cut long prompts, or choose a model with a longer context",
        )


def _batches_by_length(
    sequences: Sequence[Sequence[int]], counts: np.ndarray, batch_tokens: int
) -> Iterator[list[int]]:
    """Indices of the sequences that have targets, longest first, in batches."""
    order = sorted(np.flatnonzero(counts > 0), key=lambda i: (-len(sequences[i]), i))
    start = 0
    while start < len(order):
        size = max(1, batch_tokens // len(sequences[order[start]]))
        yield [int(i) for i in order[start : start + size]]
        start += size


# ------------------------------------------------------------------------- sentences and conditions


def sentence_log_likelihoods(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    texts: Sequence[str],
    labels: Sequence[Mapping[str, str]],
    attributes: Attributes,
    *,
    precision: Precision = "fp32",
    batch_tokens: int | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """log p(sentence | labels), the end-of-text token included.

    Args:
        model: a model trained by stage 2.
        tokenizer: its tokenizer, with the control tokens of `attributes`.
        texts: clean sentences.
        labels: per sentence, attribute → label; only these are rendered, {} asks for nothing.
        attributes: all of the data set's: they fix the rendering order and what is banned.
        precision: of the matrix products.
        batch_tokens: tokens of a batch with its padding; None: what suits the device.

    Returns:
        (log-likelihoods in nats, numbers of targets), each of shape [texts].
    """
    encoded = [
        encode_sentence(tokenizer, ids, own, attributes)
        for ids, own in zip(text_ids(tokenizer, texts), labels, strict=True)
    ]
    sums, counts = sequence_nll(
        model,
        [ids for ids, _ in encoded],
        [n_front for _, n_front in encoded],
        control_ids(tokenizer, attributes),
        precision=precision,
        batch_tokens=batch_tokens,
    )
    return -sums, counts


def control_auc(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    texts: Sequence[str],
    labels: Sequence[Mapping[str, str]],
    attributes: Attributes,
    condition_on: Sequence[str],
    *,
    own: np.ndarray | None = None,
    precision: Precision = "fp32",
    batch_tokens: int | None = None,
) -> dict[str, Estimate]:
    """How well the model tells labels apart by the tokens that ask for them.

    For attribute a, every sentence gets s = log p(sentence | a = highest label) − log p(sentence | a =
    lowest label), its other attributes at their own labels. The AUC is the chance that a sentence of the
    highest label has a larger s than one of the lowest; a tie counts half. 0.5 is a model that ignores the
    token. s is a log-likelihood ratio of the whole sentence, not per token: a long sentence is more evidence.
    Sentences of labels in between take no part.

    Args:
        texts: clean sentences, labelled by the scorers.
        labels: per sentence, its own label of every attribute in `condition_on`.
        attributes: all of the data set's.
        condition_on: the attributes that the model was trained with.
        own: log p(sentence | own labels of `condition_on`), where it is known already: saves a pass.
        (the other arguments are those of `sentence_log_likelihoods`)

    Returns:
        attribute → AUC in [0, 1], with its interval over sentences.

    Raises:
        DataError: an attribute's highest or lowest label has no sentence.
    """
    labels = [{name: row[name] for name in condition_on} for row in labels]

    def score(which: Sequence[int], rows: Sequence[Mapping[str, str]]) -> np.ndarray:
        return sentence_log_likelihoods(
            model,
            tokenizer,
            [texts[i] for i in which],
            rows,
            attributes,
            precision=precision,
            batch_tokens=batch_tokens,
        )[0]

    if own is None and condition_on:
        own = score(range(len(texts)), labels)
    result = {}
    for name in condition_on:
        low, high = attributes[name].labels[0], attributes[name].labels[-1]
        ends = [i for i, row in enumerate(labels) if row[name] in (low, high)]
        is_high = np.array([labels[i][name] == high for i in ends], dtype=bool)
        if not is_high.any() or is_high.all():
            raise DataError(
                f"control AUC of {name} needs sentences of both {low!r} and {high!r}",
                got=f"{int((~is_high).sum())} and {int(is_high.sum())}",
                fix="score more validation sentences",
            )
        flipped = [labels[i] | {name: low if labels[i][name] == high else high} for i in ends]
        other = score(ends, flipped)
        ratio = np.where(is_high, own[ends] - other, other - own[ends])
        result[name] = auc_estimate(ratio[is_high], ratio[~is_high])
    return result


# -------------------------------------------------------------------------------------- perplexity


def continuation_nll(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    continuations: Sequence[str],
    *,
    banned_ids: Sequence[int] = (),
    precision: Precision = "fp32",
    batch_tokens: int | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Negative log-likelihood of continuations given their prompts, under a reference model.

    The text prompt + continuation is tokenised as a whole, as the reference would read it, after its start
    token. Targets are the tokens that end inside the continuation: one that spans the border counts, and
    so nothing of a continuation is lost where a merge crosses it. End-of-text is no target: a
    continuation may have been cut at its greatest length.

    Args:
        model: the reference model.
        tokenizer: the reference model's own.
        prompts: without control tokens; "" for a text from scratch.
        continuations: as they follow the prompts, with their leading space.
        banned_ids: tokens that get no probability (a trained model's control tokens).
        precision: of the matrix products.
        batch_tokens: tokens of a batch with its padding; None: what suits the device.

    Returns:
        (sums in nats, numbers of tokens), each of shape [prompts]; an empty continuation has (0, 0).
        Perplexity is exp(sums.sum() / numbers.sum()).

    Raises:
        DataError: a text is longer than the reference model's context.
    """
    encoded = [
        encode_continuation(tokenizer, prompt, continuation)
        for prompt, continuation in zip(prompts, continuations, strict=True)
    ]
    return sequence_nll(
        model,
        [ids for ids, _ in encoded],
        [n_front for _, n_front in encoded],
        banned_ids,
        precision=precision,
        batch_tokens=batch_tokens,
        what="perplexity",
    )
