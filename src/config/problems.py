"""Pydantic's errors as lines for a person: where, which key, what it got, what is allowed."""

from __future__ import annotations

import difflib
import types
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from src.config.yaml_tree import Tree

Path = tuple[str | int, ...]


def describe_problems(error: ValidationError, model: type[BaseModel], tree: Tree) -> list[str]:
    """One line per problem.

    Args:
        error: what pydantic found.
        model: the args model, for the keys that are allowed.
        tree: the args as written, for files and lines.
    """
    return [_describe(problem, model, tree) for problem in error.errors(include_url=False)]


def _describe(problem: Any, model: type[BaseModel], tree: Tree) -> str:
    path, holder = _follow(problem["loc"], model, tree.value)
    key = ".".join(map(str, path)) or "the args"
    place = tree.place_of(path)
    where = f"{place}: {key}" if place else key
    kind = problem["type"]
    if kind == "extra_forbidden":
        allowed = _keys(holder)
        near = difflib.get_close_matches(str(path[-1]), allowed, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        return f"{where}: unknown key; allowed: {', '.join(allowed)}.{hint}"
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
        near = difflib.get_close_matches(str(value), options, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        return (
            f"{where}: not one of the values; got {value!r}; allowed: {', '.join(options)}.{hint}"
        )
    return f"{where}: {message[0].lower()}{message[1:]}{got}"


def _follow(loc: Path, model: type[BaseModel], value: Any) -> tuple[Path, Any]:
    """The path in the file, without the tags that pydantic adds for unions, and what holds its end."""
    path: Path = ()
    annotation: Any = model
    holder: Any = model
    for step in loc:
        annotation = _bare(annotation)
        members = (
            [_bare(member) for member in get_args(annotation)] if _is_union(annotation) else []
        )
        chosen = [m for m in members if _is_model(m) and step in (_tag(m), m.__name__)]
        if chosen:
            annotation = chosen[0]
            continue
        if isinstance(step, str) and members and not any(_holds_keys(m) for m in members):
            continue
        holder = annotation
        path = (*path, step)
        annotation = _below(annotation, members, step)
    return path, holder


def _holds_keys(annotation: Any) -> bool:
    return _is_model(annotation) or get_origin(annotation) is dict


def _below(annotation: Any, members: list[Any], step: str | int) -> Any:
    if _is_union(annotation):
        found = [m for m in (_below(member, [], step) for member in members) if m is not None]
        return found[0] if found else None
    if _is_model(annotation):
        field = annotation.model_fields.get(str(step))
        return field.annotation if field else None
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is dict:
        return arguments[1]
    if origin in (tuple, list):
        return arguments[0]
    return None


def _bare(annotation: Any) -> Any:
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    return annotation


def _is_union(annotation: Any) -> bool:
    return get_origin(annotation) in (Union, types.UnionType)


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
