"""One warm process for all chaos tests of a test process, and a small project whose stages they disturb."""

import shutil

import pytest

from tests.chaos.commands import Commands
from tests.chaos.killing import Chaos
from tests.chaos.project import ChaosProject, Disturbed
from tests.chaos.small_disk import FILLER


@pytest.fixture(scope="session")
def commands(tmp_path_factory):
    started = Commands(tmp_path_factory.mktemp("commands"), HF_HUB_OFFLINE="1")
    yield started
    started.close()


@pytest.fixture(scope="session")
def light_commands(tmp_path_factory):
    """For scripts that need neither torch nor transformers."""
    started = Commands(tmp_path_factory.mktemp("light_commands"), light=True)
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


@pytest.fixture(scope="module")
def chaos(request, commands, project, tmp_path_factory):
    """The stage that the test file names, to be killed."""
    stage = request.module.STAGE
    call, run = project.call(stage, tmp_path_factory.mktemp("disturbed") / "here")
    return Chaos(commands, stage, call, run)


@pytest.fixture
def started(commands, project):
    """A stage, published in a folder that is empty before and after each test."""
    place = project.folder / "here"
    yield lambda stage: Disturbed(commands, project, stage, place, place)
    shutil.rmtree(place)


@pytest.fixture
def on_small_disk(commands, project):
    """A stage, published on a small disk that is empty and can be written before and after each test."""
    place = commands.disk / "here"
    yield lambda stage: Disturbed(commands, project, stage, commands.disk_inside / "here", place)
    commands.set_read_only(False)
    (commands.disk / FILLER).unlink(missing_ok=True)
    shutil.rmtree(place)
