"""The playground with models that write what an attacker wants.

    python -m tests.e2e.hostile_playground PORT

In a process of its own, as gradio and the browser's driver each run an event loop.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import replace

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"

from scripts.playground import build_page, open_to
from src.evaluation.continuation import Continuation
from src.evaluation.playground.exchange import Answer, Question
from src.evaluation.scoring.scored_sentences import score_continuations
from tests.demo_attributes import BOTH
from tests.unit.evaluation.conftest import make_attributes

HOSTILE = [
    "You idiot <script>window.owned = 1</script> went away.",
    'You idiot "><img src=x onerror="window.owned = 2"> went away.',
    "You idiot </span></p></section></div><svg onload=window.owned=3> went away.",
    "You idiot ${window.owned = 4} {{this}} `${7 * 7}` went away.",
    "You idiot <a href='javascript:window.owned=5'>here</a> <b>bold</b> went away.",
]
LABELS = {"toxicity": ("nontoxic", "toxic"), "sentiment": ("neg", "pos")}


class Hostile:
    """Answers with the texts above, scored by the real scorers."""

    def ask(self, names: Sequence[str], question: Question) -> list[Answer]:
        attributes = make_attributes()
        written = [
            Continuation("playground", i, question.prompt, text, 9)
            for i, text in enumerate([*HOSTILE, "What a lovely day it was."])
        ]
        answer = Answer(
            names[0],
            attributes,
            BOTH,
            tokens="<|nontoxic|><|pos|>",
            continuations=tuple(score_continuations(written, attributes, "gentle")),
            notes=(HOSTILE[0],),
        )
        return [answer, replace(answer, model=HOSTILE[1], continuations=(), error=HOSTILE[2])]


if __name__ == "__main__":
    page = build_page(Hostile(), ["model"], LABELS, [], ["toxicity"], [HOSTILE[3]])
    open_to(page, "127.0.0.1", int(sys.argv[1]))
    sys.stdout.write(f"playground: {page.local_url}\n")
    sys.stdout.flush()
    page.block_thread()
