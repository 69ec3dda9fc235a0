"""Pydantic's errors as lines for a person: where, which key, what it got, what is allowed."""

from __future__ import annotations

import difflib
import types
from collections.abc import Iterator
from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from src.config.yaml_tree import Tree

Path = tuple[str | int, ...]
OTHER_NAMES = {
    "bfloat16": "bf16", "float16": "fp16", "half": "fp16", "float32": "fp32", "float": "fp32",
    "ddp": "data_parallel", "lr": "learning_rate", "optimizer": "optimisation",
}  # fmt: skip
"""What other programs call it, where the letters alone would not tell."""
NEAR = 0.7
HERE, OTHER_KIND = 0.1, 0.05  # a key is the likelier meant the less of what was typed has to move
MOST_HINTS, MOST_INNER = 3, 20


class _Key(NamedTuple):
    """A key that the args may have; in its path `<name>` and `<n>` stand for any one."""

    path: tuple[str, ...]
    owner: type[BaseModel]
    needed: bool


def describe_problems(error: ValidationError, model: type[BaseModel], tree: Tree) -> list[str]:
    """One line per problem.

    Args:
        error: what pydantic found.
        model: the args model, for the keys that are allowed.
        tree: the args as written, for files and lines.
    """
    found = error.errors(include_url=False)
    return [_describe(one, model, tree) for one in found if not _follows_from_another(one, found)]


def _follows_from_another(problem: Any, found: list[Any]) -> bool:
    """Pydantic calls a list too short once it has refused the items."""
    loc = problem["loc"]
    return problem["type"] == "too_short" and any(
        len(other["loc"]) > len(loc) and other["loc"][: len(loc)] == loc for other in found
    )


def _describe(problem: Any, model: type[BaseModel], tree: Tree) -> str:
    path, holder = _follow(problem["loc"], model, tree.value)
    key = ".".join(map(str, path)) or "the args"
    place = tree.place_of(path)
    where = f"{place}: {key}" if place else key
    kind = problem["type"]
    if kind == "extra_forbidden":
        return f"{where}: unknown key{_about_unknown(path, holder, model, problem['input'])}"
    if kind == "missing":
        what = _description(holder, str(path[-1]))
        return f"{where}: missing{f' ({what})' if what else ''}"
    got = f"; got {problem['input']!r}" if not isinstance(problem["input"], dict) else ""
    message = problem["msg"].removeprefix("Value error, ")
    if kind == "value_error":
        return f"{where}: {message}"
    if kind in ("literal_error", "union_tag_invalid"):
        expected = problem["ctx"].get("expected") or problem["ctx"].get("expected_tags", "")
        options = [word.strip().strip("'") for word in expected.replace(" or ", ", ").split(",")]
        value = (
            problem["input"].get("kind") if isinstance(problem["input"], dict) else problem["input"]
        )
        word = _usual(str(value).lower().removeprefix("torch."))
        near = difflib.get_close_matches(word, options, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        return (
            f"{where}: not one of the values; got {value!r}; allowed: {', '.join(options)}.{hint}"
        )
    if get_origin(holder) is dict and path[-1] in _keys(_below(holder, path[-1])):
        got += f". Did you mean {'.'.join(map(str, path[:-1]))}.<name>.{path[-1]}?"
    return f"{where}: {message[0].lower()}{message[1:]}{got}"


def _about_unknown(path: Path, holder: Any, model: type[BaseModel], value: Any) -> str:
    """Where the key has its place; and the keys allowed here, where they may be what was meant."""
    key, allowed = str(path[-1]), ", ".join(_keys(holder))
    if "." in key:
        return f". In a file, write {': {'.join(key.split('.'))}: …{'}' * key.count('.')}"
    # A section of a wrong name is known by what it holds.
    inner = list(value)[:MOST_INNER] if isinstance(value, dict) else []
    for typed in (path, *((*path, name) for name in inner)):
        found = _nearest(typed, holder, model)
        if found:
            places = dict.fromkeys(_place(one, typed, holder) for one in found)
            *level, name = found[0].path
            guessed = name != _usual(typed[-1]) and _is_at(tuple(level), path[:-1])
            hint = f". Did you mean {'? Or '.join(list(places)[:MOST_HINTS])}?"
            return f"{hint} Allowed: {allowed}." if guessed else hint
    return f"; allowed: {allowed}."


def _nearest(typed: Path, holder: Any, model: type[BaseModel]) -> list[_Key]:
    """The keys of all the args that are nearest to what was typed, those that every run sets first."""
    keys, word = list(_all_keys(model)), _usual(typed[-1])
    scores: dict[_Key, float] = {}
    names = {key.path[-1] for key in keys}
    for name in difflib.get_close_matches(word, names, n=len(names), cutoff=NEAR - HERE):
        ratio = difflib.SequenceMatcher(None, name, word).ratio()
        for key in (key for key in keys if key.path[-1] == name):
            near = _is_at(key.path[:-1], typed[:-1])
            scores[key] = ratio + near * (HERE if key.owner is holder else OTHER_KIND)
    best = max(scores.values(), default=0.0)
    found = [key for key in keys if best >= NEAR and scores.get(key) == best]
    return sorted(found, key=lambda key: not key.needed)


def _place(key: _Key, typed: Path, holder: Any) -> str:
    name = key.path[-1]
    if not _is_at(key.path[:-1], typed[:-1]):
        return ".".join(key.path) if len(key.path) > 1 else f"{name} at the top level"
    return f"{name!r}" if key.owner is holder else f"{name!r} of kind {_tag(key.owner)!r}"


def _is_at(level: tuple[str, ...], path: Path) -> bool:
    return len(level) == len(path) and all(
        one in ("<name>", "<n>", str(step)) for one, step in zip(level, path, strict=True)
    )


def _usual(name: object) -> str:
    return OTHER_NAMES.get(str(name), str(name))


def _all_keys(annotation: Any, path: tuple[str, ...] = (), needed: bool = True) -> Iterator[_Key]:
    members = _members(annotation)
    for member in members:
        if _is_model(member):
            for name, field in member.model_fields.items():
                key = _Key(
                    (*path, name), member, needed and field.is_required() and len(members) == 1
                )
                yield key
                yield from _all_keys(field.annotation, key.path, key.needed)
        elif get_origin(member) in (dict, tuple, list):
            step = "<name>" if get_origin(member) is dict else "<n>"
            yield from _all_keys(_below(member, 0), (*path, step), needed)


def _follow(loc: Path, model: type[BaseModel], value: Any) -> tuple[Path, Any]:
    """The path in the file, without the tags that pydantic adds for unions, and what holds its end."""
    path: Path = ()
    annotation: Any = model
    holder: Any = model
    for step in loc:
        members = _members(annotation)
        models = [member for member in members if _is_model(member)]
        chosen = [m for m in models if len(members) > 1 and step in (_tag(m), m.__name__)]
        if chosen:
            annotation = chosen[0]
            continue
        if isinstance(step, str) and len(members) > 1 and not any(map(_holds_keys, members)):
            continue
        holder = (models or members)[0]
        path = (*path, step)
        found = (_below(member, step) for member in members)
        annotation = next((one for one in found if one is not None), None)
    return path, holder


def _holds_keys(annotation: Any) -> bool:
    return _is_model(annotation) or get_origin(annotation) is dict


def _below(annotation: Any, step: str | int) -> Any:
    if _is_model(annotation):
        field = annotation.model_fields.get(str(step))
        return field.annotation if field else None
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is dict:
        return arguments[1]
    if origin in (tuple, list):
        return arguments[0]
    return None


def _members(annotation: Any) -> list[Any]:
    """What an annotation may stand for: itself, or what a union joins."""
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) not in (Union, types.UnionType):
        return [annotation]
    return [member for one in get_args(annotation) for member in _members(one)]


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _tag(model: type[BaseModel]) -> str | None:
    kind = model.model_fields.get("kind")
    arguments = get_args(kind.annotation) if kind else ()
    return arguments[0] if arguments else None


def _keys(holder: Any) -> list[str]:
    return list(holder.model_fields) if _is_model(holder) else []


def _description(holder: Any, key: str) -> str | None:
    field = holder.model_fields.get(key) if _is_model(holder) else None
    return field.description if field else None
