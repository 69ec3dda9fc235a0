"""A hub that is away, silent, slow or wrong: one clear line, nothing published, and the run goes on later."""

import shutil

import pytest

from tests.chaos.commands import Commands, assert_one_clear_line
from tests.chaos.fake_hub import FakeHub
from tests.chaos.project import ChaosProject, Disturbed

# What each stage reads from the hub in these tests.
OVERRIDES = {
    "dataset": ["source={kind: hub, path: tiny-org/corpus, source_key: meta.pile_set_name}"],
    "training": ["model.name=tiny-org/base"],
    "evaluation": ["perplexity.reference=tiny-org/base"],
}


@pytest.fixture(scope="module")
def hub():
    hub = FakeHub({})
    yield hub
    hub.behaviour = "well"
    hub.go_away()


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("hub_cache")


@pytest.fixture(scope="module")
def hub_commands(hub, cache, tmp_path_factory):
    """Commands that ask the hub on this machine."""
    started = Commands(
        tmp_path_factory.mktemp("hub_commands"),
        HF_ENDPOINT=hub.url,
        HF_HOME=str(cache),
        HF_HUB_OFFLINE="0",
    )
    yield started
    started.close()


@pytest.fixture(scope="module")
def stages(hub, hub_commands, cache, tmp_path_factory):
    """The three stages, each with its undisturbed result; what they read is on the hub."""
    folder = tmp_path_factory.mktemp("hub_project")
    project = ChaosProject(hub_commands, folder)
    corpus = folder / "corpus_on_the_hub"
    corpus.mkdir()
    for shard in ("part-0.jsonl", "part-1.jsonl.gz"):
        shutil.copy(folder / "corpus" / shard, corpus)
    hub.repositories |= {"tiny-org/base": folder / "base", "datasets/tiny-org/corpus": corpus}
    made = {}
    for stage, overrides in OVERRIDES.items():
        place = folder / "here" / stage
        made[stage] = Disturbed(hub_commands, project, stage, place, place, overrides)
    for one in made.values():
        one.undisturbed()
    shutil.rmtree(cache / "hub")
    return made


@pytest.fixture(autouse=True)
def well_again(hub, cache, stages):
    """Before and after each test the hub is well, and nothing of it is on this machine."""
    yield
    hub.behaviour = "well"
    for folder in cache.iterdir():
        shutil.rmtree(folder)


def all_at_once(stages, expect, *flags):
    """Run the three commands at the same time: a silent hub costs each the same waiting."""
    started = {name: one.start(*flags) for name, one in stages.items()}
    ended = {name: one.wait() for name, one in started.items()}
    for name, one in ended.items():
        assert one.code == expect, (name, str(one))
        if expect:
            assert_one_clear_line(one)
            assert "Hugging Face hub" in one.stderr or "hub" in one.stderr, (name, str(one))
            assert "tiny-org/" in one.stderr, (name, str(one))
    return ended


def assert_all_go_on(stages):
    all_at_once(stages, 0)
    for one in stages.values():
        assert one.result() == one.undisturbed()


@pytest.mark.parametrize("behaviour", ["silent", "html"])
def test_a_hub_that_is_wrong(hub, stages, behaviour):
    hub.behaviour = behaviour
    all_at_once(stages, 1)
    assert not any(one.run.exists() for one in stages.values())
    hub.behaviour = "well"
    assert_all_go_on(stages)


def test_a_hub_that_is_away(hub, stages):
    hub.go_away()
    all_at_once(stages, 1, "--dry-run")
    all_at_once(stages, 1)
    assert not any(any(one.parent.iterdir()) for one in stages.values())
    hub.come_back()
    assert_all_go_on(stages)


def test_a_slow_hub_is_waited_for(hub, stages):
    hub.behaviour = "slow"
    assert_all_go_on(stages)


def test_a_model_that_was_loaded_once_needs_no_hub(hub, stages):
    run = stages["training"]
    run.killed_before("mkdir model.partial/checkpoints")
    hub.go_away()
    ended = run.go()
    hub.come_back()
    assert "from the cache" in ended.stderr
    assert run.result() == run.undisturbed()
