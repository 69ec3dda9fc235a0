"""A model whose weights are sharded over the processes, and checkpoints that do not show it.

What is saved holds whole tensors under their names in the model, whoever computed them. So a run can go on
with another number of processes, sharded or not.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_optimizer_state_dict,
)
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from transformers import PreTrainedModel

from src.control_rows import merge_rows

_WHOLE = StateDictOptions(full_state_dict=True, cpu_offload=True)


def shard(model: PreTrainedModel, device: torch.device, processes: int) -> None:
    """Shard a model in place: each block by itself, the embedding and the head together.

    Outside a forward or backward pass every parameter is a DTensor, of which this process holds its part.

    Args:
        model: whole, on the device.
        device: where it is computed.
        processes: that share it: all of the group.
    """
    mesh = init_device_mesh(device.type, (processes,))
    blocks = set(model._no_split_modules or ())
    for module in list(model.modules()):
        if type(module).__name__ in blocks:
            fully_shard(module, mesh=mesh)
    fully_shard(model, mesh=mesh)


def whole_weights(model: PreTrainedModel) -> dict[str, torch.Tensor]:
    """The state of a sharded model as `save_pretrained` takes it: whole tensors on the CPU.

    Every process must call it; all but the leading one get an empty dict.
    """
    state = get_model_state_dict(model, options=_WHOLE)
    for tied in model.all_tied_weights_keys:  # not written, as for a whole model
        state.pop(tied, None)
    merge_rows(model, state)
    return state


def save_optimiser(
    model: PreTrainedModel, optimiser: torch.optim.Optimizer, path: Path, *, write: bool
) -> None:
    """Write the optimiser's state by the names of the parameters. Every process must call it.

    Args:
        model: the one that the optimiser moves, sharded or whole.
        optimiser: torch's own.
        path: where to write.
        write: whether this process does.
    """
    state = get_optimizer_state_dict(model, optimiser, options=_WHOLE)
    if write:
        torch.save(state, path)


def load_optimiser(model: PreTrainedModel, optimiser: torch.optim.Optimizer, path: Path) -> None:
    """Read what `save_optimiser` wrote; each process takes the part that it needs."""
    state = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    set_optimizer_state_dict(model, optimiser, state, options=_WHOLE)
