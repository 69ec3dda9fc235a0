"""Whether there is a place for a run's output."""

import pytest

from src.artifacts.output_folder import check_disk_space
from src.errors import UnavailableError


def test_disk_space_is_checked_before_the_work(tmp_path):
    check_disk_space(tmp_path / "not" / "yet" / "there", 1)
    with pytest.raises(UnavailableError, match="not enough disk space"):
        check_disk_space(tmp_path, 10**18)


def test_what_an_unfinished_run_has_written_is_not_asked_for_again(tmp_path, monkeypatch):
    from types import SimpleNamespace

    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=700))
    with pytest.raises(UnavailableError, match="not enough disk space"):
        check_disk_space(tmp_path / "run", 1000)
    (tmp_path / "run.partial" / "work").mkdir(parents=True)
    (tmp_path / "run.partial" / "work" / "a").write_bytes(b"1" * 300)
    check_disk_space(tmp_path / "run", 1000)
    (tmp_path / "run.partial" / "b").hardlink_to(tmp_path / "run.partial" / "work" / "a")
    with pytest.raises(UnavailableError, match="not enough disk space"):
        check_disk_space(tmp_path / "run", 1001)
