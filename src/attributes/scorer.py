"""What every scorer is: texts in, one finite number per text out, or an error.

A scorer of your own is a plain function, named in the args file as `module:function` (see
function_scorer.py), or, where it has options or models, a subclass of `Scorer` with its own `Options`, named
`module:Class` or put into the registry of src/config/scorers.py under a short name.
"""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from pydantic import BaseModel

from src.config.attributes import ScorerArgs
from src.config.scorers import registered_name, scorer_class
from src.config.strict import Strict
from src.errors import ScorerError, UserError


class Scorer(ABC):
    """Turns texts into numbers; knows nothing of labels or tokens.

    Creating one is cheap: models are loaded at the first score.

    A subclass sets `Options` (every field described), `version` (raised when its scores change though its
    options do not), `packages` (whose versions can change a score),
    `how_fields` (options that say how to compute and not what) and, where the scorer has them,
    `neutral_score` (what it gives a text in which it finds nothing) and `slow_imports` (modules that
    `_load` imports: all workers share one import of them), and writes `_load`, `_score` and `_weights`.
    It sets no global thread counts: it may run in one of many workers.
    """

    Options: ClassVar[type[BaseModel]] = Strict
    version: ClassVar[int] = 1
    packages: ClassVar[tuple[str, ...]] = ()
    how_fields: ClassVar[frozenset[str]] = frozenset()
    neutral_score: ClassVar[float | None] = None
    slow_imports: ClassVar[tuple[str, ...]] = ()

    def __init__(self, options: Any) -> None:
        """Args: options, an instance of `Options`."""
        self.options = options
        self._loaded = False
        self._weights_known: dict[str, str] | None = None

    def load(self) -> None:
        """Load what `score` needs, once.

        Raises:
            UnavailableError: it cannot be had (no hub, no such file).
            ScorerError: it is there and cannot be used.
        """
        if not self._loaded:
            self._load()
            self._loaded = True

    def score(self, texts: Sequence[str]) -> np.ndarray:
        """Score texts, in their order.

        Args:
            texts: any texts, empty ones too.

        Returns:
            float64 of shape [len(texts)], all finite.

        Raises:
            ScorerError: the scorer failed, or gave something else than one finite number per text.
        """
        texts = list(texts)
        if not texts:
            return np.empty(0, dtype=np.float64)
        self.load()
        return _checked(self._score(texts), texts, type(self).__name__)

    def fingerprint(self) -> dict[str, str]:
        """What decides on the scores: the same on every machine that scores alike.

        Returns:
            `name` as in the args, its `version`, `options` (as JSON, without those that only say how to
            compute), a version for each package and a sha256 for each weights file or lexicon. Loads what it
            has to hash.
        """
        if self._weights_known is None:
            self._weights_known = self._weights()
        options = self.options.model_dump(mode="json", exclude=set(self.how_fields))
        return {
            "name": registered_name(type(self)),
            "version": str(self.version),
            "options": json.dumps(options, sort_keys=True),
            # Without `+cpu` and the like, which name a build, not a version.
            **{name: metadata.version(name).split("+")[0] for name in self.packages},
            **{f"sha256 of {what}": digest for what, digest in self._weights_known.items()},
        }

    def missing(self) -> list[str]:
        """What `load` needs and is neither here nor to be had now, one line each; asks, and loads nothing."""
        return []

    @abstractmethod
    def _load(self) -> None:
        """Load models and tables into attributes of the instance."""

    @abstractmethod
    def _score(self, texts: list[str]) -> np.ndarray:
        """Scores of shape [len(texts)]; called after `_load`, never with an empty list."""

    @abstractmethod
    def _weights(self) -> dict[str, str]:
        """Name → sha256 of every table or weights file that the scores depend on."""


def _checked(scores: Any, texts: list[str], scorer: str) -> np.ndarray:
    scores = np.asarray(scores, dtype=np.float64)
    if scores.shape != (len(texts),):
        raise ScorerError(
            f"{scorer} must give one number per text",
            got=f"shape {list(scores.shape)}",
            allowed=f"shape [{len(texts)}]",
        )
    wrong = np.flatnonzero(~np.isfinite(scores))
    if wrong.size:
        raise ScorerError(
            f"{scorer} gave no finite number for {wrong.size} of {len(texts)} texts; the first is "
            f"{texts[wrong[0]][:80]!r}",
            got=float(scores[wrong[0]]),
        )
    return scores


def package_file_sha256(package: str, name: str) -> str:
    """Hex sha256 of a file inside an installed package, without importing the package.

    Raises:
        ScorerError: the package or the file is not there.
    """
    from importlib.util import find_spec

    spec = find_spec(package)
    path = Path(spec.origin or "").parent / name if spec else Path(name)
    if spec is None or not path.is_file():
        raise ScorerError(
            f"package {package} is not installed or has no {name}",
            fix="install requirements.txt again",
        )
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def build_scorer(args: ScorerArgs) -> Scorer:
    """A new scorer; its models are not loaded yet."""
    found = scorer_class(args.name)
    return found(found.Options.model_validate_json(json.dumps(args.options)))


_CACHE: dict[tuple[str, str], Scorer] = {}


def cached_scorer(args: ScorerArgs) -> Scorer:
    """The one scorer of this process for these options (defaults written out or not).

    Pipeline stages are copied for every task, and a model must not be: stages keep the args and ask
    here at work.
    """
    options = scorer_class(args.name).Options.model_validate_json(json.dumps(args.options))
    key = (args.name, options.model_dump_json())
    if key not in _CACHE:
        _CACHE[key] = build_scorer(args)
    return _CACHE[key]


def missing_scorers(role: str, scorers: Mapping[str, ScorerArgs]) -> Iterator[UserError]:
    """What scorers need and is neither here nor to be had, one error a line.

    Args:
        role: what they are to the user: `scorer` or `judge`.
        scorers: attribute → scorer.
    """
    for name, scorer in scorers.items():
        for line in cached_scorer(scorer).missing():
            yield UserError(f"{role} {scorer.name} of attribute {name}: {line}")
