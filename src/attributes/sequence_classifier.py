"""Loading and running a transformers sequence classifier: fast, in batches of like lengths.

What `detoxify` and `huggingface` share. Imports torch and transformers: scorers import it when they
load, never when an args file is read.
"""

from __future__ import annotations

import copy
import hashlib
import itertools
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BatchEncoding,
    BertForSequenceClassification,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    RobertaForSequenceClassification,
    XLMRobertaForSequenceClassification,
)

from src.errors import ProjectError, ScorerError, UnavailableError, first_line
from src.pretrained.context_length import context_length
from src.pretrained.hub_models import require_model, require_safetensors
from src.runtime.device import pick_device

logger = logging.getLogger(__name__)

NO_LIMIT = 10**6  # transformers writes a number like 1e30 where a tokenizer has no length limit


class SequenceClassifier:
    """A classifier and its tokenizer on one device."""

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        device: str = "auto",
        batch_size: int = 32,
        precision: str = "fp32",
        max_length: int | None = None,
    ) -> None:
        """Args:

        model: the classifier, in fp32.
        tokenizer: its tokenizer.
        device: `auto`, `cpu`, `cuda`, `cuda:1`, `mps`.
        batch_size: texts computed at once.
        precision: `fp32`, or `bf16` for matrix products in bfloat16.
        max_length: longer texts are cut, in tokens; None takes what the model can read.
        """
        self.device = pick_device(device)
        self.model = model.eval()
        self._rounded: PreTrainedModel | None = None
        if self.device.type == "cpu":  # its fused attention is slow for texts as short as sentences
            self.model.set_attn_implementation("eager")
        only_first_position_at_the_end(self.model)
        self.tokenizer = tokenizer
        self.precision = precision
        limits = [limit for limit in (max_length, _readable(model, tokenizer)) if limit is not None]
        self.max_length = min(limits, default=None)
        # Without a padding token some models refuse more than one row, whatever the lengths.
        self.batch_size = batch_size if model.config.pad_token_id is not None else 1
        self._padding: Padding | None = None
        self._padding_tried = False

    @torch.inference_mode()
    def logits(self, texts: list[str], precision: str | None = None) -> torch.Tensor:
        """Raw outputs, float32 on the CPU, shape [len(texts), n_outputs], in the texts' order.

        Texts are computed in order of their length, so that little of a batch is padding. The same
        texts in one call give the same bytes; a text's numbers can differ by about 1e-7 in the
        company of others.

        Args:
            texts: any number of them.
            precision: `fp32` or `bf16`; None is the classifier's own.
        """
        model = self._model(precision or self.precision)
        encoded = self._encoded(texts)
        order = sorted(range(len(texts)), key=lambda i: len(encoded["input_ids"][i]))
        lengths = [len(encoded["input_ids"][i]) for i in order]
        found = []
        with torch.autocast(self.device.type, torch.bfloat16, enabled=model is self._rounded):
            padding = self._padding_that_changes_nothing() if lengths[0] < lengths[-1] else None
            for batch in batches_of_like_length(
                lengths, self.batch_size, padded=padding is not None
            ):
                batch = [order[i] for i in batch]
                rows = {key: [values[i] for i in batch] for key, values in encoded.items()}
                inputs = _tensors(rows, padding)
                found.append(model(**inputs.to(self.device)).logits.float().cpu())
        in_order = torch.empty(len(texts), found[0].shape[1])
        in_order[order] = torch.cat(found)
        return in_order

    def _encoded(self, texts: list[str]) -> BatchEncoding:
        cut = self.max_length is not None
        return self.tokenizer(texts, truncation=cut, max_length=self.max_length)

    def _padding_that_changes_nothing(self) -> Padding | None:
        """How to pad rows of a batch so that each gets the outputs that it has alone; None: not at all.

        Found by trying, once: models find the first or the last token of a text in ways of their own,
        some by comparing with a padding id that is not their tokenizer's, and not all heed the mask.
        """
        if self.batch_size == 1 or self._padding_tried:
            return self._padding
        self._padding_tried = True
        model, trial = self._model("fp32"), self._encoded(list(_TRIAL))
        with torch.autocast(self.device.type, enabled=False):
            alone = torch.cat(
                [
                    _logits(model, {key: [values[i]] for key, values in trial.items()}, None)
                    for i in range(len(_TRIAL))
                ]
            )
            for padding in _paddings(model, self.tokenizer):
                if _is_rounding(_logits(model, trial, padding) - alone, alone):
                    self._padding = padding
                    return padding
        logger.warning(
            "%s gives texts padded to one length other scores than alone: only texts of one length are "
            "computed together, which is slower",
            type(model).__name__,
        )
        return None

    def _model(self, precision: str) -> PreTrainedModel:
        """The model on its device; only now: a process that hashes weights needs no accelerator."""
        self.model.to(self.device)
        if precision == "fp32":
            return self.model
        if self._rounded is None:
            self._rounded = _with_rounded_matrices(self.model)
        return self._rounded

    def weights_sha256(self) -> dict[str, str]:
        """Hex sha256 of the weights and of the tokenizer, whatever files they came from."""
        digest = hashlib.sha256()
        for name, tensor in sorted(self.model.state_dict().items()):
            digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
            flat = tensor.detach().cpu().contiguous().reshape(-1)
            digest.update(flat.view(torch.uint8).numpy().data)
        return {"weights": digest.hexdigest(), "tokenizer": _vocabulary_sha256(self.tokenizer)}


@dataclass(frozen=True)
class Padding:
    """What rows of a batch are padded with, and on which side."""

    token_id: int
    side: Literal["left", "right"]
    type_id: int

    def fill(self, key: str, row: list[int], width: int) -> list[int]:
        """One of a text's inputs, filled up to a width; the mask is 0 at padding."""
        value = {"input_ids": self.token_id, "token_type_ids": self.type_id}.get(key, 0)
        filler = [value] * (width - len(row))
        return filler + row if self.side == "left" else row + filler


# Texts of unlike lengths, to try how a model takes padding.
_TRIAL = (
    "Yes.",
    "The old gardener opened the window.",
    "A visiting engineer counted three red boxes, and nobody said a word about it afterwards.",
)
_ROUNDING = 1e-3
"""Largest difference that is rounding in fp32, in standard deviations of the trial's outputs. Measured on the
kinds of tests/unit/attributes/test_sequence_classifier.py: rounding is below 1e-5, a fault above 1."""


def _paddings(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> Iterator[Padding]:
    """Ways to pad, the tokenizer's own first."""
    sides = sorted(("right", "left"), key=lambda side: side != tokenizer.padding_side)
    named = (tokenizer.pad_token_id, model.config.pad_token_id)
    ids = dict.fromkeys(i for i in named if i is not None and i >= 0)
    for side, token_id in itertools.product(sides, ids):
        yield Padding(token_id, side, tokenizer.pad_token_type_id)


def _tensors(rows: Mapping[str, list[list[int]]], padding: Padding | None) -> BatchEncoding:
    """Rows of inputs as tensors [rows, longest]; of one length where there is no padding."""
    if padding is not None:
        width = max(map(len, rows["input_ids"]))
        rows = {
            key: [padding.fill(key, row, width) for row in values] for key, values in rows.items()
        }
    return BatchEncoding(dict(rows), tensor_type="pt")


def _logits(
    model: PreTrainedModel, rows: Mapping[str, list[list[int]]], padding: Padding | None
) -> torch.Tensor:
    return model(**_tensors(rows, padding).to(model.device)).logits.float().cpu()


def _is_rounding(apart: torch.Tensor, alone: torch.Tensor) -> bool:
    """Whether outputs [texts, outputs] differ by no more than rounding; NaN is a difference."""
    tolerance = _ROUNDING * alone.std(0) + 1e-6 * alone.abs().max()
    return bool((apart.abs() <= tolerance).all())


def batches_of_like_length(
    lengths: Sequence[int], batch_size: int, *, padded: bool = True
) -> Iterator[range]:
    """Cut rising lengths into batches in which no more than about a fifth can be padding.

    Args:
        lengths: of the texts, rising, in tokens.
        batch_size: most texts of a batch.
        padded: False: the texts of a batch are of one length.
    """
    start = 0
    for end in range(1, len(lengths) + 1):
        full = end - start == batch_size
        longest = 1.25 * lengths[start] + 1 if padded else lengths[start]
        if end == len(lengths) or full or lengths[end] > longest:
            yield range(start, end)
            start = end


def only_first_position_at_the_end(model: PreTrainedModel) -> None:
    """Let BERT's and RoBERTa's last layer compute the first position alone: the others' outputs go unread.

    The classifier reads the first position. Keys and values of the last layer are still those of all
    positions. It saves a sixteenth of all work; other models are left as they are.
    """
    kinds = (
        BertForSequenceClassification,
        RobertaForSequenceClassification,
        XLMRobertaForSequenceClassification,
    )
    if isinstance(model, kinds):
        attention = model.base_model.encoder.layer[-1].attention
        attention.output.register_forward_pre_hook(_first_position)


def _first_position(_: nn.Module, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    return tuple(states[:, :1] for states in inputs)


def _with_rounded_matrices(model: PreTrainedModel) -> PreTrainedModel:
    """A copy whose linear layers are in bf16 but for the classifier's own, and which shares all else.

    autocast alone would round the weights anew at each use, and the outputs too: an output of -6.9 (a
    probability of 0.001) would become one of the multiples of 0.03.
    """
    rounded = {
        id(parameter): nn.Parameter(parameter.detach().bfloat16(), requires_grad=False)
        for module in model.base_model.modules()
        if isinstance(module, nn.Linear)
        for parameter in module.parameters(recurse=False)
    }
    shared = {id(one): one for one in (*model.parameters(), *model.buffers())}
    made = copy.deepcopy(model, shared | rounded)
    for name, child in made.named_children():
        if child is not made.base_model:
            setattr(made, name, _InFp32(child))
    return made


class _InFp32(nn.Module):
    """A module computed in fp32, also where autocast is on."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        with torch.autocast(states.device.type, enabled=False):
            return self.inner(states.float())


def _vocabulary_sha256(tokenizer: PreTrainedTokenizerBase) -> str:
    tokens = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
    return hashlib.sha256(repr(tokens).encode("utf-8", "surrogatepass")).hexdigest()


def _readable(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> int | None:
    """The longest text that a model can read, in tokens; None where nothing limits it."""
    limits = [tokenizer.model_max_length] if tokenizer.model_max_length < NO_LIMIT else []
    positions = context_length(model.config)
    if positions is not None:
        # RoBERTa's relatives count positions from behind their padding index.
        padding_index = getattr(getattr(model.base_model, "embeddings", None), "padding_idx", None)
        limits.append(positions if padding_index is None else positions - padding_index - 1)
    return min(limits, default=None)


def load_classifier(
    name: str, revision: str | None = None
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A text classifier from a local folder in the hub's format, or from the hub.

    Weights come from safetensors alone; code that comes with a model is never run.

    Args:
        name: a folder, or `owner/name` on the hub.
        revision: commit, tag or branch on the hub.

    Raises:
        UnavailableError: no such folder, and the hub cannot be reached or does not have it.
        UserError: its weights are no safetensors.
        ScorerError: it is there and is no trained text classifier.
    """
    where = {
        "revision": revision or "main",
        "local_files_only": require_model(name, revision),
        "trust_remote_code": False,
    }
    try:
        config = AutoConfig.from_pretrained(name, **where)
        require_safetensors(name)
        model, info = AutoModelForSequenceClassification.from_pretrained(
            name,
            config=config,
            dtype=torch.float32,
            use_safetensors=True,
            weights_only=True,
            output_loading_info=True,
            **where,
        )
        tokenizer = AutoTokenizer.from_pretrained(name, **where)
    except OSError as error:
        raise UnavailableError(
            f"the classifier {name!r} cannot be loaded: {first_line(error)}",
            fix="set another model, or a folder with config.json, weights and tokenizer",
        ) from error
    except ProjectError:
        raise
    except Exception as error:
        # Not narrower: the folder is a stranger's, and of a file that is not as expected transformers lets
        # through whatever breaks first (KeyError, AttributeError …); tokenizers raises a bare Exception.
        raise ScorerError(
            f"{name!r} cannot be used as a text classifier: {first_line(error)}"
        ) from error
    require_all_weights(name, info["missing_keys"])
    return model, tokenizer


def require_all_weights(name: str, missing: set[str] | list[str]) -> None:
    """Refuse a model some of whose weights are not in its file: transformers fills them at random.

    Raises:
        ScorerError: with the first few names.
    """
    if missing:
        raise ScorerError(
            f"{name!r} is not a trained text classifier: it has no weights for "
            + ", ".join(sorted(missing)[:4]),
            fix="set a model that was trained to classify",
        )
