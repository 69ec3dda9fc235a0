"""The device to compute on. Imports torch only where it is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def pick_device(wanted: str = "auto") -> torch.device:
    """The device to compute on: `auto` takes CUDA, then Apple's MPS, then the CPU.

    Raises:
        UserError: the device asked for is not there.
    """
    import torch

    from src.errors import UserError

    have = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    if wanted == "auto":
        wanted = next(name for name in ("cuda", "mps", "cpu") if have[name])
    kind = wanted.split(":")[0]
    if not have.get(kind, False):
        raise UserError(
            "device not available",
            got=wanted,
            allowed=", ".join(["auto", *(name for name, there in have.items() if there)]),
        )
    return torch.device(wanted)
