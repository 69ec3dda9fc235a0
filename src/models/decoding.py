"""Next-token logits of many texts at a time, from any causal language model that transformers has.

Models differ in what they keep between tokens (keys and values, a recurrent state, nothing) and in whether
they heed the padding of a batch. So each model is tried once, when it is loaded: a batch has to give what
every row gives alone, and the fastest way that does is taken. A model with no such way is refused.
"""

from __future__ import annotations

import inspect
import itertools
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import PreTrainedModel

from src.errors import UserError, first_line

logger = logging.getLogger(__name__)

CACHES = ("past_key_values", "cache_params")
"""What models call what they keep: most of them; Mamba's kind."""
TOLERANCE = 1e-3
"""Largest difference that counts as rounding in fp32, in standard deviations of a row's logits. Over 141
kinds of models in tiny shapes, rounding stayed below 5e-5, and the smallest fault was 3e-2."""


@dataclass(frozen=True)
class Batching:
    """How a model computes a batch so that every row comes out as it does alone.

    Attributes:
        padded: rows of unlike lengths go together, padded on the left; else only rows of one length.
        cached: what was computed of earlier tokens is kept; else every token computes its whole text anew.
        shrinks: finished rows can be taken out of what is kept.
        positions: each token is given its place; else the model counts by itself, as RoBERTa's kind, which
            begins behind its padding index.
    """

    padded: bool
    cached: bool
    shrinks: bool
    positions: bool

    def __str__(self) -> str:
        slower = [
            *(() if self.padded else ("rows of one length at a time",)),
            *(() if self.cached else ("the whole text anew for each token",)),
            *(() if self.shrinks else ("finished rows go on to the end of their batch",)),
        ]
        return ", ".join(slower) or "padded batches with a cache"


BATCHINGS = tuple(
    Batching(padded, cached, shrinks, positions)
    for cached, padded, shrinks, positions in itertools.product((True, False), repeat=4)
    if shrinks or cached
)
"""The fastest first."""


class GrowingBatch:
    """Rows of token ids that grow by one token at a time, all rows alike."""

    def __init__(
        self,
        model: PreTrainedModel,
        rows: Sequence[Sequence[int]],
        padding: int,
        batching: Batching,
    ) -> None:
        """Args:

        model: in evaluation mode, on its device.
        rows: token ids, none empty; of one length where `batching` is not padded.
        padding: id that fills shorter rows on the left: a model goes on from what stands at the end.
        batching: what the model was found to be able to.
        """
        self._model, self._batching = model, batching
        self._accepts = frozenset(inspect.signature(model.forward).parameters)
        width = max(map(len, rows))
        self.ids = torch.tensor(
            [[padding] * (width - len(row)) + list(row) for row in rows], device=model.device
        )
        lengths = torch.tensor([len(row) for row in rows], device=model.device)
        places = torch.arange(width, device=model.device)
        self._mask = (places >= width - lengths.unsqueeze(1)).long()
        self._has_padding = len(set(map(len, rows))) > 1
        self._kept: dict[str, Any] = {}

    def next_logits(self) -> torch.Tensor:
        """Logits of each row's next token, fp32 [rows, vocabulary]."""
        new = self.ids[:, -1:] if self._kept else self.ids
        given: dict[str, Any] = {"use_cache": self._batching.cached, "logits_to_keep": 1}
        if self._has_padding:
            given["attention_mask"] = self._mask
        if self._batching.positions:
            places = (self._mask.cumsum(-1) - 1).clamp(min=0)
            given["position_ids"] = places[:, -new.shape[1] :]
        known = {name: value for name, value in given.items() if name in self._accepts}
        output = self._model(input_ids=new, **known, **self._kept)
        if self._batching.cached:
            self._kept = _what_it_keeps(output, self._accepts)
        return output.logits[:, -1].to(torch.float32, copy=True)

    def append(self, tokens: torch.Tensor) -> None:
        """Let each row grow by a token.

        Args:
            tokens: ids, [rows].
        """
        self.ids = torch.cat([self.ids, tokens.unsqueeze(1)], dim=1)
        self._mask = torch.nn.functional.pad(self._mask, (0, 1), value=1)

    def keep(self, rows: torch.Tensor) -> None:
        """Go on with some rows alone; only where the batching `shrinks`.

        Args:
            rows: their places, rising.
        """
        self.ids, self._mask = self.ids[rows], self._mask[rows]
        for kept in self._kept.values():
            kept.reorder_cache(rows)


def _what_it_keeps(output: Any, accepts: frozenset[str]) -> dict[str, Any]:
    """The model's cache by the name under which it wants it back.

    Raises:
        LookupError: it keeps nothing.
    """
    for name in CACHES:
        if name in accepts and output.get(name) is not None:
            return {name: output[name]}
    raise LookupError("it keeps nothing between tokens")


# -------------------------------------------------------------------------------------- which way

_N_NEW, _N_BEFORE_SHRINKING = 5, 2
_PADDED_LENGTHS, _EQUAL_LENGTHS = (1, 4, 11), (6, 6, 6)
_KEPT = (0, 2)


def find_batching(model: PreTrainedModel, name: str) -> Batching:
    """The fastest way in which a batch of this model gives what its rows give alone.

    It depends on the model's kind, not on its weights. Three short rows of random tokens grow by five
    tokens, one row leaves in between; alone they are read in one go, without cache or padding, as in
    training.

    Args:
        model: in fp32, on its device; its training mode is restored.
        name: for messages.

    Raises:
        UserError: it cannot read plain token ids, looks ahead, or no way gives what rows give alone.
    """
    was_training = model.training
    model.eval()
    try:
        check_reads(model, name)
        found = _fastest_that_fits(model, name)
    finally:
        model.train(was_training)
    if found is None:
        raise UserError(
            f"model {name!r} cannot write here: a batch gives something else than its rows alone",
            got=model.config.model_type,
            fix=_CHOOSE,
        )
    if not (found.padded and found.cached and found.shrinks):
        logger.info("%s writes more slowly than most models: %s", name, found)
    return found


@torch.inference_mode()
def _fastest_that_fits(model: PreTrainedModel, name: str) -> Batching | None:
    equal, padded = (_Trial(model, name, lengths) for lengths in (_EQUAL_LENGTHS, _PADDED_LENGTHS))
    for batching in BATCHINGS:
        trials = (padded, equal) if batching.padded else (equal,)
        if all(trial.comes_out_alike(batching) for trial in trials):
            return batching
    return None


_CHOOSE = "choose another base model, such as gpt2 or one of llama's kind"


class _Trial:
    """Rows of random tokens, and their logits when each is read alone."""

    def __init__(self, model: PreTrainedModel, name: str, lengths: Sequence[int]) -> None:
        self._model = model
        self.rows = [
            _random_ids(model, length + _N_NEW, seed) for seed, length in enumerate(lengths)
        ]
        self._alone = [_logits(model, name, [row])[0, -_N_NEW - 1 : -1] for row in self.rows]

    def comes_out_alike(self, batching: Batching) -> bool:
        """Whether a batch gives what the rows give alone."""
        try:
            found = self._grown(batching)
        except Exception as error:
            # Not narrower: whatever a model's code raises where it is not made for this way of computing.
            # The next way is tried; where none is left, the model is refused.
            logger.debug("%s: %s", batching, first_line(error))
            return False
        return all(map(_alike, found, self._expected(batching)))

    def _grown(self, batching: Batching) -> list[torch.Tensor]:
        """Logits of every row at every step."""
        fronts = [row[:-_N_NEW] for row in self.rows]
        batch = GrowingBatch(self._model, fronts, padding=self.rows[0][0], batching=batching)
        left, found = list(range(len(self.rows))), []
        for step in range(_N_NEW):
            if step == _N_BEFORE_SHRINKING and batching.shrinks:
                batch.keep(torch.tensor(_KEPT, device=batch.ids.device))
                left = list(_KEPT)
            found += list(batch.next_logits())
            new = [self.rows[i][step - _N_NEW] for i in left]
            batch.append(torch.tensor(new, device=batch.ids.device))
        return found

    def _expected(self, batching: Batching) -> list[torch.Tensor]:
        """The rows' logits alone, in the order of `_grown`."""
        gone = _N_BEFORE_SHRINKING if batching.shrinks else _N_NEW
        return [
            alone[step]
            for step in range(_N_NEW)
            for i, alone in enumerate(self._alone)
            if step < gone or i in _KEPT
        ]


def _random_ids(model: PreTrainedModel, length: int, seed: int) -> list[int]:
    """Ordinary tokens, as far as the config tells."""
    config = model.config.get_text_config()
    named = [getattr(config, f"{kind}_token_id", None) for kind in ("bos", "eos", "pad")]
    special = {i for one in named for i in (one if isinstance(one, list) else [one])}
    size = model.get_input_embeddings().weight.shape[0]
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randint(size, (length + 64,), generator=generator).tolist()
    return [i for i in drawn if i not in special][:length]


def _logits(model: PreTrainedModel, name: str, rows: Sequence[Sequence[int]]) -> torch.Tensor:
    """Logits of rows padded on the right, as in training, fp32 [rows, longest, vocabulary]."""
    width = max(map(len, rows))
    ids = torch.tensor([[*row, *[rows[0][0]] * (width - len(row))] for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])
    given = {"input_ids": ids.to(model.device), "attention_mask": mask.to(model.device)}
    try:
        return model(**given, use_cache=False).logits.float()
    except Exception as error:  # as in `comes_out_alike`
        raise UserError(
            f"model {name!r} cannot read a plain text ({first_line(error)})",
            got=model.config.model_type,
            fix=_CHOOSE,
        ) from error


@torch.inference_mode()
def check_reads(model: PreTrainedModel, name: str) -> None:
    """Whether a model can be trained on texts and say how likely they are, many at a time.

    Args:
        model: in fp32, on its device, in evaluation mode.
        name: for messages.

    Raises:
        UserError: it cannot read plain token ids, what it says of a token depends on the tokens after it
            (its training loss would fall to nothing, and its perplexity mean nothing), or texts padded on
            the right are read otherwise than alone.
    """
    rows = [_random_ids(model, length, seed) for seed, length in enumerate(_PADDED_LENGTHS)]
    alone = [_logits(model, name, [row])[0] for row in rows]
    half = len(rows[-1]) // 2
    if not _alike(_logits(model, name, [rows[-1][:half]])[0, -1], alone[-1][half - 1]):
        raise UserError(
            f"model {name!r} looks ahead: what it says of a token depends on the tokens after it",
            got=model.config.model_type,
            fix=f"{_CHOOSE} (of BERT's kind: is_decoder: true in its config)",
        )
    together = _logits(model, name, rows)
    for found, expected in zip(together, alone, strict=True):
        if not all(map(_alike, found[: len(expected)], expected)):
            raise UserError(
                f"model {name!r} reads texts that are padded on the right otherwise than alone",
                got=model.config.model_type,
                fix=_CHOOSE,
            )


def _alike(logits: torch.Tensor, alone: torch.Tensor) -> bool:
    """Whether two rows of logits, [vocabulary], are one distribution but for rounding."""
    apart = (logits.log_softmax(-1) - alone.log_softmax(-1)).abs().max()
    return bool(apart <= TOLERANCE * alone.std() + torch.finfo(alone.dtype).eps)
