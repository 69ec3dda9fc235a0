"""A plain function of a user's own as a scorer: `def politeness(texts: list[str]) -> list[float]`."""

from __future__ import annotations

import inspect
import reprlib
import sys
from collections.abc import Callable, Iterable, Mapping, Set
from numbers import Real
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from src.artifacts.atomic_files import file_sha256
from src.attributes.scorer import Scorer, build_scorer
from src.config.attributes import ScorerArgs
from src.config.own_code import is_installed, own_line
from src.config.scorers import registered_name
from src.errors import ScorerError, first_line

NEEDED = "it has to take a list of texts and return a list with one finite number for each"
# Of these, nobody can say which number belongs to which text.
_NO_LIST = (str, bytes, Mapping, Set)


class FunctionScorer(Scorer):
    """What a function gives, checked; `scorer_of` makes a subclass of it for each function.

    Attributes:
        function: texts → one number for each.
        sources: module → sha256 of its file, for the function's module and, where the function is only
            imported there, the module named; as they were when the function was loaded.
    """

    function: ClassVar[Callable[[list[str]], Any]]
    sources: ClassVar[dict[str, str]]

    def __reduce__(self) -> tuple[Any, ...]:
        # The class is made anew in each process, so pickle cannot find it by its name.
        return build_scorer, (ScorerArgs(name=registered_name(type(self))),)

    def _load(self) -> None:
        pass

    def _score(self, texts: list[str]) -> np.ndarray:
        name, scores = registered_name(type(self)), self._called(texts)
        if len(scores) != len(texts):
            raise ScorerError(
                f"{name} returned {len(scores)} numbers for {len(texts)} texts", fix=NEEDED
            )
        for text, score in zip(texts, scores, strict=True):
            # So written, the comparison refuses NaN, infinity, and whole numbers too large for a float.
            if not (isinstance(score, Real) and abs(score) <= sys.float_info.max):
                raise ScorerError(
                    f"{name} gave no finite number for {text[:80]!r}: it gave {reprlib.repr(score)}",
                    fix=NEEDED,
                )
        return np.array(scores, dtype=np.float64)

    def _called(self, texts: list[str]) -> list[Any]:
        name = registered_name(type(self))
        try:
            returned = _plain(self.function(list(texts)))  # a copy: the function may change it
            if isinstance(returned, Iterable) and not isinstance(returned, _NO_LIST):
                return [_plain(one) for one in returned]
        except Exception as error:  # the code is the user's: it may raise anything
            code = self.function.__code__
            at = own_line(error) or f"{code.co_filename}, line {code.co_firstlineno}"
            raise ScorerError(
                f"{name} raised {type(error).__name__}: {first_line(error)} ({at})", fix=NEEDED
            ) from error
        kind = type(returned).__name__
        raise ScorerError(
            f"{name} returned no list but a {kind} for {len(texts)} texts", fix=NEEDED
        )

    def _weights(self) -> dict[str, str]:
        return {f"module {module}": digest for module, digest in self.sources.items()}


def _plain(value: Any) -> Any:
    """The Python value of what numpy, torch or pandas made, on whatever device it lies."""
    return value.tolist() if hasattr(value, "tolist") else value


def scorer_of(name: str, found: Any) -> type[Scorer]:
    """The scorer that an args file asks for by the name of a user's own function or class.

    Args:
        name: `module:thing`.
        found: what it stands for, from `load_own`.

    Raises:
        ValueError: it is neither a function nor a subclass of `Scorer`; or it is a function of no source
            file, or of an installed package.
    """
    if isinstance(found, type) and issubclass(found, Scorer):
        return found
    if not inspect.isfunction(found):
        kind = "class" if isinstance(found, type) else type(found).__name__
        raise ValueError(
            f"scorer {name!r} is a {kind}; needed is a function, or a subclass of `Scorer` "
            "(see src/attributes/scorer.py)"
        )
    module_name, _, function_name = name.partition(":")
    sources = {one: _source(name, one) for one in dict.fromkeys([found.__module__, module_name])}
    content = {
        "__doc__": found.__doc__,
        "__module__": module_name,
        "__qualname__": function_name,
        "function": staticmethod(found),
        "sources": {module: file_sha256(file) for module, file in sources.items()},
    }
    return type(function_name, (FunctionScorer,), content)


def _source(name: str, module: str) -> Path:
    file = getattr(sys.modules.get(module), "__file__", None)
    if file is None:
        raise ValueError(
            f"scorer {name!r}: module {module} has no file, so a change of it could not be noticed"
        )
    if is_installed(file):
        # The name may stand in a stranger's manifest: it must not call `subprocess:call` with texts.
        raise ValueError(
            f"scorer {name!r} is a function of an installed package ({file}): write one that calls it"
        )
    return Path(file)
