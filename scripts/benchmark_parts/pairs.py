"""A pair: a piece of work, what it is compared with, and whether the floor is reached."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from scripts.benchmark_parts.turns import Readings

Better = Literal["more", "less"]


@dataclass(frozen=True)
class Pair:
    """One row of the table.

    Attributes:
        part: name of the part that it belongs to.
        work: what is measured.
        against: what it is compared with: a peer, or a limit.
        ratio: of the two figures, so that larger is better.
        floor: what the ratio has to reach; None where it is for information.
        repetitions: rounds behind the figures.
        device: where it ran.
        unit: of the figures.
        better: whether more or less of the unit is better.
        work_figure, against_figure: of all rounds, in the unit; their median where nothing else is said.
        work_values, against_values: one a round; a limit has one.
        facts: what else was found out, JSON.
    """

    part: str
    work: str
    against: str
    ratio: float
    floor: float | None
    repetitions: int
    device: str
    unit: str
    better: Better
    work_figure: float
    against_figure: float
    work_values: tuple[float, ...]
    against_values: tuple[float, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_missed(self) -> bool:
        """Whether the ratio is below the floor."""
        return self.floor is not None and self.ratio < self.floor


def pair_of(
    part: str,
    work: str,
    against: str,
    work_readings: Readings,
    against_readings: Readings | float,
    *,
    unit: str,
    better: Better,
    floor: float | None,
    device: str,
    facts: Mapping[str, Any] | None = None,
    figure: Callable[[Sequence[float]], float] = statistics.median,
) -> Pair:
    """A pair from its readings.

    Args:
        part, work, against, unit, better, floor, device, facts: see `Pair`.
        work_readings: of the work.
        against_readings: of the peer, or a limit in the same unit.
        figure: of the rounds' values: the median where each round is the same work again.
    """
    if not isinstance(against_readings, Readings):
        against_readings = Readings((float(against_readings),))
    ours, theirs = figure(work_readings.values), figure(against_readings.values)
    return Pair(
        part,
        work,
        against,
        ratio=ours / theirs if better == "more" else theirs / ours,
        floor=floor,
        repetitions=len(work_readings.values),
        device=device,
        unit=unit,
        better=better,
        work_figure=ours,
        against_figure=theirs,
        work_values=work_readings.values,
        against_values=against_readings.values,
        facts=facts or {},
    )


def table(pairs: Sequence[Pair]) -> str:
    """The pairs as a Markdown table, a row each, misses marked."""
    lines = [
        "| work | against | measured | against | ratio | floor | |",
        "| --- | --- | ---: | ---: | ---: | ---: | --- |",
    ]
    for pair in pairs:
        floor = "–" if pair.floor is None else f"{pair.floor:.3g}"
        mark = "MISSED" if pair.is_missed else ("" if pair.floor is None else "reached")
        lines.append(
            f"| {pair.work} | {pair.against} | {pair.work_figure:,.4g} {pair.unit} "
            f"| {pair.against_figure:,.4g} {pair.unit} | {pair.ratio:.3g} | {floor} | {mark} |"
        )
    return "\n".join(lines)
