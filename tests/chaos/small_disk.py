"""A small file system in memory that one process and its children see: to be filled, or made read-only."""

from __future__ import annotations

import contextlib
import ctypes
import os
from pathlib import Path
from typing import Any

# <sched.h> and <sys/mount.h>
CLONE_NEWNS, CLONE_NEWUSER = 0x00020000, 0x10000000
MS_RDONLY, MS_REMOUNT, MS_REC, MS_PRIVATE = 1, 32, 16384, 1 << 18
FILLER = "filler"
_libc = ctypes.CDLL(None, use_errno=True)


def _call(function: str, *arguments: Any) -> None:
    if getattr(_libc, function)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{function}: {os.strerror(number)}")


def mount_disk(folder: str, size: str = "256m") -> None:
    """Mount it, in a mount namespace of this process's own.

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


def set_read_only(folder: str, read_only: bool) -> None:
    """Take the right to write away, also from root, or give it back. Refused while a file is open."""
    flags = MS_REMOUNT | (MS_RDONLY if read_only else 0)
    _call("mount", b"tmpfs", folder.encode(), b"tmpfs", flags, None)


def fill(folder: Path, room: int) -> None:
    """Leave no more than `room` bytes free (in whole pages) on the disk of a folder."""
    with (folder / FILLER).open("wb", buffering=0) as filler:
        for block in (1 << 20, 1 << 12):
            with contextlib.suppress(OSError):
                while filler.write(bytes(block)) == block:
                    pass
        filler.truncate(max(0, filler.tell() - room))
