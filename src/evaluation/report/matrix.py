"""The controllability matrix as a heat map: what was asked for, against what came out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from src.evaluation.plan.cells import condition_title
from src.evaluation.report.numbers import Numbers, Shown
from src.evaluation.tables import captions

HEAT = 10
"""Steps of the heat map's colour, from a share of 0 to one of 1."""


@dataclass(frozen=True)
class HeatCell:
    """The share of a label under a condition."""

    share: Shown
    low: Shown
    high: Shown
    heat: int
    asked: bool


@dataclass(frozen=True)
class Effect:
    """What asking for one label changes in the share of another."""

    asked: str
    given: str
    measured: str
    leakage: bool
    sure: bool
    difference: Shown
    low: Shown
    high: Shown


@dataclass(frozen=True)
class Matrix:
    """One model, decoding and source of prompts.

    Attributes:
        title: of the matrix.
        note: where the row that asks nothing is from, if from another decoding.
        header: (attribute, its labels), in the order of the columns.
        rows: per condition its title, its number of sentences, and a cell per column.
        effects: of asking for one label more.
        combinations: title, share of the labels asked for that came out, and its interval: of combinations
            that the model was trained on, and of those held out; empty where none was.
    """

    title: str
    note: str
    header: tuple[tuple[str, tuple[str, ...]], ...]
    rows: tuple[tuple[str, Shown, tuple[HeatCell, ...]], ...]
    effects: tuple[Effect, ...]
    combinations: tuple[tuple[str, Shown, Shown, Shown], ...]


def build_matrices(metrics: Mapping[str, Any]) -> list[Matrix]:
    """The matrices of an evaluation; none where it has no `controllability`."""
    numbers = Numbers("metrics", metrics)
    return [
        _matrix(f"controllability.{i}", one, numbers)
        for i, one in enumerate(metrics.get("controllability") or ())
    ]


def _matrix(at: str, found: Mapping[str, Any], numbers: Numbers) -> Matrix:
    first = found["rows"][0]["shares"]
    plain = found["unconditioned_decoding"]
    note = ""
    if plain not in (None, found["decoding"]):
        note = f"The row without a condition is decoded by {plain}: there is nothing to contrast."
    return Matrix(
        title=f"{found['model']}, {found['decoding']}, {found['prompts']}",
        note=note,
        header=tuple((name, tuple(labels)) for name, labels in first.items()),
        rows=tuple(
            (
                condition_title(row["condition"]),
                numbers.number(f"{at}.rows.{i}.n_sentences", 0),
                tuple(
                    _cell(f"{at}.rows.{i}.shares.{name}.{label}", row, name, label, numbers)
                    for name, labels in row["shares"].items()
                    for label in labels
                ),
            )
            for i, row in enumerate(found["rows"])
        ),
        effects=tuple(
            _effect(f"{at}.effects.{i}", one, numbers) for i, one in enumerate(found["effects"])
        ),
        combinations=tuple(
            (
                f"{'trained on' if one['trained'] else 'held out'} ({one['conditions']})",
                *(
                    numbers.percent(f"{at}.combinations.{i}.{key}")
                    for key in ("share", "ci_low", "ci_high")
                ),
            )
            for i, one in enumerate(found.get("combinations", ()))
        ),
    )


def _cell(at: str, row: Mapping[str, Any], name: str, label: str, numbers: Numbers) -> HeatCell:
    share = row["shares"][name][label]["share"]
    return HeatCell(
        share=numbers.percent(f"{at}.share"),
        low=numbers.percent(f"{at}.ci_low"),
        high=numbers.percent(f"{at}.ci_high"),
        heat=0 if share is None else round(HEAT * share),
        asked=row["condition"].get(name) == label,
    )


def _effect(at: str, one: Mapping[str, Any], numbers: Numbers) -> Effect:
    return Effect(
        asked=f"{one['attribute']}: {one['label']}",
        given=condition_title(one["given"]),
        measured=f"{one['measured']}: {one['measured_label']}",
        leakage=one["leakage"],
        sure=captions.is_significant(one),
        difference=numbers.percent(f"{at}.difference"),
        low=numbers.percent(f"{at}.ci_low"),
        high=numbers.percent(f"{at}.ci_high"),
    )
