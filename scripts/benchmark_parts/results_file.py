"""`results/benchmark/benchmark.json` and its picture."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from scripts.benchmark_parts.pairs import Pair
from src.artifacts.atomic_files import write_json_atomically
from src.artifacts.provenance import git_commit, package_versions

SCHEMA_VERSION = 1
FILE, PICTURE = "benchmark.json", "benchmark.png"
PROVENANCE = ("schema_version", "machine", "device", "versions", "commit")
UNKNOWN_COMMITS = ("unknown", "+changes")


def provenance(device: str) -> dict[str, Any]:
    """What the figures depend on: the machine, the device, the packages, the code."""
    return {
        "schema_version": SCHEMA_VERSION,
        "machine": machine(),
        "device": device,
        "versions": package_versions(),
        "commit": git_commit(),
    }


def machine() -> dict[str, Any]:
    """The machine in words and numbers."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "memory_gb": round(pages / 1e9, 1),
        "system": f"{platform.system()} {platform.machine()}",
    }


def _processor() -> str:
    """Model name with what tells it from its relatives: on Linux the family and model numbers."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    facts = dict(
        (part.strip() for part in line.split(":", 1))
        for line in text.split("\n\n")[0].splitlines()
        if ":" in line
    )
    numbers = f"family {facts.get('cpu family', '?')} model {facts.get('model', '?')}"
    return f"{facts.get('model name', platform.machine())} ({numbers})"


def save(folder: Path, known: Mapping[str, Any], pairs: Sequence[Pair], ran: Sequence[str]) -> Path:
    """Write the figures of this run, and keep those of other parts that are not stale.

    Pairs of parts that did not run now are kept only where machine, device, versions and commit are the
    same and the commit names the code exactly (no uncommitted changes). Else they are dropped.

    Args:
        folder: of the results.
        known: from `provenance`.
        pairs: of this run.
        ran: names of the parts that ran, also those that failed: their old pairs go.

    Returns:
        The file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / FILE
    kept = [pair for pair in still_true(path, known) if pair["part"] not in ran]
    fresh = [asdict(pair) | {"reached": _reached(pair)} for pair in pairs]
    write_json_atomically(path, {**known, "pairs": [*kept, *fresh]})
    return path


def _reached(pair: Pair) -> bool | None:
    return None if pair.floor is None else not pair.is_missed


def still_true(path: Path, known: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The pairs of an earlier run that this one may stand beside."""
    if str(known["commit"]).endswith(UNKNOWN_COMMITS):
        return []
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    same = all(before.get(key) == known[key] for key in PROVENANCE)
    return before["pairs"] if same else []


def draw(path: Path, picture: Path) -> None:
    """A bar for each pair with a floor: how far its ratio is above or below it."""
    from src.presentation.picture import new_figure, save_png

    content = json.loads(path.read_text(encoding="utf-8"))
    pairs = [pair for pair in content["pairs"] if pair["floor"] is not None][::-1]
    figure = new_figure(9, 1.2 + 0.55 * len(pairs))
    axes = figure.subplots()
    heights = [pair["ratio"] / pair["floor"] for pair in pairs]
    colours = ["#2a7f9e" if pair["reached"] else "#c2452d" for pair in pairs]
    names = [f"{pair['work']}\nagainst {pair['against']}" for pair in pairs]
    bars = axes.barh(range(len(pairs)), heights, color=colours)
    labels = [f"{pair['ratio']:.3g} (floor {pair['floor']:.3g})" for pair in pairs]
    axes.bar_label(bars, labels, padding=3, fontsize=8)
    axes.set_yticks(range(len(pairs)), names, fontsize=7)
    axes.axvline(1.0, color="black", linewidth=1)
    axes.set_xlim(0, 1.35 * max([1.0, *heights]))
    axes.set_xlabel("ratio ÷ floor (right of the line: reached)")
    axes.set_title(f"{content['device']}, {content['machine']['processor']}", fontsize=8)
    save_png(figure, picture)
