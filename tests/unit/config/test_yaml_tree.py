"""YAML reading: the core schema of YAML 1.2, places, and everything that must not pass silently."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.config.yaml_tree import parse_yaml


@pytest.mark.parametrize(
    "text,value",
    [
        ("1e-4", 1e-4),
        ("5", 5),
        ("-0.5", -0.5),
        ("+3", 3),
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("true", True),
        ("null", None),
        ("~", None),
        ("1:30", "1:30"),
        ("2026-11-23", "2026-11-23"),
        ("010", 10),
        ("0x1f", 31),
        ('"1e-4"', "1e-4"),
        ("[a, 1.0]", ["a", 1.0]),
        ("{a: {b: c}}", {"a": {"b": "c"}}),
        (".inf", float("inf")),
    ],
)
def test_scalars_follow_yaml_1_2(text, value):
    tree = parse_yaml(text, "x.yaml")
    assert tree.problems == []
    assert tree.value == value
    assert type(tree.value) is type(value)


def test_places_name_file_and_line():
    tree = parse_yaml("a: 1\nb:\n  - x\n  - c: 2\n", "run.yaml")
    assert str(tree.places[("a",)]) == "run.yaml:1"
    assert str(tree.places[("b", 1, "c")]) == "run.yaml:4"
    assert str(tree.place_of(("b", 1, "missing"))) == "run.yaml:4"


@pytest.mark.parametrize(
    "text,part",
    [
        ("a: 1\nb: 2\na: 3\n", "run.yaml:3: a: duplicate key, already set in line 1"),
        ("x: {a: 1, a: 2}", "x.a: duplicate key"),
        ("a: [1, 2", "not valid YAML"),
        ("a: b: c", "not valid YAML"),
        ("? [a, b]\n: 1\n", "a key must be a word"),
        ("a: &x [1]\nb: *x\n", "run.yaml:2: aliases (*x) are not read"),
        ("a: !!python/object/apply:os.system [ls]", "tag"),
        ("a: !custom 3", "tag !custom is not read"),
        ("[" * 200 + "]" * 200, "nested deeper than 50"),
        ("a: \x07", "not valid YAML"),
    ],
)
def test_what_must_not_pass_silently(text, part):
    problems = parse_yaml(text, "run.yaml").problems
    assert problems
    assert part in "\n".join(problems)


def test_a_bomb_of_aliases_is_refused_at_once():
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    levels += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 30)]
    tree = parse_yaml("\n".join(levels), "bomb.yaml")
    assert len(tree.problems) == 1
    assert "aliases" in tree.problems[0]


@given(st.text())
def test_any_text_gives_a_value_or_problems_and_never_raises(text):
    tree = parse_yaml(text, "fuzz.yaml")
    assert isinstance(tree.problems, list)
