"""Whether there is a place for a run's output."""

import pytest

from src.artifacts.output_folder import check_disk_space
from src.errors import UnavailableError


def test_disk_space_is_checked_before_the_work(tmp_path):
    check_disk_space(tmp_path / "not" / "yet" / "there", 1)
    with pytest.raises(UnavailableError, match="not enough disk space"):
        check_disk_space(tmp_path, 10**18)
