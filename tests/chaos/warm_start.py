"""A process that has imported everything once and forks a child for every command of a test.

    python -m tests.chaos.warm_start DISK

Importing torch and transformers costs five seconds; the chaos tests start the mains some two hundred times.
A child runs the real script, as `python main_train.py …` would from there on, in a process group of its own.
Requests and answers are lines of JSON on stdin and stdout (see `commands.py`, the other end).

The process lives in a mount namespace of its own with a small file system in memory at DISK, so that a test
can fill a disk, or take the right to write away, without touching any other process.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import pkgutil
import runpy
import signal
import sys
from pathlib import Path
from typing import Any

import src
from tests.chaos.file_steps import watch

# <sched.h> and <sys/mount.h>
CLONE_NEWNS, CLONE_NEWUSER = 0x00020000, 0x10000000
MS_RDONLY, MS_REMOUNT, MS_REC, MS_PRIVATE = 1, 32, 16384, 1 << 18
# What the stages import where they need it.
IMPORTED_LATE = (
    "profanity_check",
    "vaderSentiment.vaderSentiment",
    "sacrebleu",
    "transformers.models.gpt2.modeling_gpt2",
    "transformers.generation.utils",
    "transformers.generation.candidate_generator",
)
_libc = ctypes.CDLL(None, use_errno=True)


def _call(function: str, *arguments: Any) -> None:
    if getattr(_libc, function)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{function}: {os.strerror(number)}")


def mount_disk(folder: str, size: str) -> None:
    """A file system in memory, seen by this process and its children alone.

    Raises:
        OSError: neither root nor user namespaces are there.
    """
    user, group = os.getuid(), os.getgid()
    try:
        _call("unshare", CLONE_NEWNS)
    except OSError:  # not root: root of a namespace of one's own will do
        _call("unshare", CLONE_NEWNS | CLONE_NEWUSER)
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    _call("mount", b"none", b"/", None, MS_REC | MS_PRIVATE, None)
    _call("mount", b"tmpfs", folder.encode(), b"tmpfs", 0, f"size={size}".encode())


def set_disk(folder: str, size: str, read_only: bool) -> None:
    """Give the file system another size, or take the right to write away, or give it back."""
    flags = MS_REMOUNT | (MS_RDONLY if read_only else 0)
    _call("mount", b"tmpfs", folder.encode(), b"tmpfs", flags, f"size={size}".encode())


def import_everything() -> None:
    """All modules of the stages, and with them torch, transformers, datasets and datatrove."""
    for module in pkgutil.walk_packages(src.__path__, "src."):
        if "playground" not in module.name:
            importlib.import_module(module.name)
    for late in IMPORTED_LATE:
        importlib.import_module(late)


def serve() -> dict[str, Any] | None:
    """Answer requests; in a forked child, return the command that it has to run."""
    children: dict[int, int] = {}
    for line in sys.stdin:
        request = json.loads(line)
        if "script" in request:
            pid = os.fork()
            if pid == 0:
                return request
            answer = children[pid] = pid
        elif "wait" in request:
            _, status = os.waitpid(request["wait"], 0)
            answer = os.waitstatus_to_exitcode(status)
        else:
            set_disk(**request)
            answer = 0
        sys.__stdout__.write(f"{json.dumps(answer)}\n")
        sys.__stdout__.flush()
    return None


def become(command: dict[str, Any]) -> None:
    """Turn a forked child into the process of a command, and run it."""
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, target in ((0, os.devnull), (1, command["stdout"]), (2, command["stderr"])):
        opened = os.open(target, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o644)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdin = open(0, closefd=False)
    os.environ.update(command["environment"])
    sys.argv = [command["script"], *command["arguments"]]
    if command["watch"] is not None:
        watch(**command["watch"])
    runpy.run_path(command["script"], run_name="__main__")


def main() -> None:
    """Serve until stdin closes."""
    mount_disk(sys.argv[1], "64m")
    import_everything()
    sys.__stdout__.write("0\n")
    sys.__stdout__.flush()
    command = serve()
    if command is not None:
        become(command)


if __name__ == "__main__":
    main()
