"""Loading and running a transformers sequence classifier: fast, in batches of like lengths.

What `detoxify` and `huggingface` share. Imports torch and transformers: scorers import it when they
load, never when an args file is read.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterator, Sequence

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

from src.attributes.hub_models import local_only, require_safetensors
from src.errors import ProjectError, ScorerError, UnavailableError, first_line
from src.runtime import pick_device

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
        can_pad = tokenizer.pad_token_id is not None and model.config.pad_token_id is not None
        self.batch_size = batch_size if can_pad else 1

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
        encoded = self.tokenizer(
            texts, truncation=self.max_length is not None, max_length=self.max_length
        )
        order = sorted(range(len(texts)), key=lambda i: len(encoded["input_ids"][i]))
        lengths = [len(encoded["input_ids"][i]) for i in order]
        found = []
        with torch.autocast(self.device.type, torch.bfloat16, enabled=model is self._rounded):
            for batch in batches_of_like_length(lengths, self.batch_size):
                batch = [order[i] for i in batch]
                rows = {key: [values[i] for i in batch] for key, values in encoded.items()}
                if len(batch) == 1:  # also where the tokenizer has nothing to pad with
                    inputs = BatchEncoding(rows, tensor_type="pt")
                else:
                    inputs = self.tokenizer.pad(rows, return_tensors="pt")
                found.append(model(**inputs.to(self.device)).logits.float().cpu())
        in_order = torch.empty(len(texts), found[0].shape[1])
        in_order[order] = torch.cat(found)
        return in_order

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


def batches_of_like_length(lengths: Sequence[int], batch_size: int) -> Iterator[range]:
    """Cut rising lengths into batches in which no more than about a fifth can be padding.

    Args:
        lengths: of the texts, rising, in tokens.
        batch_size: most texts of a batch.
    """
    start = 0
    for end in range(1, len(lengths) + 1):
        full = end - start == batch_size
        if end == len(lengths) or full or lengths[end] > 1.25 * lengths[start] + 1:
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
    if tokenizer.model_max_length < NO_LIMIT:
        return tokenizer.model_max_length
    positions = getattr(model.config, "max_position_embeddings", None)
    if positions is None:
        return None
    # RoBERTa's relatives count positions from behind their padding index.
    padding_index = getattr(getattr(model.base_model, "embeddings", None), "padding_idx", None)
    return positions if padding_index is None else positions - padding_index - 1


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
        "local_files_only": local_only(name, revision),
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
