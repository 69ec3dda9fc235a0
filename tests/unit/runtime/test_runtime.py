"""Keyed hashes decide the same on any machine, in any order."""

import io
import logging
import sys

import pytest

from src.errors import ArgsError, ScorerError, UserError
from src.runtime.console import configure_logging, progress
from src.runtime.device import pick_device
from src.runtime.randomness import keyed_hash, keyed_uniform


def test_keyed_hashes_are_golden():
    # A changed value would change every data set, split and sample that was ever made.
    assert keyed_hash(0, "sample", "doc-1") == 2228047847083763061
    assert keyed_hash(0, "sample", "doc-2") != keyed_hash(0, "sample", "doc-1")
    assert keyed_hash(1, "sample", "doc-1") != keyed_hash(0, "sample", "doc-1")
    assert keyed_hash(0, "split", "doc-1") != keyed_hash(0, "sample", "doc-1")
    assert keyed_hash(0, "a", "b\x1fc") == keyed_hash(0, "a", "b\x1fc")
    assert 0 <= keyed_hash(0, "x", "\ud800") < 2**64


def test_keyed_uniforms_are_uniform_and_independent_by_purpose():
    first = [keyed_uniform(3, "a", str(i)) for i in range(20_000)]
    second = [keyed_uniform(3, "b", str(i)) for i in range(20_000)]
    assert all(0 <= u < 1 for u in first)
    for share in (0.01, 0.25, 0.5, 0.9):
        found = sum(u < share for u in first) / len(first)
        assert abs(found - share) < 4 * (share * (1 - share) / len(first)) ** 0.5
    both = sum(u < 0.5 and v < 0.5 for u, v in zip(first, second, strict=True)) / len(first)
    assert abs(both - 0.25) < 0.013


def test_devices_that_are_not_there_are_refused():
    assert pick_device("cpu").type == "cpu"
    assert pick_device("auto").type in ("cpu", "cuda", "mps")
    with pytest.raises(UserError, match=r"quantum.*allowed: auto, cpu"):
        pick_device("quantum")


def test_in_a_log_progress_is_a_line_a_minute(monkeypatch, caplog, capsys):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    now = [1000.0]
    caplog.set_level(logging.INFO)
    with progress(what="reading", total=40, unit="book") as bar:
        bar._time = lambda: now[0]
        bar.start_t = bar.last_print_t = now[0]
        for _ in range(40):
            now[0] += 5
            bar.update()
    said = [record.getMessage() for record in caplog.records]
    assert said == [
        "reading: 12 of 40 books, about 02:20 left",
        "reading: 24 of 40 books, about 01:20 left",
        "reading: 36 of 40 books, about 00:20 left",
    ]
    assert sys.stderr.getvalue() == capsys.readouterr().out == ""


def test_short_work_is_not_spoken_of_in_a_log(monkeypatch, caplog):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    caplog.set_level(logging.INFO)
    assert list(progress(range(3), what="x")) == [0, 1, 2]
    assert not caplog.records


def test_a_terminal_has_a_bar(monkeypatch):
    stream = io.StringIO()
    stream.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", stream)
    assert list(progress(range(3), what="reading")) == [0, 1, 2]
    assert "reading: 100%" in stream.getvalue()


def test_side_processes_are_silent_below_warnings(monkeypatch):
    monkeypatch.setenv("RANK", "1")
    configure_logging()
    assert not logging.getLogger().isEnabledFor(logging.INFO)
    monkeypatch.setenv("RANK", "0")
    configure_logging()
    assert logging.getLogger().isEnabledFor(logging.INFO)


def test_errors_say_what_got_allowed_fix_and_survive_process_borders():
    import pickle

    error = UserError("bad share", got=2.0, allowed="0 to 1", fix="set sample_fraction")
    assert str(error) == "bad share; got 2.0; allowed: 0 to 1; set sample_fraction"
    copied = pickle.loads(pickle.dumps(error))
    assert (type(copied), str(copied)) == (UserError, str(error))
    several = pickle.loads(pickle.dumps(ArgsError(["a", "b"])))
    assert several.problems == ["a", "b"]
    assert "2 problems" in str(several)
    assert (error.exit_code, ScorerError("x").exit_code) == (2, 1)
