"""Scorers that fail in ways that the tests need."""

import multiprocessing
import os
import signal
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from src.attributes.scorer import Scorer
from src.config.strict import Strict
from src.errors import ScorerError

NO_NUMBERS = "tests.failing_scorers:NoNumbers"
"""The args' name of the scorer that scores nothing."""


class NoNumbers(Scorer):
    """Gives what is no number for every text."""

    Options = Strict

    def _load(self):
        pass

    def _score(self, texts):
        return [float("nan")] * len(texts)

    def _weights(self):
        return {}


class FailingOnce(Scorer):
    """Scores by length; for the text named it fails, in the way named, until the marker file exists."""

    class Options(Strict):
        way: Literal["scorer_error", "odd_error", "kill_worker", "kill_run"] = Field(
            description="how"
        )
        text: str = Field(description="part of the text at which it fails")
        marker: str = Field(description="file that stops it from failing")

    def _load(self):
        pass

    def _score(self, texts):
        if (
            any(self.options.text in text for text in texts)
            and not Path(self.options.marker).exists()
        ):
            Path(self.options.marker).touch()
            self._fail()
        return np.array([len(text) / 100 for text in texts])

    def _fail(self):
        if self.options.way == "scorer_error":
            raise ScorerError("the scorer gave up", got="a hard text")
        if self.options.way == "odd_error":
            raise OddError("reason", code=7)
        parent = multiprocessing.parent_process()
        run = os.getpid() if parent is None else parent.pid
        os.kill(os.getpid() if self.options.way == "kill_worker" else run, signal.SIGKILL)
        signal.pause()

    def _weights(self):
        return {}


class OddError(Exception):
    """Cannot be pickled and built again."""

    def __init__(self, reason, *, code):
        super().__init__(f"{reason} {code}")
