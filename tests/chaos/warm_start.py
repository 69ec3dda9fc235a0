"""A process that has imported everything once and forks a child for every command of a test.

    python -m tests.chaos.warm_start DISK [light]

Importing torch and transformers costs five seconds; the chaos tests start the mains some two hundred times.
A child runs the real script, as `python main_train.py …` would from there on, in a process group of its own.
Requests and answers are lines of JSON on stdin and stdout (see `commands.py`, the other end).

The process lives in a mount namespace of its own with a small file system in memory at DISK, so that a test
can fill a disk, or take the right to write away, without touching any other process.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import pkgutil
import runpy
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from tqdm.std import tqdm

import src
from tests.chaos.file_steps import watch
from tests.chaos.small_disk import mount_disk, set_read_only

# What the stages import where they need it.
IMPORTED_LATE = (
    "profanity_check",
    "vaderSentiment.vaderSentiment",
    "sacrebleu",
    "transformers.models.gpt2.modeling_gpt2",
    "transformers.generation.utils",
    "transformers.generation.candidate_generator",
)


def import_everything() -> None:
    """All modules of the stages, and with them torch, transformers, datasets and datatrove."""
    for module in pkgutil.walk_packages(src.__path__, "src."):
        if "playground" not in module.name:
            importlib.import_module(module.name)
    for late in IMPORTED_LATE:
        importlib.import_module(late)


def warm_up(folder: Path) -> None:
    """Do once what every child would do again: libraries build tables at the first model and figure."""
    from matplotlib.figure import Figure
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from tests.builders import tiny_gpt2

    model = tiny_gpt2(folder / "warm_up")
    AutoModelForCausalLM.from_pretrained(model)
    AutoTokenizer.from_pretrained(model)
    Figure().subplots().figure.savefig(folder / "warm_up.png")
    gc.collect()
    gc.freeze()  # children need not look through all that is imported


def serve() -> dict[str, Any] | None:
    """Answer requests; in a forked child, return the command that it has to run."""
    children: dict[int, int] = {}
    for line in sys.stdin:
        request = json.loads(line)
        if "script" in request:
            for name in ("stdout", "stderr"):
                Path(request[name]).touch()
            pid = os.fork()
            if pid == 0:
                return request
            os.setpgid(
                pid, pid
            )  # the child does the same: whoever is first, it can be killed as a group
            answer = children[pid] = pid
        elif "wait" in request:
            _, status = os.waitpid(request["wait"], 0)
            answer = os.waitstatus_to_exitcode(status)
        else:
            set_read_only(**request)
            answer = 0
        sys.__stdout__.write(f"{json.dumps(answer)}\n")
        sys.__stdout__.flush()
    return None


def become(command: dict[str, Any]) -> None:
    """Turn a forked child into the process of a command, and run it."""
    os.setpgid(0, 0)
    # tqdm's own is shared by forked processes: a command killed while it draws would stop all that follow.
    tqdm.set_lock(threading.RLock())
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, target in ((0, os.devnull), (1, command["stdout"]), (2, command["stderr"])):
        opened = os.open(target, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o644)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115
    os.environ.update(command["environment"])
    sys.argv = [command["script"], *command["arguments"]]
    if command["watch"] is not None:
        watch(**command["watch"])
    runpy.run_path(command["script"], run_name="__main__")


def main() -> None:
    """Serve until stdin closes."""
    mount_disk(sys.argv[1])
    if "light" not in sys.argv:
        import_everything()
        warm_up(Path(sys.argv[1]).parent)
    sys.__stdout__.write("0\n")
    sys.__stdout__.flush()
    command = serve()
    if command is None:
        os._exit(0)  # at once: there is nothing to save
    become(command)


if __name__ == "__main__":
    main()
