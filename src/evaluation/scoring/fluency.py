"""Fluency: how likely a reference model finds what was written."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

import torch

from src.control_tokens import Placement, load_tokenizer
from src.evaluation.continuation import Continuation
from src.language_model import load_language_model, pick_precision
from src.likelihood import continuation_nll

logger = logging.getLogger(__name__)


class Reference:
    """The reference model: by default the base before fine-tuning."""

    def __init__(self, name: str, revision: str | None, device: torch.device) -> None:
        """Load it.

        Args:
            name: on the hub, or a local folder.
            revision: commit, tag or branch on the hub.
            device: to compute on.

        Raises:
            UnavailableError: it is not to be had.
        """
        logger.info("perplexity under %s", name)
        self.model = load_language_model(name, revision, device=device)
        self.tokenizer = load_tokenizer(name, revision=revision)
        self.precision = pick_precision("auto", device)

    def judge(
        self, continuations: Sequence[Continuation], *, asked: bool, placement: Placement
    ) -> list[Continuation]:
        """Each continuation with its nats and tokens; one without text has none of either.

        Args:
            continuations: of one cell.
            asked: whether control tokens stood with the prompt.
            placement: where they stood.
        """
        after_tokens = asked and placement == "after_prompt"
        nats, tokens = continuation_nll(
            self.model,
            self.tokenizer,
            [one.prompt for one in continuations],
            [text_after_prompt(one, after_tokens=after_tokens) for one in continuations],
            precision=self.precision,
        )
        return [
            replace(one, reference_nll=float(nll), reference_tokens=int(n))
            for one, nll, n in zip(continuations, nats, tokens, strict=True)
        ]


def text_after_prompt(one: Continuation, *, after_tokens: bool) -> str:
    """The continuation as the reference model reads it behind the prompt.

    A sentence follows its control tokens without a space, as in training; without the tokens it would
    stick to the prompt's last word. So that the format is not held against the model, a word that follows
    a prompt and its control tokens gets the space back. Nothing else is changed.

    Args:
        one: the continuation with its prompt.
        after_tokens: whether control tokens stood between the two.
    """
    if not one.text.strip():
        return ""
    sticks = one.text[0].isalnum() and one.prompt and not one.prompt[-1].isspace()
    return " " + one.text if after_tokens and sticks else one.text
