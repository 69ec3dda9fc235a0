"""A user's own code, named `module:thing` in an args file: found, or one line that says why it is not."""

from __future__ import annotations

import difflib
import importlib
import sys
import sysconfig
import traceback
from pathlib import Path
from typing import Any

from src.artifacts.provenance import REPOSITORY
from src.errors import first_line

_INSTALLED = {"site-packages", "dist-packages"}


def load_own(name: str) -> Any:
    """What a name stands for; its module is imported, which runs its code.

    The working folder comes first, wherever the script that runs lies. Each worker process comes through
    here too.

    Args:
        name: `module:thing`, or `package.module:thing`.

    Raises:
        ValueError: there is no such module or no such thing in it (with the nearest name), or the module
            cannot be imported (with the line at fault).
    """
    module_name, _, thing = name.partition(":")
    folder = str(Path.cwd())
    sys.path.insert(0, folder)
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # the code is the user's: it may raise anything
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        if missing and f"{module_name}.".startswith(f"{missing}."):
            raise ValueError(_no_module(module_name, thing)) from error
        at = f" ({line})" if (line := own_line(error)) else ""
        said = f"{type(error).__name__}: {first_line(error)}{at}"
        raise ValueError(f"{name!r}: module {module_name} cannot be imported: {said}") from error
    finally:
        # From now on last, for what the module imports later: a file there must not hide a package.
        sys.path.remove(folder)
        if folder not in sys.path:
            sys.path.append(folder)
    if not hasattr(module, thing):
        near = difflib.get_close_matches(thing, [n for n in vars(module) if n[0] != "_"], n=1)
        hint = f" Did you mean {module_name}:{near[0]}?" if near else ""
        place = getattr(module, "__file__", None) or "a folder without __init__.py"
        raise ValueError(f"{name!r}: module {module_name} ({place}) has no {thing!r}.{hint}")
    return getattr(module, thing)


def own_line(error: BaseException) -> str | None:
    """Where in the user's code an error arose: file, line and text; None where the traceback has no such."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        ours = Path(frame.filename).is_relative_to(REPOSITORY / "src")
        if not (ours or frame.filename.startswith("<") or is_installed(frame.filename)):
            return f"{frame.filename}, line {frame.lineno}: {frame.line}"
    return None


def is_installed(file: str) -> bool:
    """Whether a file or folder belongs to Python itself or to an installed package."""
    path, paths = Path(file), sysconfig.get_paths()
    own = any(path.is_relative_to(paths[kind]) for kind in ("stdlib", "platstdlib"))
    return own or not _INSTALLED.isdisjoint(path.parts)


def _no_module(module_name: str, thing: str) -> str:
    """No such module: where it was looked for, and the nearest one."""
    folders = list(dict.fromkeys(map(Path, sys.path)))
    folders = [one.absolute() for one in folders if one.is_dir() and not is_installed(str(one))]
    # People write a file's path where its module's name is needed.
    package, _, last = module_name.removesuffix(".py").replace("/", ".").rpartition(".")
    there = [
        p.stem for one in folders for p in sorted((one / package.replace(".", "/")).glob("*.py"))
    ]
    near = difflib.get_close_matches(last, there, n=1)
    hint = f" Did you mean {'.'.join(filter(None, [package, near[0]]))}:{thing}?" if near else ""
    looked = ", ".join(map(str, dict.fromkeys(folders)))
    return (
        f"there is no module {module_name}: looked in {looked} and the installed packages.{hint} "
        "Run the command in the folder that has it"
    )
