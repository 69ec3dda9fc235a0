"""What a run needs to go on from a checkpoint: weights, optimiser, rates, the scale of the loss.

What is saved holds whole tensors under their names in the model, whoever computed them. So a run can go on
with another number of processes, sharded or not.
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch.distributed.checkpoint.state_dict import (
    get_optimizer_state_dict,
    set_optimizer_state_dict,
)
from torch.optim.lr_scheduler import LRScheduler
from transformers import PreTrainedModel

from src.errors import ArtifactError
from src.training.sharding import WHOLE

OPTIMISER = "optimiser.pt"


def load_weights(model: PreTrainedModel, folder: Path) -> None:
    """Read a model's weights from a plain Hugging Face folder.

    Args:
        model: whole, changed in place.
        folder: of the same model.

    Raises:
        ArtifactError: the folder does not hold every weight, or others.
    """
    state: dict[str, torch.Tensor] = {}
    for path in sorted(folder.glob("*.safetensors")):
        state |= load_file(path)
    result = model.load_state_dict(state, strict=False)
    # A tied head is not in the file; its weight is the embedding's, which is.
    tied = set(model.all_tied_weights_keys)
    wrong = [key for key in result.missing_keys if key not in tied] + result.unexpected_keys
    if wrong:
        raise ArtifactError(
            "the checkpoint to go on from does not fit the model",
            got=", ".join(wrong[:3]),
            fix="start anew with --overwrite",
        )


def save_optimiser(
    model: PreTrainedModel,
    optimiser: torch.optim.Optimizer,
    rates: LRScheduler,
    scaler: torch.amp.GradScaler,
    folder: Path,
    *,
    write: bool,
) -> None:
    """Write the optimiser's state by the names of the parameters. Every process must call it.

    Args:
        model: the one that the optimiser moves, sharded or whole.
        optimiser: torch's own.
        rates: of the optimiser.
        scaler: of the loss.
        folder: where to write.
        write: whether this process does.
    """
    state = get_optimizer_state_dict(model, optimiser, options=WHOLE)
    if write:
        whole = {
            "optimiser": state,
            "rates": rates.state_dict(),
            "scaler": scaler.state_dict(),
        }
        torch.save(whole, folder / OPTIMISER)


def load_optimiser(
    model: PreTrainedModel,
    optimiser: torch.optim.Optimizer,
    rates: LRScheduler,
    scaler: torch.amp.GradScaler,
    folder: Path,
) -> None:
    """Read what `save_optimiser` wrote; each process takes the part that it needs."""
    whole = torch.load(folder / OPTIMISER, map_location="cpu", weights_only=True, mmap=True)
    set_optimizer_state_dict(model, optimiser, whole["optimiser"], options=WHOLE)
    rates.load_state_dict(whole["rates"])
    scaler.load_state_dict(whole["scaler"])
