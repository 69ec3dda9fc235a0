"""How long torch's threads wait for each other on a CPU before they let other programs have their core.

OpenMP's threads wait for the slowest of them by spinning, a core each, for as long as they are alone. On a
machine with anything else running, one of them has lost its core meanwhile, and the others keep it from
coming back: with one busy process beside it, a training step on two cores takes three times as long.
"""

from __future__ import annotations

import os

SPIN_COUNT = "1000"
"""Turns of the waiting loop. docs/RESULTS.md has what was measured, alone and on a busy machine."""


def share_the_cores() -> None:
    """Let waiting threads sleep soon; what the user's environment says wins. Before torch is imported.

    Known of GNU's OpenMP, which torch's packages bring on Linux; others do not read it.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", SPIN_COUNT)
