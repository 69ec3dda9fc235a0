"""From an args file to typed args: YAML, `extends:`, command-line overrides, all problems at once.

Later wins: defaults < `extends:` < the file < the command line.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from src.config.args_problems import describe_problems
from src.config.yaml_tree import Place, Tree, parse_yaml
from src.errors import ArgsError

Args = TypeVar("Args", bound=BaseModel)
EXTENDS = "extends"
MAX_BYTES = 1_000_000  # the shipped ones have 3,000; the parser takes seconds for a megabyte


def load_args(model: type[Args], file: str | Path, overrides: Sequence[str] = ()) -> Args:
    """Read and check the args of one run.

    Args:
        model: the stage's args model.
        file: the args file; `.yaml` may be left out.
        overrides: `key.sub=value` each, the value in YAML.

    Raises:
        ArgsError: everything that is wrong, with file, line, key, what is allowed and suggestions.
    """
    tree = _read_with_parents(find_args_file(file), ())
    for override in overrides:
        _apply_override(tree, override)
    problems = list(tree.problems)
    try:
        # Through JSON: pydantic's strict JSON mode takes a list for a tuple and text for a path, and still
        # refuses "5" for a number.
        args = model.model_validate_json(json.dumps(tree.value), strict=True)
    except ValidationError as error:
        # Of a file that could not be read, every key is missing; saying so would hide the reason.
        if tree.value or not problems:
            problems += describe_problems(error, model, tree)
    if problems:
        raise ArgsError(problems)
    return args


def find_args_file(file: str | Path) -> Path:
    """The args file as given or with `.yaml` added.

    Raises:
        ArgsError: there is none; the message names the nearest one in that folder.
    """
    path = Path(file)
    for candidate in (path, path.with_name(f"{path.name}.yaml") if path.name else path):
        try:
            if candidate.is_file():
                return candidate
        except OSError as error:  # a name that is too long, a folder that may not be read
            raise ArgsError([f"{str(file)[:200]}: cannot be read: {error.strerror}"]) from error
    names = sorted(p.stem for p in path.parent.glob("*.yaml")) if path.parent.is_dir() else []
    near = difflib.get_close_matches(path.name.removesuffix(".yaml"), names, n=1, cutoff=0.5)
    if near:
        hint = f"; did you mean {path.parent / near[0]}?"
    elif names:
        hint = f"; in {path.parent}: {', '.join(names)}"
    else:
        hint = f"; {path.parent} holds no args file"
    raise ArgsError([f"{file}: no such args file{hint}"])


def _read_with_parents(path: Path, children: tuple[Path, ...]) -> Tree:
    if path.resolve() in children:
        return Tree(problems=[f"{path}: extends itself, through {' → '.join(map(str, children))}"])
    try:
        if path.stat().st_size > MAX_BYTES:
            return Tree(problems=[f"{path}: larger than {MAX_BYTES:,} bytes: no args file"])
        tree = parse_yaml(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        return Tree(problems=[f"{path}: cannot be read: {error}"])
    if tree.problems:
        return tree
    if tree.value is None:
        tree.value = {}
    if not isinstance(tree.value, dict):
        return Tree(problems=[f"{path}: holds a {type(tree.value).__name__}, a mapping is needed"])
    parents = tree.value.pop(EXTENDS, [])
    whole = Tree(value={})
    parents = [parents] if isinstance(parents, str) else parents
    if not (isinstance(parents, list) and all(isinstance(one, str) for one in parents)):
        place = tree.place_of((EXTENDS,))
        return Tree(problems=[f"{place}: extends: must be an args file or a list of them"])
    for parent in parents:
        try:
            parent_path = find_args_file(path.parent / parent)
        except ArgsError as error:
            whole.problems.extend(
                f"{tree.place_of((EXTENDS,))}: extends: {p}" for p in error.problems
            )
            continue
        _merge(whole, _read_with_parents(parent_path, (*children, path.resolve())))
    _merge(whole, tree)
    return whole


def _merge(below: Tree, above: Tree) -> None:
    """Lay one tree over another: mappings merge, everything else is replaced."""
    below.problems.extend(above.problems)
    below.value = merged(below.value, above.value if above.value is not None else {})
    below.places.update(above.places)


def merged(below: Any, above: Any) -> Any:
    """The value with `above` laid over `below`: mappings merge key by key, all else is replaced.

    A mapping whose `kind` or `name` differs is another thing and is replaced whole: the keys of a hub
    source make no sense in a source of files. A null takes a mapping away (an attribute, say).
    """
    if not (isinstance(below, dict) and isinstance(above, dict)):
        return above
    for selector in ("kind", "name"):
        if selector in below and above.get(selector, below[selector]) != below[selector]:
            return above
    together = dict(below)
    for key, value in above.items():
        if value is None and isinstance(below.get(key), dict):
            del together[key]
        else:
            together[key] = merged(below[key], value) if key in below else value
    return together


def _apply_override(tree: Tree, override: str) -> None:
    name, separator, text = override.partition("=")
    if not separator or not name:
        tree.problems.append(f"command line: {override!r} is not of the form key.sub=value")
        return
    parsed = parse_yaml(text, f"command line, {name}")
    tree.problems.extend(parsed.problems)
    try:
        path = _set(tree, name.split("."), parsed.value)
    except LookupError as error:
        tree.problems.append(f"command line: {override}: {error.args[0]}")
        return
    for below in [p for p in tree.places if p[: len(path)] == path] + [path]:
        tree.places[below] = Place("command line")


def _set(tree: Tree, keys: list[str], value: Any) -> tuple[str | int, ...]:
    """Set a value by its dotted key, making sections on the way; returns its path."""
    if not isinstance(tree.value, dict):
        tree.value = {}
    here: Any = tree.value
    path: tuple[str | int, ...] = ()
    for position, key in enumerate(keys):
        index = _index(here, key, ".".join(keys[:position]))
        path = (*path, index)
        if position == len(keys) - 1:
            if value is None and isinstance(here, dict) and isinstance(here.get(index), dict):
                del here[index]  # a null takes a mapping away, as in a file
            else:
                here[index] = value
        else:
            if isinstance(here, dict) and here.get(index) is None:
                here[index] = {}
                tree.places[path] = Place("command line")
            here = here[index]
    return path


def _index(holder: Any, key: str, holder_name: str) -> str | int:
    if isinstance(holder, dict):
        return key
    if not isinstance(holder, list):
        raise LookupError(f"{holder_name} is {holder!r} and holds no keys")
    if not (key.isdecimal() and int(key) < len(holder)):
        first = f"; the first is {holder_name}.0" if holder else ""
        raise LookupError(
            f"{holder_name} is a list of {len(holder)}, {key!r} is not a place in it{first}"
        )
    return int(key)
