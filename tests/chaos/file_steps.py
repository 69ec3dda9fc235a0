"""Every step that a command takes on the file system, seen before it is taken: where a test can strike.

Python announces each rename, removal, new folder, link and opening for writing to audit hooks before it
happens. A step is named by what it does and to which file, numbers and hashes left out, so that the same
step of the next checkpoint or shard has the same name: `rename work/checkpoint-N/.complete.json.tmp`.
"""

from __future__ import annotations

import os
import re
import signal
import sys
from pathlib import Path
from typing import Any

from tests.chaos.small_disk import fill, set_read_only

_EVENTS = {
    "os.rename": "rename",
    "os.link": "link",
    "os.remove": "remove",
    "os.rmdir": "rmdir",
    "os.mkdir": "mkdir",
    "open": "open",
}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


def watch(
    below: str,
    strike: str,
    seen: str | None = None,
    at: str = "",
    target: str = "",
    room: int = 0,
    each_file: bool = True,
) -> None:
    """Strike before a step of this process.

    Args:
        below: only steps on files below this folder count.
        strike: `kill` the process group, `pause` the process, let the file `target` `vanish`, `fill` the
            disk mounted at `target`, make it `read_only`, or only `record`.
        seen: file with the names of steps; strike at the first one that is not in it, and add it. None:
            strike at the steps named `at`, once.
        at: name of a step.
        target: of the strike.
        room: bytes that `fill` leaves free.
        each_file: removals and links in one folder have a name each; else the first one has, and the others
            share one.
    """
    known = set(Path(seen).read_text().splitlines()) if seen and Path(seen).exists() else set()
    ledger = os.open(seen, os.O_WRONLY | os.O_CREAT | os.O_APPEND) if seen else None
    struck, folders = False, set()

    def hook(event: str, details: tuple[Any, ...]) -> None:
        nonlocal struck
        if struck or event not in _EVENTS:
            return
        name = _name(event, details, below)
        if name is None:
            return
        if not each_file and name.startswith(("remove", "link")):
            name = _of_its_folder(name, folders)
        if ledger is not None and name not in known:
            known.add(name)
            os.write(ledger, f"{name}\n".encode())
        elif name != at:
            return
        struck = strike != "record"
        _strike(strike, target, room)

    sys.addaudithook(hook)


def _of_its_folder(name: str, folders: set[str]) -> str:
    """The name that a removal or a link shares with the others in its folder, after the first."""
    shared = name.rpartition("/")[0] + "/*"
    if shared in folders:
        return f"{shared}, later"
    folders.add(shared)
    return f"{shared}, first"


def _strike(what: str, target: str, room: int) -> None:
    if what == "kill":
        os.killpg(0, signal.SIGKILL)
    elif what == "pause":
        os.kill(os.getpid(), signal.SIGSTOP)
    elif what == "vanish":
        Path(target).rename(f"{target}.away")
    elif what == "fill":
        fill(Path(target), room)
    elif what == "read_only":
        set_read_only(target, True)


def _name(event: str, details: tuple[Any, ...], below: str) -> str | None:
    """What a step does, if it changes something below the folder."""
    path = details[0]
    if event == "open" and not (isinstance(path, str) and details[2] & _WRITING):
        return None
    if isinstance(path, int) or path is None:
        return None
    path = os.fsdecode(path)
    folder = details[-1] if event in ("os.remove", "os.rmdir", "os.mkdir") else -1
    if isinstance(folder, int) and folder >= 0:  # relative to an open folder, as in rmtree
        path = str(Path(f"/proc/self/fd/{folder}").readlink() / path)
    path = os.path.abspath(path)  # noqa: PTH100
    if not path.startswith(below + os.sep):
        return None
    short = re.sub(r"\b[0-9a-f]{12,}\b", "HASH", path[len(below) + 1 :])
    short = re.sub(r"\d+", "N", short)
    return f"{_EVENTS[event]} {short}"
