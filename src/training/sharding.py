"""A model whose weights are sharded over the processes, and what it looks like whole."""

from __future__ import annotations

from typing import cast

import torch
from torch import nn
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from transformers import PreTrainedModel

from src.models.control_rows import merge_rows

WHOLE = StateDictOptions(full_state_dict=True, cpu_offload=True)


def shard(model: PreTrainedModel, device: torch.device, processes: int) -> None:
    """Shard a model in place: each block by itself, the embedding and the head together.

    Outside a forward or backward pass every parameter is a DTensor, of which this process holds its part.

    Args:
        model: whole, on the device.
        device: where it is computed.
        processes: that share it: all of the group.
    """
    mesh = init_device_mesh(device.type, (processes,))
    layers = model.config.get_text_config().num_hidden_layers
    stacks = [m for m in model.modules() if isinstance(m, nn.ModuleList) and len(m) == layers]
    for block in stacks[0] if stacks else ():
        fully_shard(block, mesh=mesh)
    fully_shard(model, mesh=mesh)


def whole_weights(model: PreTrainedModel) -> dict[str, torch.Tensor]:
    """The state of a sharded model as `save_pretrained` takes it: whole tensors on the CPU.

    Every process must call it; all but the leading one get an empty dict.
    """
    state = cast("dict[str, torch.Tensor]", get_model_state_dict(model, options=WHOLE))
    for tied in model.all_tied_weights_keys:  # not written, as for a whole model
        state.pop(tied, None)
    merge_rows(model, state)
    return state
