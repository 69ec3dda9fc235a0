"""The error types of the project: what a user sees when something is wrong.

Every message says what is wrong, the value got, what is allowed and what to do. `UserError` and its
subclasses end a run without a traceback; anything else is a defect of the program.
"""

from __future__ import annotations

from collections.abc import Sequence

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_USER_INPUT = 2


class ProjectError(Exception):
    """Base of all errors raised on purpose; `exit_code` is what the process ends with."""

    exit_code = EXIT_FAILED

    def __init__(
        self,
        what: str,
        *,
        got: object | None = None,
        allowed: str | None = None,
        fix: str | None = None,
    ) -> None:
        """Build the message from its parts.

        Args:
            what: what is wrong, one clause.
            got: the offending value, if there is one.
            allowed: what would have been accepted.
            fix: what the user can do now, as an imperative sentence.
        """
        self.what, self.got, self.allowed, self.fix = what, got, allowed, fix
        parts = [what]
        if got is not None:
            parts.append(f"got {got!r}")
        if allowed is not None:
            parts.append(f"allowed: {allowed}")
        if fix is not None:
            parts.append(fix)
        super().__init__("; ".join(parts))

    def __reduce__(self) -> tuple:
        # Errors cross process borders (datatrove workers); keyword-only arguments do not pickle alone.
        return _rebuild, (type(self), self.what, self.got, self.allowed, self.fix)


def _rebuild(
    kind: type[ProjectError], what: str, got: object, allowed: str | None, fix: str | None
) -> ProjectError:
    return kind(what, got=got, allowed=allowed, fix=fix)


class UserError(ProjectError):
    """The user's input cannot be used as it is."""

    exit_code = EXIT_USER_INPUT


class ArgsError(UserError):
    """Problems in an args file or on the command line, all of them at once."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = list(problems)
        heading = "1 problem" if len(self.problems) == 1 else f"{len(self.problems)} problems"
        super().__init__(f"{heading} in the args:\n" + "\n".join(f"  {p}" for p in self.problems))

    def __reduce__(self) -> tuple:
        return type(self), (self.problems,)


class ArtifactError(UserError):
    """A run folder is unfinished, changed, or does not fit what it is used with."""


class DataError(UserError):
    """The data do not hold what the run needs."""


class ProgramError(ProjectError):
    """A defect of the program, found by itself; nothing was published."""


class ScorerError(ProjectError):
    """A scorer failed. It is never turned into a score."""


class ProcessError(ProjectError):
    """What one process of a group ended with; no other says it."""


class UnavailableError(ProjectError):
    """Something outside the program is missing: a hub, a model, a file system, disk space."""


def first_line(error: BaseException) -> str:
    """An error's text without its later lines; its type where it has none."""
    return str(error).strip().split("\n")[0] or type(error).__name__
