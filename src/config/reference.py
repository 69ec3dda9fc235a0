"""The keys of an args file, as `--help` prints them."""

from __future__ import annotations

import textwrap
import types
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

WIDTH = 100


def fields_help(model: type[BaseModel]) -> str:
    """Every key with its type, default and meaning, one below the other."""
    return "\n".join(
        ["keys of the args file (set any of them with key.sub=value):", *_lines(model, "")]
    )


def _lines(model: type[BaseModel], prefix: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        key = f"{prefix}{name}"
        nested = list(_models_in(field.annotation))
        default = "" if field.default is PydanticUndefined else f" = {_show(field.default)}"
        if nested and default:
            default = ""
        yield f"  {key}: {_type(field.annotation)}{default}"
        yield textwrap.fill(
            field.description or "", WIDTH, initial_indent="      ", subsequent_indent="      "
        )
        for inner, infix in nested:
            yield from _lines(inner, f"{key}.{infix}")


def _models_in(annotation: Any) -> Iterator[tuple[type[BaseModel], str]]:
    """The models inside an annotation, each with what stands for its key: `<name>.` in a mapping."""
    annotation = _bare(annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation, ""
        return
    infix = {dict: "<name>.", tuple: "<n>."}.get(get_origin(annotation), "")
    for argument in get_args(annotation):
        for inner, below in _models_in(argument):
            yield inner, infix + below


def _bare(annotation: Any) -> Any:
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    return annotation


def _type(annotation: Any) -> str:
    annotation = _bare(annotation)
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        return " | ".join(_type(argument) for argument in arguments)
    if origin is Literal:
        return " | ".join(map(str, arguments))
    if origin is dict:
        return f"map of name to {_type(arguments[1])}"
    if origin is tuple:
        return f"list of {_type(arguments[0])}"
    if annotation is type(None):
        return "null"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "section"
    return {"str": "text", "Path": "path", "bool": "true | false"}.get(
        annotation.__name__, annotation.__name__
    )


def _show(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return str(list(value))
    return str(value)
