"""Fluency: how likely a reference model finds what was written."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

import torch

from src.evaluation.continuation import Continuation
from src.models.control_tokens import load_tokenizer
from src.models.decoding import check_reads
from src.models.language_model import load_language_model, pick_precision
from src.models.likelihood import continuation_nll

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
            UserError: it is no causal language model.
        """
        logger.info("perplexity under %s", name)
        self.model = load_language_model(name, revision, device=device)
        check_reads(self.model, name)
        self.tokenizer = load_tokenizer(name, revision=revision)
        self.precision = pick_precision("auto", device)

    def judge(self, continuations: Sequence[Continuation]) -> list[Continuation]:
        """Each continuation of one cell with its nats and tokens; one without text has none of either."""
        nats, tokens = continuation_nll(
            self.model,
            self.tokenizer,
            [one.prompt for one in continuations],
            [one.text if one.text.strip() else "" for one in continuations],
            precision=self.precision,
        )
        return [
            replace(one, reference_nll=float(nll), reference_tokens=int(n))
            for one, nll, n in zip(continuations, nats, tokens, strict=True)
        ]
