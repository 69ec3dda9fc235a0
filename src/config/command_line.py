"""What the three entry scripts share: parse → run → say where the result is, and the exit code.

    python main_train.py args/args_train_tox [optimisation.learning_rate=1e-4 …]
                         [--dry-run] [--overwrite] [--debug]

Exit codes: 0 done, 2 the user's input, 1 anything else. A traceback is shown with `--debug` only.
"""

from __future__ import annotations

import argparse
import errno
import logging
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel

from src.config.loading import load_args
from src.config.reference import fields_help
from src.errors import EXIT_DONE, EXIT_FAILED, ArgsError, ProjectError
from src.runtime.console import configure_logging, print_in_any_encoding
from src.runtime.cpu_memory import keep_freed_memory
from src.runtime.cpu_threads import share_the_cores
from src.runtime.processes import is_first_of_its_machine, is_main_process

Args = TypeVar("Args", bound=BaseModel)
EXIT_INTERRUPTED = 130
FULL_BELOW_BYTES = 1 << 20
logger = logging.getLogger(__name__)


def run_stage(
    model: type[Args],
    stage: Callable[..., str],
    description: str,
    argv: Sequence[str] | None = None,
) -> int:
    """Run one stage as a user's command.

    Args:
        model: the stage's args model.
        stage: called with (args, dry_run=…, overwrite=…); returns what is printed at the end.
        description: first part of `--help`.
        argv: the command line without the program's name; default: the process's own.

    Returns:
        The exit code.
    """
    print_in_any_encoding()
    flags = _parser(model, description).parse_intermixed_args(argv)
    keep_freed_memory()
    share_the_cores()
    configure_logging(flags.debug)
    args: Args | None = None
    try:
        args = load_args(model, flags.args_file, flags.overrides)
        result = stage(args, dry_run=flags.dry_run, overwrite=flags.overwrite)
    except ProjectError as error:
        if isinstance(error, ArgsError) and not is_first_of_its_machine():
            return error.exit_code  # every process of this machine reads the same args: one says it
        return _fail(str(error), error.exit_code, flags.debug)
    except KeyboardInterrupt:
        if not is_main_process():
            return EXIT_INTERRUPTED
        return _fail("interrupted; run the same command to resume", EXIT_INTERRUPTED, False)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES):
            return _fail(_one_line(error), EXIT_FAILED, flags.debug)
        where = f" ({error.filename})" if error.filename else ""
        return _fail(f"cannot write: {error.strerror}{where}", EXIT_FAILED, flags.debug)
    except Exception as error:
        return _fail(_full_disk(args) + _one_line(error), EXIT_FAILED, flags.debug)
    if is_main_process():
        _say(f"{result}\n")
    return EXIT_DONE


def _say(text: str) -> None:
    """Print, also where nobody reads to the end: `| head` has seen enough, and that is no failure.

    Nor is a stdout that was closed before the start.
    """
    if sys.stdout is None:
        return
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        # What is left in the buffer would fail once more when the process ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Parser(argparse.ArgumentParser):
    def print_help(self, file: Any = None) -> None:
        """Print to stdout, as `_say` does."""
        _say(self.format_help())


def _parser(model: type[BaseModel], description: str) -> argparse.ArgumentParser:
    parser = _Parser(
        description=description.strip(),
        epilog=fields_help(model),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("args_file", help="YAML file of the run; .yaml may be left out")
    parser.add_argument(
        "overrides",
        nargs="*",
        metavar="key.sub=value",
        help="wins over the file; the value is YAML",
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="check all that can be checked without work, write nothing",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an existing run")
    parser.add_argument("--debug", action="store_true", help="more log lines, and tracebacks")
    return parser


def _full_disk(args: BaseModel | None) -> str:
    """Says that the output's disk is full, where it is: what writes weights has errors of its own for it."""
    output = getattr(args, "output", None)
    if output is None:
        return ""
    folder = next(p for p in (output.absolute(), *output.absolute().parents) if p.exists())
    if shutil.disk_usage(folder).free >= FULL_BELOW_BYTES:
        return ""
    return f"cannot write: {os.strerror(errno.ENOSPC)} ({folder}); "


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:500]} (--debug shows the traceback)"


def _fail(message: str, exit_code: int, debug: bool) -> int:
    if debug:
        logger.exception("failed")
    print(f"error: {message}", file=sys.stderr)
    return exit_code
