"""What is refused before any work, every problem at once."""

import json
import shutil

import pytest
from pydantic import ValidationError

from src.artifacts.run_folder import Run
from src.errors import ArtifactError, UnavailableError, UserError
from src.training.preflight import preflight
from src.training.run import train
from tests.builders import tiny_gpt2
from tests.unit.training.small_data import training_args


def everything(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*"))


def test_a_dry_run_says_what_would_be_done_and_writes_nothing(gpt2, tmp_path):
    base, data = gpt2
    said = train(training_args(tmp_path / "m", data, base), dry_run=True)
    assert "120 sentences" in said
    assert "conditioned on toxicity, sentiment: 16 steps on cpu" in said
    assert str(tmp_path / "m") in said
    assert said.endswith("\na step: 8 sentences, 8 at a time\nnothing is missing")
    assert everything(tmp_path) == []


def test_a_dry_run_says_how_processes_share_a_step(gpt2, tmp_path, monkeypatch):
    args = training_args(tmp_path / "m", gpt2[1], gpt2[0], parallel={"strategy": "fsdp"})
    assert "one process: fsdp has nothing to shard" in train(args, dry_run=True)
    monkeypatch.setenv("WORLD_SIZE", "4")
    said = train(args, dry_run=True)
    assert "16 steps" in said
    assert "8 sentences shared by 4 processes (fsdp), each 1 x 2" in said
    monkeypatch.setenv("WORLD_SIZE", "3")
    with pytest.raises(UserError, match=r"3 processes cannot share.*allowed: 1, 2, 4, 8 processes"):
        train(args, dry_run=True)


def test_a_launchers_own_ways_of_sharing_are_refused(gpt2, tmp_path, monkeypatch):
    args = training_args(tmp_path / "m", gpt2[1], gpt2[0])
    with monkeypatch.context() as patch:
        patch.setenv("ACCELERATE_USE_FSDP", "true")
        with pytest.raises(UserError, match=r"ask for FSDP.*set parallel\.strategy: fsdp"):
            train(args, dry_run=True)
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "bf16")
    with pytest.raises(UserError, match=r"got 'bf16'.*set optimisation\.precision"):
        train(args, dry_run=True)


def test_how_a_step_is_shared_is_no_part_of_what_is_trained(gpt2, tmp_path):
    whole, sharded = (
        training_args(tmp_path / "m", gpt2[1], gpt2[0], parallel={"strategy": strategy})
        for strategy in ("data_parallel", "fsdp")
    )
    assert whole.what_is_trained() == sharded.what_is_trained()
    assert "parallel" not in whole.what_is_trained()
    with pytest.raises(ValidationError, match="fsdp computes in bf16 or fp32"):
        training_args(
            tmp_path / "m",
            gpt2[1],
            gpt2[0],
            optimisation={"learning_rate": 1e-3, "precision": "fp16"},
            parallel={"strategy": "fsdp"},
        )


def test_no_weights_are_loaded(gpt2, tmp_path):
    base = shutil.copytree(gpt2[0], tmp_path / "base")
    (base / "model.safetensors").write_bytes(b"these are no weights")
    assert preflight(training_args(tmp_path / "m", gpt2[1], base)).schedule.steps == 16


def test_all_problems_are_listed_at_once(gpt2, tmp_path):
    args = training_args(
        tmp_path / "m",
        gpt2[1],
        tmp_path / "no_model",
        condition_on=("toxicty",),
        report_to=("nosuchtracker",),
        device="mps",
        optimisation={"learning_rate": 1e-3, "precision": "fp32"},
    )
    with pytest.raises(UserError) as error:
        train(args, dry_run=True)
    said = str(error.value)
    assert said.startswith("4 things are missing:\n  1. ")
    assert "got 'toxicty'; allowed: toxicity, sentiment; Did you mean 'toxicity'?" in said
    assert f"does not exist; got '{tmp_path / 'no_model'}'" in said
    assert "'nosuchtracker', which is not installed" in said
    assert "device not available; got 'mps'" in said
    assert everything(tmp_path) == []


def test_an_output_that_cannot_be_used_is_known_before(gpt2, tmp_path):
    base, data = gpt2
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="output is a file"):
        preflight(training_args(tmp_path / "file", data, base))
    folder = tmp_path / "m"
    train(training_args(folder, data, base, optimisation={"learning_rate": 1e-3, "max_steps": 1}))
    other = training_args(folder, data, base)
    with pytest.raises(
        ArtifactError, match=r"other args:\s+optimisation[^;]*max_steps: was 1, now 16"
    ):
        train(other, dry_run=True)
    assert "16 steps" in train(other, dry_run=True, overwrite=True)
    same = training_args(folder, data, base, optimisation={"learning_rate": 1e-3, "max_steps": 1})
    assert "nothing to do" in train(same, dry_run=True)


@pytest.mark.parametrize("saved", [None, "work/checkpoint-3", "checkpoints/step-000001"])
def test_an_unfinished_run_of_other_args_gives_way_until_it_has_weights(gpt2, tmp_path, saved):
    base, data = gpt2
    args = training_args(tmp_path / "m", data, base)
    for rate in (1e-3, 2e-3):
        args = training_args(
            tmp_path / "m", data, base, optimisation={"learning_rate": rate, "max_steps": 1}
        )
        if rate == 1e-3:
            with Run(args.output, "training", args.what_is_trained()) as run:
                (run.partial / "metrics.jsonl").write_text("stale")
                if saved:
                    (run.partial / saved).mkdir(parents=True)
                    (run.partial / saved / "model.safetensors").write_text("weights")
    if saved:
        with pytest.raises(ArtifactError, match=r"learning_rate: was 0\.001, now 0\.002"):
            train(args)
    else:
        assert "1 steps" in train(args, dry_run=True)
        assert "1 steps" in train(args)


def test_one_problem_is_said_as_it_is(gpt2, tmp_path):
    args = training_args(tmp_path / "m", gpt2[1], gpt2[0], condition_on=("mood",))
    with pytest.raises(UserError, match="condition_on names an attribute") as error:
        train(args)
    assert "missing" not in str(error.value)
    assert everything(tmp_path) == []


def test_an_unfinished_data_set_and_another_stages_are_refused(gpt2, tmp_path):
    base, data = gpt2
    copied = shutil.copytree(data, tmp_path / "data")
    manifest = json.loads((copied / "manifest.json").read_text())
    (copied / "manifest.json").unlink()
    with pytest.raises(ArtifactError, match=r"unfinished.*main_dataset_create\.py"):
        preflight(training_args(tmp_path / "m", copied, base))
    (copied / "manifest.json").write_text(json.dumps(manifest | {"stage": "training"}))
    with pytest.raises(ArtifactError, match="another stage; got 'training"):
        preflight(training_args(tmp_path / "m", copied, base))
    with pytest.raises(ArtifactError, match="does not exist"):
        preflight(training_args(tmp_path / "m", tmp_path / "none", base))


def test_a_data_set_that_was_changed_is_refused(gpt2, tmp_path):
    copied = shutil.copytree(gpt2[1], tmp_path / "data")
    with next(copied.glob("train-*")).open("ab") as handle:
        handle.write(b"more")
    with pytest.raises(ArtifactError, match=r"train-00000\.parquet has changed"):
        preflight(training_args(tmp_path / "m", copied, gpt2[0]))


def test_another_models_tokenizer_is_refused(gpt2, tmp_path):
    base = tiny_gpt2(tmp_path / "base")
    tokenizer = json.loads((base / "tokenizer.json").read_text())
    tokenizer["model"]["merges"].pop()
    (base / "tokenizer.json").write_text(json.dumps(tokenizer))
    with pytest.raises(ArtifactError, match="tokenizer differs from the one that data set"):
        preflight(training_args(tmp_path / "m", gpt2[1], base))


def test_a_model_with_too_short_a_context_is_refused(gpt2, tmp_path):
    base = shutil.copytree(gpt2[0], tmp_path / "base")
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps(config | {"n_positions": 40}))
    with pytest.raises(ArtifactError, match=r"longer than the context.*got '64 tokens'"):
        preflight(training_args(tmp_path / "m", gpt2[1], base))


def test_a_full_disk_is_said_before_and_the_estimate_counts_checkpoints(
    gpt2, tmp_path, monkeypatch
):
    base, data = gpt2
    at_end = preflight(training_args(tmp_path / "m", data, base, checkpoints={}))
    weights = 4 * 51_968
    assert at_end.disk_bytes == 2 * weights
    on_the_way = preflight(training_args(tmp_path / "m", data, base))
    assert on_the_way.disk_bytes == (3 + 2) * weights + 2 * 2 * weights
    kept = {"every_steps": 5, "keep": 1}
    one = preflight(training_args(tmp_path / "m", data, base, checkpoints=kept))
    assert one.disk_bytes == on_the_way.disk_bytes - 2 * weights
    monkeypatch.setattr(
        "shutil.disk_usage", lambda _: shutil._ntuple_diskusage(10**6, 10**6 - 10, 10)
    )
    with pytest.raises(UnavailableError, match="not enough disk space"):
        preflight(training_args(tmp_path / "m", data, base))
