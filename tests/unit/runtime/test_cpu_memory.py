"""Memory that is freed and asked for again."""

import subprocess
import sys
from pathlib import Path

import pytest

from src.runtime import cpu_memory

ROOT = Path(__file__).resolve().parents[3]
FAULTS = """
import resource, sys
from src.runtime.cpu_memory import keep_freed_memory
if sys.argv[1] == "keeping":
    assert keep_freed_memory()
import torch
for _ in range(3):
    torch.ones(2 ** 26)  # 256 MB, written and freed
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
torch.ones(2 ** 26)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(how: str) -> int:
    """Page faults of writing 256 MB that were freed just before."""
    result = subprocess.run(
        [sys.executable, "-c", FAULTS, how],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    return int(result.stdout)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's allocator")
def test_freed_memory_is_used_again():
    assert page_faults("keeping") < 1000 < page_faults("plain")


def test_without_glibc_nothing_is_changed(monkeypatch):
    monkeypatch.setattr(cpu_memory.ctypes, "CDLL", lambda _: object())
    assert cpu_memory.keep_freed_memory() is False


def test_a_users_choice_of_huge_pages_stands(monkeypatch):
    monkeypatch.setenv("THP_MEM_ALLOC_ENABLE", "0")
    monkeypatch.setattr(cpu_memory.ctypes, "CDLL", lambda _: object())
    cpu_memory.keep_freed_memory()
    assert cpu_memory.os.environ["THP_MEM_ALLOC_ENABLE"] == "0"
