"""What holds for every scorer: one finite number per text, or an error; a stable fingerprint."""

from __future__ import annotations

import json
import multiprocessing
import subprocess
import sys

import numpy as np
import pytest
from pydantic import Field

from src.attributes.scorer import Scorer, build_scorer, cached_scorer
from src.config.attributes import ScorerArgs
from src.config.strict import Strict
from src.errors import ScorerError
from tests.builders import sentences


class LengthScorer(Scorer):
    """A scorer of a user's own: the number of characters, or what a test wants it to give."""

    class Options(Strict):
        factor: float = Field(default=1.0, description="times this")
        workers: int = Field(default=1, description="says how, not what")

    how_fields = frozenset({"workers"})
    packages = ("numpy",)
    gives: object = None
    loads = 0

    def _load(self) -> None:
        self.loads += 1

    def _score(self, texts: list[str]) -> np.ndarray:
        if self.gives is not None:
            return self.gives
        return np.array([len(text) * self.options.factor for text in texts])

    def _weights(self) -> dict[str, str]:
        return {"table": "0" * 64}


class NotAScorer:
    Options = Strict

    def score(self, texts: list[str]) -> list[float]:
        return [0.0 for _ in texts]


OWN = f"{__name__}:LengthScorer"


def test_a_scorer_of_ones_own_by_its_name() -> None:
    scorer = build_scorer(ScorerArgs(name=OWN, factor=2.0))
    scores = scorer.score(["", "ab"])
    assert scores.tolist() == [0.0, 4.0]
    assert scores.dtype == np.float64
    with pytest.raises(ValueError, match="factr"):
        ScorerArgs(name=OWN, factr=2.0)
    with pytest.raises(ValueError, match=r"is a class; .* subclass"):
        ScorerArgs(name=f"{__name__}:NotAScorer")


def test_models_are_loaded_once_and_only_when_needed() -> None:
    scorer = LengthScorer(LengthScorer.Options())
    assert scorer.score([]).shape == (0,)
    assert scorer.loads == 0
    scorer.score(["a"])
    scorer.score(("a", "b"))
    assert scorer.loads == 1


@pytest.mark.parametrize(
    "gives,match",
    [
        ([0.0, float("nan")], "1 of 2 texts; the first is 'bb'"),
        ([float("inf"), 0.0], "'a'"),
        ([0.0], r"shape \[1\].*shape \[2\]"),
        ([[0.0], [0.0]], r"shape \[2, 1\]"),
    ],
)
def test_a_failure_never_becomes_a_score(gives: list, match: str) -> None:
    scorer = LengthScorer(LengthScorer.Options())
    scorer.gives = gives
    with pytest.raises(ScorerError, match=match):
        scorer.score(["a", "bb"])


def test_the_fingerprint_holds_what_decides_on_the_scores() -> None:
    def fingerprint(**options: object) -> dict[str, str]:
        return LengthScorer(LengthScorer.Options(**options)).fingerprint()

    found = fingerprint(factor=2.0)
    assert json.loads(json.dumps(found)) == found
    assert json.loads(found["options"]) == {"factor": 2.0}
    assert found["numpy"] == np.__version__
    assert found["sha256 of table"] == "0" * 64
    assert fingerprint(factor=2.0, workers=8) == found
    assert fingerprint(factor=3.0) != found


def test_one_scorer_per_process_and_options() -> None:
    first = cached_scorer(ScorerArgs(name="vader"))
    assert cached_scorer(ScorerArgs(name="vader", value="pos_minus_neg")) is first
    assert cached_scorer(ScorerArgs(name="vader", value="compound")) is not first
    assert build_scorer(ScorerArgs(name="vader")) is not first


def _score_in_worker(args: ScorerArgs) -> list[float]:
    return cached_scorer(args).score(sentences(20)).tolist()


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_scores_are_the_same_in_a_worker(start: str) -> None:
    args = [ScorerArgs(name="vader", value="compound"), ScorerArgs(name="profanity_check")]
    with multiprocessing.get_context(start).Pool(1) as pool:
        found = pool.map(_score_in_worker, args)
    assert found == [build_scorer(one).score(sentences(20)).tolist() for one in args]


def test_reading_options_imports_no_torch() -> None:
    names = ["detoxify", "vader", "profanity_check", "huggingface"]
    code = (
        "import sys; from src.config.scorers import scorer_class\n"
        f"import src.attributes.attribute\nfor n in {names}: scorer_class(n).Options\n"
        "sys.exit(sorted({'torch', 'transformers', 'sklearn'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
