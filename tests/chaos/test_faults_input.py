"""An input that vanishes: one clear line, nothing half-published, and it goes on when the input is back."""

from pathlib import Path

import pytest

from tests.chaos.commands import snapshot


@pytest.fixture
def away():
    """Moves files away for a while; back they are at the end, whatever happens."""
    moved = []

    def move(path):
        gone = path.with_name(f".{path.name}.away")
        moved.append((gone, path))
        path.rename(gone)

    def back():
        for gone, path in moved:
            if gone.exists():
                gone.rename(path)

    move.back = back
    yield move
    back()


STEPS_OF_THE_DATASET = {
    "pass 1 is half done": "mkdir data.partial/scored",
    "pass 1 is done": "open data.partial/.stats.json.tmp",
    "all but published": "remove data.partial/args.json",
}


@pytest.mark.parametrize("when", STEPS_OF_THE_DATASET)
def test_a_shard_that_is_gone_when_the_run_goes_on(started, project, away, when):
    dataset = started("dataset")
    undisturbed = dataset.undisturbed()
    dataset.killed_before(STEPS_OF_THE_DATASET[when])
    before = snapshot(dataset.run.with_name("data.partial"))
    away(project.folder / "corpus" / "part-1.jsonl.gz")
    if when != "all but published":
        said = dataset.go(expect=2).stderr
        assert "part-1.jsonl.gz of source.path" in said
        assert "is gone since the run began" in said
        assert not dataset.run.exists()
        after = snapshot(dataset.run.with_name("data.partial"))
        assert {name: after.get(name) for name in before} == before
        away.back()
    dataset.go()
    assert dataset.result() == undisturbed


def test_without_the_shard_by_the_flag(started, project, away):
    dataset = started("dataset")
    dataset.killed_before("open data.partial/.stats.json.tmp")
    away(project.folder / "corpus" / "part-1.jsonl.gz")
    said = dataset.go("--overwrite").stdout
    assert "from 120 documents" in said


def test_a_shard_that_goes_while_it_is_waited_for(started, project):
    dataset = started("dataset")
    undisturbed = dataset.undisturbed()
    shard = project.folder / "corpus" / "part-2.jsonl.zst"
    try:
        said = dataset.go(
            expect=2, strike="vanish", at="mkdir data.partial/scored", target=str(shard)
        ).stderr
    finally:
        Path(f"{shard}.away").rename(shard)
    assert "part-2.jsonl.zst" in said
    assert "is gone since the run began" in said
    dataset.go()
    assert dataset.result() == undisturbed


def test_a_corpus_that_goes_between_the_dry_run_and_the_run(started, project, away):
    dataset = started("dataset")
    dataset.go("--dry-run")
    away(project.folder / "corpus")
    assert "does not exist" in dataset.go(expect=2).stderr
    assert list(dataset.run.parent.iterdir()) == []
    away.back()
    dataset.go()


@pytest.mark.parametrize(
    "stage,step,file,code",
    [
        ("training", "open model.partial/.training_curve.png.tmp", "data/train-*.parquet", 2),
        ("training", "mkdir model.partial/checkpoints", "base/model.safetensors", 2),
        ("evaluation", "mkdir results.partial/work/scored", "model/final/model.safetensors", 2),
        ("evaluation", "mkdir results.partial/work/judged", "base/model.safetensors", 1),
        ("evaluation", "mkdir results.partial/work/written", "data/validation-*.parquet", 2),
    ],
)
def test_what_the_stage_before_made_is_gone_when_the_run_goes_on(
    started, project, away, stage, step, file, code
):
    run = started(stage)
    undisturbed = run.undisturbed()
    run.killed_before(step)
    (path,) = project.folder.glob(file)
    away(path)
    said = run.go(expect=code).stderr
    assert path.name in said or str(path.parent) in said
    assert not run.run.exists()
    away.back()
    run.go()
    assert run.result() == undisturbed
