"""One warm process for all chaos tests of a test process, and a small project whose stages they disturb."""

import pytest

from tests.chaos.commands import Commands
from tests.chaos.project import ChaosProject


@pytest.fixture(scope="session")
def commands(tmp_path_factory):
    started = Commands(tmp_path_factory.mktemp("commands"), HF_HUB_OFFLINE="1")
    yield started
    started.close()


@pytest.fixture(scope="session")
def project(commands, tmp_path_factory):
    return ChaosProject(commands, tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="session")
def kills(request):
    """Kills at random moments, per stage."""
    return request.config.getoption("kills")


@pytest.fixture(scope="session")
def figures_folder(tmp_path_factory):
    """Where the figures are kept: `chaos_*.json` in pytest's own temporary folder."""
    return tmp_path_factory.getbasetemp()
