"""Runs the mains in children of a warm process, kills them, and looks at what they left."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from src.artifacts.manifest import MANIFEST, read_manifest
from src.errors import EXIT_FAILED, EXIT_USER_INPUT
from src.published.trained_model import TIMING
from tests.e2e.project import ROOT, environment

PATIENCE_SECONDS = 300


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    stdout: str
    stderr: str

    def __str__(self) -> str:
        return f"exit {self.code}\n{self.stdout}\n{self.stderr}"


class Command:
    """One started command."""

    def __init__(self, commands: Commands, pid: int, said: Path) -> None:
        self.pid, self._commands, self._said = pid, commands, said
        self._handle = os.pidfd_open(pid)

    def ends_within(self, seconds: float) -> bool:
        """Whether it ends in that time."""
        return bool(select.select([self._handle], [], [], seconds)[0])

    def kill(self) -> None:
        """kill -9 of its process group."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

    def wait_until_paused(self) -> None:
        """Wait until the command has paused itself (see `file_steps.watch`)."""
        for _ in range(10 * PATIENCE_SECONDS):
            state = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0]
            if state == "T":
                return
            assert state != "Z", f"it ended before it paused: {self.wait()}"
            time.sleep(0.1)
        raise AssertionError("it never paused")

    def go_on(self) -> Ended:
        """Let a paused command go on, to its end."""
        os.kill(self.pid, signal.SIGCONT)
        return self.wait()

    def wait(self) -> Ended:
        """Wait for its end."""
        ended = self.ends_within(PATIENCE_SECONDS)
        if not ended:
            self.kill()
        code = self._commands.ask({"wait": self.pid})
        os.close(self._handle)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)  # nothing of its group outlives it
        found = Ended(code, *(self._said.with_suffix(s).read_text() for s in (".out", ".err")))
        assert ended, f"no end within {PATIENCE_SECONDS} s: {found}"
        return found


class Commands:
    """Starts commands in a warm process (see `warm_start.py`)."""

    def __init__(self, folder: Path, *, light: bool = False, **more_environment: str) -> None:
        """Start the warm process.

        Args:
            folder: for what the commands say, and for the mount point of the small disk.
            light: nothing is imported ahead.
            more_environment: variables of the warm process and of all commands.
        """
        self._folder, self._n = folder, 0
        self._mount = folder / "disk"
        self._mount.mkdir(parents=True)
        self._stderr = (folder / "warm.err").open("w")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.warm_start", str(self._mount), *["light"] * light],
            cwd=ROOT,
            env=environment() | {"TMPDIR": str(folder)} | more_environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            text=True,
        )
        self.disk = Path(f"/proc/{self._process.pid}/root{self._mount}")
        self._hear()

    def ask(self, request: dict[str, Any]) -> int:
        """The warm process's answer."""
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return self._hear()

    def _hear(self) -> int:
        line = self._process.stdout.readline()
        assert line, f"the warm process ended: {Path(self._stderr.name).read_text()[-2000:]}"
        return json.loads(line)

    def set_read_only(self, read_only: bool) -> None:
        """Take the right to write to the small disk away, or give it back."""
        self.ask({"folder": str(self._mount), "read_only": read_only})

    @property
    def disk_inside(self) -> Path:
        """The small disk's folder as the commands see it; `disk` is the same as the test sees it."""
        return self._mount

    def start(
        self,
        script: str,
        *arguments: object,
        watch: dict[str, Any] | None = None,
        **more_environment: str,
    ) -> Command:
        """Start a script of the repository.

        Args:
            script: its path.
            arguments: of its command line.
            watch: arguments of `file_steps.watch`.
            more_environment: variables of this command.
        """
        self._n += 1
        said = self._folder / f"said-{self._n:04d}"
        pid = self.ask(
            {
                "script": script,
                "arguments": [str(argument) for argument in arguments],
                "stdout": str(said.with_suffix(".out")),
                "stderr": str(said.with_suffix(".err")),
                "environment": more_environment,
                "watch": watch,
            }
        )
        return Command(self, pid, said)

    def run(self, script: str, *arguments: object, expect: int = 0, **options: Any) -> Ended:
        """Start a script, wait for its end, and check its exit code, and what it says where it fails."""
        ended = self.start(script, *arguments, **options).wait()
        assert ended.code == expect, ended
        if expect in (EXIT_FAILED, EXIT_USER_INPUT):
            assert_one_clear_line(ended)
        return ended

    def close(self) -> None:
        """End the warm process."""
        self._process.stdin.close()
        self._process.wait(timeout=60)
        self._process.stdout.close()
        self._stderr.close()


def assert_one_clear_line(ended: Ended) -> None:
    """What went wrong is said once, at the end, and nothing else went wrong on the way."""
    assert "Traceback" not in ended.stderr, ended
    assert "Exception ignored" not in ended.stderr, ended
    said = [line for line in ended.stderr.splitlines() if line.startswith("error: ")]
    assert len(said) == 1, ended
    assert ended.stdout == "", ended


def snapshot(folder: Path) -> dict[str, bytes]:
    """Everything below a folder: files with their bytes, folders with a slash at the end."""
    return {
        path.relative_to(folder).as_posix() + ("/" if path.is_dir() else ""): b""
        if path.is_dir()
        else path.read_bytes()
        for path in sorted(folder.rglob("*"))
    }


def assert_nothing_half_published(run: Path, stage: str) -> None:
    """A folder with the run's own name is there whole, every file as its manifest says, or not at all."""
    if run.exists():
        manifest = read_manifest(run, stage)
        files = {p.relative_to(run).as_posix() for p in run.rglob("*") if p.is_file()}
        files.discard(TIMING)  # tells how the run went, and is none of what was made
        assert files == {*manifest["files"], MANIFEST}
