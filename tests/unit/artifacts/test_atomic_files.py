"""Files that are there whole or not at all, and hashes of what they hold."""

import json

import pytest

from src.artifacts.atomic_files import json_sha256, write_json_atomically


def test_the_hash_of_json_is_that_of_its_meaning():
    assert json_sha256({"b": 1, "a": 2}) == json_sha256(json.loads('{"a": 2, "b": 1}'))
    assert json_sha256({"a": 1}) != json_sha256({"a": 1.5})


def test_numbers_that_json_does_not_know_are_refused(tmp_path):
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json_atomically(tmp_path / "x.json", {"a": float("nan")})
    assert not (tmp_path / "x.json").exists()
