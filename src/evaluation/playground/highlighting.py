"""What models wrote, as HTML: sentences tinted by their scores, misses marked, offensive text veiled.

Everything shown was written by a model or typed by a stranger. The template escapes every value
(Jinja2's autoescape); colours are made from numbers. Imports neither torch nor transformers.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2

from src.attributes.attribute import Attribute
from src.evaluation.continuation import Continuation
from src.evaluation.metrics.cell_metrics import JOINT, sum_by_prompt
from src.evaluation.playground.exchange import Answer, Question

MISALIGNMENT = "misalignment"
"""Colour by whether a sentence misses what was asked for, in the place of an attribute's name."""

DESIRED, OPPOSITE = (31, 119, 180), (224, 108, 16)
"""Blue and orange, which colour-blind readers tell apart; labels between them get a mixture."""

FAINTEST, STRONGEST = 0.12, 0.55
"""Opacity of the tint: of a score at an edge, and of the one farthest from it."""

Strengths = Mapping[tuple[str, str], float]


@dataclass(frozen=True)
class Chip:
    """One attribute of a sentence: `toxicity 0.031 nontoxic`."""

    attribute: str
    score: str
    label: str
    colour: str
    miss: str


@dataclass(frozen=True)
class Sentence:
    """A sentence as it is drawn."""

    text: str
    colour: str
    title: str
    missed: bool
    veiled: bool
    chips: tuple[Chip, ...]


def answers_html(
    question: Question, answers: Sequence[Answer], *, colour_by: str, veil: Collection[str]
) -> str:
    """The answers side by side.

    Args:
        question: that they answer.
        answers: one per model.
        colour_by: an attribute, or `MISALIGNMENT`.
        veil: attributes; sentences at the undesired end of any of them are blurred until clicked.
    """
    strengths = farthest_from_edges(answers)
    views = [_answer_view(answer, strengths, colour_by, veil) for answer in answers]
    return _template().render(question=question, answers=views, legend=_legend(answers, colour_by))


def message_html(lines: Iterable[str]) -> str:
    """Problems, one clear line each."""
    return _environment().get_template("message.html.jinja").render(lines=list(lines))


def style_sheet() -> str:
    """The CSS of what this module writes."""
    return (Path(__file__).parent / "playground.css").read_text(encoding="utf-8")


@functools.cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _template() -> jinja2.Template:
    return _environment().get_template("answers.html.jinja")


def _legend(answers: Sequence[Answer], colour_by: str) -> list[dict[str, str]]:
    """What the colours mean: `toxicity: nontoxic`, in the order of the labels."""
    if colour_by == MISALIGNMENT:
        return [
            {"text": "as asked for, else as desired", "colour": _rgba(0.0, 0.5)},
            {"text": "misses an attribute", "colour": _rgba(1.0, 0.5)},
        ]
    own = [answer.attributes[colour_by] for answer in answers if colour_by in answer.attributes]
    found = {(one.labels, one.desired): one for one in own}.values()
    return [
        {
            "text": f"{colour_by}: {label} (stronger: farther from the edge)",
            "colour": tint(one, label, 1.0),
        }
        for one in found
        for label in one.labels
    ]


# ------------------------------------------------------------------------------------------- colours


def farthest_from_edges(answers: Iterable[Answer]) -> dict[tuple[str, str], float]:
    """How far the farthest score of each label is from its nearest edge, over all answers.

    Scores of different attributes have different units, and those of one label may span 0.05 while the
    other's span 0.95: so a tint is relative to the farthest score of the same label in this view.
    """
    farthest: dict[tuple[str, str], float] = {}
    for answer in answers:
        for name, attribute in answer.attributes.items():
            for scores, labels in _scored(answer.continuations):
                key = (name, labels[name])
                here = edge_distance(attribute, scores[name])
                farthest[key] = max(farthest.get(key, 0.0), here)
    return farthest


def _scored(continuations: Iterable[Continuation]) -> Iterator[tuple[dict, dict]]:
    for one in continuations:
        yield from zip(one.scores, one.labels, strict=True)


def edge_distance(attribute: Attribute, score: float) -> float:
    """Distance of a score from the nearest edge of its attribute."""
    return min(abs(score - edge) for edge in attribute.edges)


def tint(attribute: Attribute, label: str, strength: float) -> str:
    """CSS colour of a label: blue where it is desired, orange at the far end, a mixture between.

    Args:
        attribute: of the label.
        label: observed.
        strength: 0 at an edge, 1 for the farthest score of this label.
    """
    desired, here = attribute.labels.index(attribute.desired), attribute.labels.index(label)
    longest = max(desired, len(attribute.labels) - 1 - desired)
    return _rgba(abs(here - desired) / longest, strength)


def _rgba(share: float, strength: float) -> str:
    mixed = (round(a + share * (b - a)) for a, b in zip(DESIRED, OPPOSITE, strict=True))
    opacity = FAINTEST + (STRONGEST - FAINTEST) * min(max(strength, 0.0), 1.0)
    return f"rgba({', '.join(map(str, mixed))}, {opacity:.2f})"


# --------------------------------------------------------------------------------------------- views


def is_veiled(
    labels: Mapping[str, str], attributes: Mapping[str, Attribute], veil: Collection[str]
) -> bool:
    """Whether a sentence stands at the undesired end of one of the attributes to veil."""
    return any(
        one.is_opposite_end(one.desired, labels[name])
        for name, one in attributes.items()
        if name in veil
    )


def _answer_view(
    answer: Answer, strengths: Strengths, colour_by: str, veil: Collection[str]
) -> dict[str, Any]:
    continuations = []
    for one in answer.continuations:
        sentences = [
            _sentence(answer, text, scores, labels, strengths, colour_by, veil)
            for text, scores, labels in zip(one.sentences, one.scores, one.labels, strict=True)
        ]
        # What no scorer has seen may be anything.
        veiled = any(one.veiled for one in sentences) if sentences else bool(veil)
        continuations.append({"sentences": sentences, "raw": one.text, "veiled": veiled})
    return {
        "model": answer.model,
        "tokens": answer.tokens,
        "notes": answer.notes,
        "error": answer.error,
        "summary": _summary(answer),
        "continuations": continuations,
    }


def _summary(answer: Answer) -> str:
    """`3 of 7 sentences misaligned (toxicity 1, sentiment 2)`, counted as in an evaluation."""
    if not answer.continuations:
        return ""
    sums = sum_by_prompt(answer.continuations, answer.targets, answer.attributes)
    total = int(sums.n_sentences.sum())
    parts = ", ".join(f"{name} {int(sums.misaligned[name].sum())}" for name in answer.attributes)
    noun = "sentence" if total == 1 else "sentences"
    return f"{int(sums.misaligned[JOINT].sum())} of {total} {noun} misaligned ({parts})"


def _sentence(
    answer: Answer,
    text: str,
    scores: Mapping[str, float],
    labels: Mapping[str, str],
    strengths: Strengths,
    colour_by: str,
    veil: Collection[str],
) -> Sentence:
    chips = tuple(
        _chip(answer, name, scores[name], labels[name], strengths) for name in answer.attributes
    )
    missed = any(chip.miss for chip in chips)
    colours = {chip.attribute: chip.colour for chip in chips}
    colours[MISALIGNMENT] = _rgba(float(missed), 0.5)
    return Sentence(
        text=text,
        colour=colours.get(colour_by, "transparent"),
        title="; ".join(
            f"{c.attribute} {c.score}: {c.label}{c.miss and ', ' + c.miss}" for c in chips
        ),
        missed=missed,
        veiled=is_veiled(labels, answer.attributes, veil),
        chips=chips,
    )


def _chip(answer: Answer, name: str, score: float, label: str, strengths: Strengths) -> Chip:
    attribute, farthest = answer.attributes[name], strengths[(name, label)]
    strength = edge_distance(attribute, score) / farthest if farthest else 0.0
    target = answer.targets[name]
    wanted = "asked for" if name in answer.asked else "desired"
    return Chip(
        attribute=name,
        score=f"{score:.3f}",
        label=label,
        colour=tint(attribute, label, strength),
        miss="" if label == target else f"{wanted}: {target}",
    )
