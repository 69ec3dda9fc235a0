"""What models wrote, for a terminal and for pipes: sentences with their labels. See `highlighting` for HTML.

Imports neither torch nor transformers.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from src.attributes.offence import masked
from src.evaluation.continuation import Continuation
from src.evaluation.playground.exchange import Answer, Question

MISSED = "✗"
LEGEND = f"{MISSED}: not the label asked for; where none was asked for, not the desired one."
NO_PROMPT = "(no prompt)"
NARROWEST = 40
"""Columns that a text keeps, however narrow the terminal is."""


def answer_text(question: Question, answer: Answer, *, width: int, reveal: bool = False) -> str:
    """One model's answer.

    Args:
        question: that it answers.
        answer: of the model.
        width: columns of the terminal.
        reveal: show offensive words, too.
    """
    prompt = textwrap.shorten(question.prompt, width, placeholder=" …") or NO_PROMPT
    lines = [f"{answer.model}, {way_of_asking(question, answer)}: {prompt} …"]
    lines += [f"  note: {note}" for note in answer.notes]
    if answer.error:
        lines.append(f"  error: {answer.error}")
    for number, one in enumerate(answer.continuations, start=1):
        lines += _continuation(number, one, answer, width, reveal)
    return "\n".join(lines)


def way_of_asking(question: Question, answer: Answer) -> str:
    """`nontoxic + pos, contrast 4`."""
    asked = [answer.targets[name] for name in answer.attributes if name in answer.asked]
    weights = [question.weights.get(name, 0) for name in answer.attributes if name in answer.asked]
    title = " + ".join(asked) or "no condition"
    if any(weights):
        title += f", contrast {', '.join(f'{w:g}' for w in dict.fromkeys(weights))}"
    return title


def _continuation(
    number: int, one: Continuation, answer: Answer, width: int, reveal: bool
) -> Iterator[str]:
    """A text, a sentence a line, its labels at the right."""
    if not one.sentences:
        yield f"{number:>3}  (no sentence)"
    tags = [labels_text(labels, answer) for labels in one.labels]
    column = max(map(len, tags), default=0)
    room = max(NARROWEST, width - 5 - 2 - column)
    start = f"{number:>3}  "
    for sentence, scores, tag in zip(one.sentences, one.scores, tags, strict=True):
        shown = sentence if reveal else masked(sentence, scores, answer.attributes)
        first, *more = textwrap.wrap(shown, room) or [""]
        yield f"{start}{first:<{room}}  {tag}".rstrip()
        yield from (f"     {line}" for line in more)
        start = "     "


def labels_text(labels: dict[str, str], answer: Answer) -> str:
    """`nontoxic, neg ✗`."""
    return ", ".join(
        labels[name] if labels[name] == answer.targets[name] else f"{labels[name]} {MISSED}"
        for name in answer.attributes
    )


def answer_json(question: Question, answer: Answer) -> dict[str, Any]:
    """One model's answer as JSON values; texts as they were written, nothing masked."""
    return {
        "prompt": question.prompt,
        "model": answer.model,
        "condition": {
            name: answer.targets[name] for name in answer.attributes if name in answer.asked
        },
        "tokens": answer.tokens,
        "decoding": question.decoding.model_dump(mode="json"),
        "seed": question.seed,
        "continuations": [
            {"text": one.text, "sentences": _sentences(one, answer)} for one in answer.continuations
        ],
        "notes": list(answer.notes),
        "error": answer.error,
    }


def _sentences(one: Continuation, answer: Answer) -> Sequence[dict[str, Any]]:
    return [
        {
            "text": sentence,
            "scores": dict(scores),
            "labels": dict(labels),
            "missed": [name for name, label in labels.items() if label != answer.targets[name]],
        }
        for sentence, scores, labels in zip(one.sentences, one.scores, one.labels, strict=True)
    ]
