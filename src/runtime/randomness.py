"""Random choices by key: the same for any number of workers, on any machine, in any order."""

from __future__ import annotations

import hashlib
import random


def keyed_hash(seed: int, purpose: str, item_id: str) -> int:
    """A 64-bit number that depends on nothing but its arguments.

    Random choices made with it are the same for one worker or a thousand, on any machine, in any
    order (the document sample, the untagged share, the split, token dropout, sampling seeds).

    Args:
        seed: the run's seed.
        purpose: names the choice, so that two choices about one item are independent.
        item_id: names the item.

    Returns:
        An integer in [0, 2**64).
    """
    key = f"{seed}\x1f{purpose}\x1f{item_id}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "big")


def keyed_uniform(seed: int, purpose: str, item_id: str) -> float:
    """`keyed_hash` as a number in [0, 1), with the 53 bits that a float holds."""
    return (keyed_hash(seed, purpose, item_id) >> 11) * 2.0**-53


def seed_everything(seed: int) -> None:
    """Seed the global generators that libraries use on their own (dropout, data loaders)."""
    import numpy as np
    import torch

    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
