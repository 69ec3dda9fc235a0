"""Small files that stand for large ones, and files that never end: refused before they cost anything."""

from __future__ import annotations

import io
import os
import tarfile
import zipfile
from pathlib import Path

import pytest

from scripts.demo_corpus import RATINGS_MEMBER, read_member, write_corpus
from scripts.demo_model import GGUF_MEMBER, convert_model
from src.config import loading
from src.config.loading import load_args
from src.config.training import TrainingArgs
from src.config.yaml_tree import parse_yaml
from src.errors import ArgsError, DataError


def problems(text: str) -> str:
    return "\n".join(parse_yaml(text, "x.yaml").problems)


def test_a_billion_laughs():
    levels = ["a0: &a0 [x, x]"]
    levels += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 40)]
    assert "aliases" in problems("\n".join(levels))
    assert "aliases" in problems("a: &a {b: *a}")
    assert "aliases" in problems("a: &a {x: 1}\nb: {<<: *a}")


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? "])
def test_deep_nesting(opening):
    assert problems(opening * 20_000)
    assert problems(opening * 60 + "x")


def test_endless_numbers():
    assert "digits" in problems("a: " + "9" * 10_000)
    assert "digits" in problems("a: 0x" + "f" * 10_000)


def test_a_huge_file_is_not_even_read(tmp_path, monkeypatch):
    path = tmp_path / "big.yaml"
    with path.open("wb") as handle:
        handle.truncate(10**11)  # takes no room on the disk
    monkeypatch.setattr(loading, "parse_yaml", None)
    with pytest.raises(ArgsError, match="larger than"):
        load_args(TrainingArgs, path)


def test_files_without_an_end_are_no_args_files(tmp_path):
    os.mkfifo(tmp_path / "pipe.yaml")
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(ArgsError, match="no such args file"):
            load_args(TrainingArgs, path)
    (tmp_path / "run.yaml").write_text("extends: /dev/zero\n")
    with pytest.raises(ArgsError, match="no such args file"):
        load_args(TrainingArgs, tmp_path / "run")


def hostile_tar(path: Path, inner: bytes | None = None) -> Path:
    """Every kind of member that can leave a folder when it is unpacked, and the one that is wanted."""
    with tarfile.open(path, "w:gz") as archive:
        for name, kind, target in [
            ("../outside", tarfile.REGTYPE, ""),
            ("/tmp/hostile-absolute", tarfile.REGTYPE, ""),
            ("link", tarfile.SYMTYPE, "/etc"),
            ("link/hostname", tarfile.REGTYPE, ""),
            ("hard", tarfile.LNKTYPE, "../../etc/passwd"),
            ("device", tarfile.CHRTYPE, ""),
            ("pipe", tarfile.FIFOTYPE, ""),
        ]:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, target
            archive.addfile(member, io.BytesIO(b""))
        if inner is not None:
            member = tarfile.TarInfo(RATINGS_MEMBER)
            member.size = len(inner)
            archive.addfile(member, io.BytesIO(inner))
    return path


def test_nothing_of_an_archive_is_unpacked(tmp_path):
    """Members are read by their exact names; no name of the archive becomes a path."""
    (tmp_path / "work").mkdir()
    inner = hostile_tar(tmp_path / "inner.tar.gz").read_bytes()
    archive = hostile_tar(tmp_path / "outer.tar.gz", inner)
    before = set(tmp_path.rglob("*"))
    with pytest.raises(DataError, match="lacks a file"):
        write_corpus(archive, tmp_path / "work" / "corpus")
    assert set(tmp_path.rglob("*")) - before == {tmp_path / "work" / "corpus"}
    assert not Path("/tmp/hostile-absolute").exists()


@pytest.mark.parametrize(
    "kind,target",
    [
        (tarfile.SYMTYPE, "/etc/passwd"),
        (tarfile.SYMTYPE, "../../../../etc/passwd"),
        (tarfile.LNKTYPE, "/etc/passwd"),
        (tarfile.CHRTYPE, ""),
        (tarfile.FIFOTYPE, ""),
        (tarfile.DIRTYPE, ""),
    ],
)
def test_a_wanted_member_that_is_no_file_is_refused(tmp_path, kind, target):
    member = tarfile.TarInfo(RATINGS_MEMBER)
    member.type, member.linkname = kind, target
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        archive.addfile(member)
    with (
        tarfile.open(tmp_path / "a.tar") as archive,
        pytest.raises(DataError, match="lacks a file"),
    ):
        read_member(archive, RATINGS_MEMBER)


def test_a_wheel_is_read_by_one_name_and_never_unpacked(tmp_path):
    wheel = tmp_path / "a.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("../outside", "x")
        archive.writestr("/tmp/hostile-absolute", "x")
        archive.writestr(GGUF_MEMBER, b"no model")
    (tmp_path / "work").mkdir()
    with pytest.raises(Exception, match=r"(?i)gguf"):
        convert_model(wheel, tmp_path / "work" / "model")
    assert {path.name for path in tmp_path.iterdir()} == {"a.whl", "work"}
    assert list((tmp_path / "work").iterdir()) == []
    assert not Path("/tmp/hostile-absolute").exists()
