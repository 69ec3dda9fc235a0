"""All that is wrong with a run's surroundings, found before the work and said in one error."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from src.errors import ProjectError, UnavailableError, UserError

T = TypeVar("T")


class Problems:
    """What was found to be wrong so far.

    Attributes:
        found: the errors, in the order in which they were met.
    """

    def __init__(self, found: Iterable[ProjectError] = ()) -> None:
        self.found = list(found)

    def attempt(self, work: Callable[..., T], *arguments: Any, **options: Any) -> T | None:
        """The result of the work, or None with the problem kept."""
        try:
            return work(*arguments, **options)
        except ProjectError as problem:
            self.found.append(problem)
            return None

    def gather(self, check: Callable[..., Iterable[ProjectError] | None], *arguments: Any) -> bool:
        """Keep all problems that a check yields or raises; whether there was none."""
        before = len(self.found)
        try:
            self.found.extend(check(*arguments) or ())
        except ProjectError as problem:
            self.found.append(problem)
        return len(self.found) == before

    def raise_all(self) -> None:
        """Raise one error that names every problem; nothing to raise without one.

        Raises:
            UnavailableError: several, all of them outside of the program.
            UserError: several others.
            ProjectError: the only one, as it was found.
        """
        # Several checkpoints of one run can have the same problem: say it once.
        found = list({str(problem): problem for problem in self.found}.values())
        if len(found) == 1:
            raise found[0]
        if found:
            all_outside = all(isinstance(problem, UnavailableError) for problem in found)
            kind = UnavailableError if all_outside else UserError
            lines = "\n".join(f"  {i}. {problem}" for i, problem in enumerate(found, 1))
            raise kind(f"{len(found)} things are missing:\n{lines}")
