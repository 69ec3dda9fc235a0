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


# What each stage says of it, whatever the hub does, and then what the hub did.
NOT_HAD = {
    "dataset": "the data set 'tiny-org/corpus' could not be found on the Hugging Face hub ({})",
    "training": "'tiny-org/base' is neither a folder nor to be had from the hub: {}",
    "evaluation": "'tiny-org/base' is neither a folder nor to be had from the hub: {}",
}
REFUSED, TIMED_OUT = "[Errno 111] Connection refused", "timed out"
A_PAGE = "what answers there is no hub, but a proxy or a page to log in"
NO_JSON = "Expecting value: line 1 column 1 (char 0)"
SCORER = "attributes.toxicity.scorer={name: huggingface, model: tiny-org/classifier}"


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


def error_of(ended):
    """The one line that says what went wrong, without its first word."""
    assert_one_clear_line(ended)
    (line,) = [line for line in ended.stderr.splitlines() if line.startswith("error: ")]
    return line.removeprefix("error: ")


def all_at_once(stages, expect, *flags, reason=None, **reasons):
    """Run the three commands at the same time: a silent hub costs each the same waiting.

    Where they fail, each has to say what it wanted of the hub, and the reason (or its own of `reasons`).
    """
    started = {name: one.start(*flags) for name, one in stages.items()}
    ended = {name: one.wait() for name, one in started.items()}
    for name, one in ended.items():
        assert one.code == expect, (name, str(one))
        if expect:
            why = NOT_HAD[name].format(reasons.get(name, reason))
            assert error_of(one).startswith(f"{why}; "), (name, str(one))
    return ended


def assert_all_go_on(stages):
    all_at_once(stages, 0)
    for one in stages.values():
        assert one.result() == one.undisturbed()


@pytest.mark.parametrize(
    "behaviour, reasons",
    [("silent", {"reason": TIMED_OUT}), ("html", {"reason": A_PAGE, "dataset": NO_JSON})],
)
def test_a_hub_that_is_wrong(hub, stages, behaviour, reasons):
    hub.behaviour = behaviour
    all_at_once(stages, 1, **reasons)
    assert not any(one.run.exists() for one in stages.values())
    hub.behaviour = "well"
    assert_all_go_on(stages)


def test_a_hub_that_is_away(hub, stages):
    hub.go_away()
    all_at_once(stages, 1, "--dry-run", reason=REFUSED)
    all_at_once(stages, 1, reason=REFUSED)
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


@pytest.mark.parametrize("behaviour, reason", [("html", A_PAGE), ("well", "404 Client Error.")])
def test_a_dry_run_asks_the_hub_for_the_scorers_own_model(
    hub, hub_commands, stages, behaviour, reason
):
    """Not whether it answers: a page to log in does, and so does a hub that has other models."""
    script, args_file, output = stages["dataset"].call[:3]
    hub.behaviour, hub.asked = behaviour, []
    ended = hub_commands.run(script, args_file, output, SCORER, "--dry-run", expect=2)
    assert error_of(ended).startswith(
        "scorer huggingface of attribute toxicity: 'tiny-org/classifier' is neither a folder nor to be had "
        f"from the hub: {reason}"
    )
    assert "HEAD tiny-org/classifier/resolve/main/config.json" in hub.asked
