"""The control tokens' rows in a model's embedding: how they start, learn apart, and are saved merged."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.distributed.tensor import DTensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from src.models.control_tokens import Attributes, condition_ids, control_ids, text_ids
from src.runtime.randomness import keyed_hash

CONTROL_ROWS = "control_rows"


def initialise_rows(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    attributes: Attributes,
    *,
    from_words: bool,
    seed: int,
) -> None:
    """Give every control token a row in the embedding and a start value.

    A row starts from the mean embedding of the attribute's words for its label; without words, from the
    mean of all rows plus noise of a tenth of their spread (equal rows could not be told apart).

    Args:
        model: changed in place; its embedding grows where the tokenizer outgrew it.
        from_words: False ignores the words.
        seed: seed of the noise, drawn per label from a generator of its own.
    """
    # Only the base model's own rows count for the mean: rows beyond them hold nothing yet.
    known = min(
        model.get_input_embeddings().weight.shape[0], min(control_ids(tokenizer, attributes))
    )
    n_rows = 1 + max(tokenizer.get_vocab().values())  # more than it has entries where ids have gaps
    if n_rows > model.get_input_embeddings().weight.shape[0]:
        model.resize_token_embeddings(n_rows, mean_resizing=False)
    weight = model.get_input_embeddings().weight
    with torch.no_grad():
        mean, spread = weight[:known].mean(0), weight[:known].std(0)
        for name, attribute in attributes.items():
            for label in attribute.labels:
                [row] = condition_ids(tokenizer, {name: label}, attributes)
                words = attribute.words.get(label, ()) if from_words else ()
                if words:
                    # With and without the space: inside a text and at its start.
                    forms = [form for word in words for form in (word, " " + word)]
                    ids = [i for ids in text_ids(tokenizer, forms) for i in ids]
                    weight[row] = weight[ids].mean(0)
                else:
                    generator = torch.Generator().manual_seed(keyed_hash(seed, "row", label) >> 1)
                    noise = torch.randn(mean.shape, generator=generator).to(mean)
                    weight[row] = mean + 0.1 * spread * noise


def train_rows_apart(model: PreTrainedModel, ids: Sequence[int]) -> nn.Parameter:
    """Make the control tokens' rows a parameter of their own, so that they can learn at their own rate.

    The embedding reads control tokens from the new parameter `control_rows` of shape
    [len(ids), hidden]; the table below keeps a mirror that `state_dict` refreshes and `load_state_dict`
    reads, so that every saved checkpoint is a plain Hugging Face one, tied output head included.

    Returns:
        The new parameter.
    """
    embedding = model.get_input_embeddings()
    row_ids = torch.tensor(list(ids), dtype=torch.long, device=embedding.weight.device)
    rows = nn.Parameter(embedding.weight.detach()[row_ids].clone())
    embedding.register_parameter(CONTROL_ROWS, rows)
    slot = torch.full((embedding.weight.shape[0],), -1, dtype=torch.long, device=row_ids.device)
    slot[row_ids] = torch.arange(len(row_ids), device=row_ids.device)
    embedding.register_buffer("control_slot", slot, persistent=False)
    # Some embeddings (Gemma's) scale what they read; the rows are stored unscaled, as in the table.
    scale = getattr(embedding, "embed_scale", 1.0)

    def read_rows(module: nn.Module, args: tuple, output: torch.Tensor) -> torch.Tensor:
        slots = module.control_slot[args[0]]
        found = nn.functional.embedding(slots.clamp(min=0), module.control_rows) * scale
        return torch.where((slots >= 0).unsqueeze(-1), found.to(output.dtype), output)

    def merge(module: nn.Module, state: dict, prefix: str, _: object) -> None:
        if isinstance(module.control_rows, DTensor):
            return  # sharded: `merge_rows` does it once the table is whole
        with torch.no_grad():
            module.weight[row_ids.to(module.weight.device)] = module.control_rows.to(
                module.weight.dtype
            )
        state.pop(prefix + CONTROL_ROWS, None)

    def split(module: nn.Module, state: dict, prefix: str, *_: object) -> None:
        table = state.get(prefix + "weight")
        if table is not None and prefix + CONTROL_ROWS not in state:
            state[prefix + CONTROL_ROWS] = table[row_ids.to(table.device)].clone()

    embedding.register_forward_hook(read_rows)
    embedding.register_state_dict_post_hook(merge)
    embedding.register_load_state_dict_pre_hook(split)
    return rows


def merge_rows(model: PreTrainedModel, state: dict[str, torch.Tensor]) -> None:
    """Merge the control tokens' rows into the table of a state that was gathered from a sharded model.

    Args:
        model: after `train_rows_apart`; without rows of their own nothing is to be done.
        state: whole tensors by name, changed in place; empty in a process that gathers none.
    """
    slot = getattr(model.get_input_embeddings(), "control_slot", None)
    for name in [name for name in state if name.split(".")[-1] == CONTROL_ROWS]:
        rows, table = state.pop(name), state[name.removesuffix(CONTROL_ROWS) + "weight"]
        ids = (slot >= 0).nonzero().squeeze(1)
        table[ids.to(table.device)] = rows[slot[ids].to(rows.device)].to(table.dtype)
