"""YAML as data with the place of every key: what PyYAML hides, an error message needs.

Reads the core schema of YAML 1.2, so that `1e-4` is a number and `no` is a word, and refuses what passes
silently elsewhere: duplicate keys, keys that are not text, anchors and aliases (a small file of aliases
can stand for gigabytes; `extends:` shares parts instead).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

MAX_DEPTH = 50
MAX_DIGITS = 100  # Python itself refuses to read some thousands
TAG = "tag:yaml.org,2002:"
Path = tuple[str | int, ...]


class _CoreSchemaLoader(yaml.SafeLoader):
    """PyYAML's safe loader with YAML 1.2's scalars instead of 1.1's."""


_CoreSchemaLoader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", "~nN\0"),
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    (
        "float",
        r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        "-+.0123456789",
    ),
):
    _CoreSchemaLoader.add_implicit_resolver(
        f"{TAG}{_tag}",
        re.compile(rf"^(?:{_pattern})$"),
        [*_first.replace("\0", ""), ""],
    )


@dataclass(frozen=True)
class Place:
    """Where a key stands: a file and line, or the command line."""

    file: str
    line: int | None = None

    def __str__(self) -> str:
        return self.file if self.line is None else f"{self.file}:{self.line}"


@dataclass
class Tree:
    """A YAML document: its value, the place of every path in it, and what is wrong with it."""

    value: Any = None
    places: dict[Path, Place] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def place_of(self, path: Path) -> Place | None:
        """The place of a path, or of the nearest mapping around it."""
        for end in range(len(path), -1, -1):
            if path[:end] in self.places:
                return self.places[path[:end]]
        return None


def parse_yaml(text: str, file: str) -> Tree:
    """Parse one document; problems are collected in the tree, never raised.

    Args:
        text: the YAML.
        file: what to call it in messages.
    """
    tree = Tree()
    try:
        node = yaml.compose(text, Loader=_CoreSchemaLoader)
        aliases = [
            e for e in yaml.parse(text, Loader=_CoreSchemaLoader) if isinstance(e, yaml.AliasEvent)
        ]
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = Place(file, mark.line + 1 if mark else None)
        what = getattr(error, "problem", None) or str(error) or "nested too deeply"
        tree.problems.append(f"{where}: not valid YAML: {what}")
        return tree
    if aliases:
        line = aliases[0].start_mark.line + 1
        tree.problems.append(
            f"{file}:{line}: aliases (*{aliases[0].anchor}) are not read; use extends:"
        )
        return tree
    if node is not None:
        tree.value = _value(node, (), file, tree)
    return tree


def _value(node: yaml.Node, path: Path, file: str, tree: Tree) -> Any:
    tree.places.setdefault(path, Place(file, node.start_mark.line + 1))
    if len(path) > MAX_DEPTH:
        tree.problems.append(f"{tree.places[path]}: nested deeper than {MAX_DEPTH}")
        return None
    if node.tag.removeprefix(TAG) not in ("map", "seq", "null", "bool", "int", "float", "str"):
        tree.problems.append(f"{file}:{node.start_mark.line + 1}: tag {node.tag} is not read")
        return None
    if isinstance(node, yaml.MappingNode):
        return dict(_items(node, path, file, tree))
    if isinstance(node, yaml.SequenceNode):
        return [_value(child, (*path, i), file, tree) for i, child in enumerate(node.value)]
    place = f"{file}:{node.start_mark.line + 1}"
    if node.tag == f"{TAG}int" and len(node.value) > MAX_DIGITS:
        tree.problems.append(f"{place}: a whole number of {len(node.value)} digits is not read")
        return None
    value = _scalar(node)
    return _whole_text(value, place, tree) if isinstance(value, str) else value


def _whole_text(text: str, place: str, tree: Tree) -> str | None:
    """JSON writes a character beyond U+FFFF as two escapes, which PyYAML leaves as two halves."""
    try:
        return text.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        tree.problems.append(f"{place}: half of a character (a lone surrogate) is no text")
        return None


def _items(node: yaml.MappingNode, path: Path, file: str, tree: Tree) -> Iterator[tuple[str, Any]]:
    seen: dict[str, int] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            tree.problems.append(f"{file}:{line}: a key must be a word")
            continue
        key = _whole_text(key_node.value, f"{file}:{line}", tree)
        if key is None:
            continue
        if key in seen:
            here = ".".join(map(str, (*path, key)))
            tree.problems.append(
                f"{file}:{line}: {here}: duplicate key, already set in line {seen[key]}; remove one of them"
            )
            continue
        seen[key] = line
        tree.places[(*path, key)] = Place(file, line)
        yield key, _value(value_node, (*path, key), file, tree)


def _scalar(node: yaml.Node) -> Any:
    tag, text = node.tag.removeprefix(TAG), node.value
    if tag == "null":
        return None
    if tag == "bool":
        return text.lower() == "true"
    if tag == "int":
        return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
    if tag == "float":
        # YAML writes .inf and .nan, Python inf and nan; 1.5 keeps its dot.
        return float(re.sub(r"\.(?=[in])", "", text.lower()))
    return text
