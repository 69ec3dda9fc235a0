"""Figures as PNG files: the same figure gives the same bytes."""

from __future__ import annotations

from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


def new_figure(width: float, height: float) -> Figure:
    """An empty figure that needs no display; width and height in inches."""
    figure = Figure(figsize=(width, height), layout="constrained", dpi=120)
    FigureCanvasAgg(figure)
    return figure


def save_png(figure: Figure, path: Path) -> None:
    """Write a figure so that a reader sees the old picture or the new one, never a part."""
    written = path.with_name(f".{path.name}.tmp")
    figure.savefig(written, format="png", metadata={"Software": None})
    written.replace(path)
