"""What moves the weights: AdamW in three groups, and the rate of each step."""

from __future__ import annotations

import math

import torch
from torch import nn
from transformers import get_scheduler

from src.config.training import OptimisationArgs
from src.models.control_rows import CONTROL_ROWS


def make_optimiser(
    model: nn.Module, wanted: OptimisationArgs, control_learning_rate: float
) -> torch.optim.AdamW:
    """AdamW with three groups: matrices, which decay; biases and norms; rows of control tokens.

    Args:
        model: whole or sharded, on its device.
        wanted: rate and decay.
        control_learning_rate: peak rate of the control tokens' rows.
    """
    matrices: list[nn.Parameter] = []
    vectors: list[nn.Parameter] = []
    rows: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        if name.split(".")[-1] == CONTROL_ROWS:
            rows.append(parameter)
        else:
            (matrices if parameter.ndim > 1 else vectors).append(parameter)
    groups = [
        {"params": matrices, "weight_decay": wanted.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
        {"params": rows, "weight_decay": 0.0, "lr": control_learning_rate},
    ]
    groups = [group for group in groups if group["params"]]
    return torch.optim.AdamW(groups, lr=wanted.learning_rate, fused=True)


def make_rates(
    optimiser: torch.optim.Optimizer, wanted: OptimisationArgs, steps: int
) -> torch.optim.lr_scheduler.LRScheduler:
    """The rate of each step: it rises from 0 in the first of the warm-up, then falls as asked for.

    Args:
        optimiser: with the peak rates.
        wanted: warm-up and schedule.
        steps: of the run.
    """
    warm_up = math.ceil(wanted.warmup_ratio * steps)
    return get_scheduler(
        wanted.lr_scheduler, optimiser, num_warmup_steps=warm_up, num_training_steps=steps
    )
