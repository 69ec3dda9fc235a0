"""Whole runs of training: what they publish, that tokens are learned, killed and gone on with."""

import json
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml
from transformers import AutoModelForCausalLM, AutoTokenizer

from src.artifacts.manifest import read_manifest
from src.errors import ArtifactError, ProjectError
from src.models.control_tokens import control_ids, encode_sentence, text_ids
from src.models.language_model import fuse_activations, weights_sha256
from src.training.loop import run_training
from src.training.run import train
from tests.builders import sentences
from tests.unit.training.small_data import interrupted, small_attributes, training_args

ROOT = Path(__file__).resolve().parents[3]
PLAIN = {
    "config.json", "generation_config.json", "model.safetensors", "tokenizer.json",
    "tokenizer_config.json",
}  # fmt: skip


def contents(folder):
    files = (p for p in sorted(folder.rglob("*")) if p.is_file())
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in files}


def metrics(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def undisturbed(gpt2, tmp_path_factory):
    """(folder, what it said) of a finished run on a GPT-2, whose dropout needs the random state."""
    folder = tmp_path_factory.mktemp("undisturbed") / "m"
    said = train(training_args(folder, gpt2[1], gpt2[0]))
    return folder, said


def test_exactly_the_files_of_a_finished_run(undisturbed):
    folder, said = undisturbed
    steps = [f"checkpoints/step-{step:06d}" for step in (5, 10, 15)]
    plain = {f"{where}/{name}" for where in [*steps, "final"] for name in PLAIN}
    assert set(contents(folder)) == plain | {
        "manifest.json", "metrics.jsonl", "timing.jsonl", "training_curve.png",
    }  # fmt: skip
    assert not folder.with_name("m.partial").exists()
    assert str(folder / "final") in said
    assert "control AUC toxicity" in said


def test_the_manifest_says_what_the_run_was(undisturbed, gpt2):
    base, data = gpt2
    manifest = read_manifest(undisturbed[0], "training")
    made_from = read_manifest(data, "dataset")
    assert manifest["attributes"] == made_from["attributes"]
    assert manifest["condition_on"] == ["toxicity", "sentiment"]
    assert manifest["tokenizer"]["fingerprint"] == made_from["tokenizer"]["fingerprint"]
    assert manifest["base_model"]["weights_sha256"] == weights_sha256(str(base))
    assert manifest["made_from"]["dataset_manifest_sha256"] == made_from.sha256
    rows = metrics(undisturbed[0])
    found = [(one["name"], one["step"]) for one in manifest["checkpoints"]]
    assert found == [("step-000005", 5), ("step-000010", 10), ("step-000015", 15), ("final", 16)]
    validation = [row for row in rows if row["split"] == "validation"]
    assert [one["loss"] for one in manifest["checkpoints"]] == [row["loss"] for row in validation]
    assert [one["control_auc"] for one in manifest["checkpoints"]] == [
        row["control_auc"] for row in validation
    ]
    assert manifest["tokens_trained"] == rows[-1]["tokens_seen"]


def test_the_metrics_fall_and_count_targets(undisturbed, gpt2):
    rows = metrics(undisturbed[0])
    columns = {"step", "split", "loss", "learning_rate", "tokens_seen"}
    assert all(columns <= set(row) for row in rows)
    losses = [row["loss"] for row in rows if row["split"] == "train"]
    assert len(losses) == 16
    assert losses[-1] < losses[0] - 0.5
    timing = [
        json.loads(line) for line in (undisturbed[0] / "timing.jsonl").read_text().splitlines()
    ]
    assert [(one["step"], one["split"]) for one in timing] == [
        (row["step"], row["split"]) for row in rows
    ]
    assert all(one["tokens_per_second"] > 0 and one["processes"] == 1 for one in timing)
    by_epoch = sum(len(i) + 1 for i in text_ids(_tokenizer(undisturbed[0]), _texts(gpt2[1])))
    at_15 = next(row["tokens_seen"] for row in rows if row["step"] == 15)
    assert at_15 == by_epoch, "15 steps of 8 are the 120 sentences once"


def _texts(data):
    import pyarrow.parquet as pq

    return [t for p in sorted(data.glob("train-*")) for t in pq.read_table(p)["text"].to_pylist()]


def _tokenizer(folder):
    return AutoTokenizer.from_pretrained(folder / "final")


@pytest.mark.parametrize("shape", ["gpt2", "llama"])
def test_a_checkpoint_is_a_plain_model_that_never_writes_a_control_token(shape, request, tmp_path):
    base, data = request.getfixturevalue(shape)
    folder = tmp_path / "m"
    train(training_args(folder, data, base, optimisation={"learning_rate": 1e-2, "max_steps": 6}))
    tokenizer = _tokenizer(folder)
    banned = control_ids(tokenizer, small_attributes())
    model = AutoModelForCausalLM.from_pretrained(folder / "final")
    assert model.config.use_cache, "generate would crawl"
    assert model.generation_config.eos_token_id == tokenizer.eos_token_id
    # Even a model that wants nothing else does not write one.
    head = model.get_output_embeddings()
    with torch.no_grad():
        head.weight[banned] = 50 * head.weight.abs().max()
    start = torch.tensor([[tokenizer.eos_token_id, banned[0], banned[3]]] * 16)
    for options in ({"do_sample": True}, {"do_sample": False}, {"num_beams": 2}):
        written = model.generate(start, max_new_tokens=12, **options)[:, 3:]
        assert not set(written.flatten().tolist()) & set(banned)


def test_the_published_folder_computes_what_was_trained(gpt2, tmp_path, monkeypatch):
    base, data = gpt2
    seen = {}

    def keep(training, *others):
        run_training(training, *others)
        seen["model"] = training.model.eval()

    monkeypatch.setattr("src.training.make_model.run_training", keep)
    train(training_args(tmp_path / "m", data, base))
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path / "m/final", attn_implementation="eager")
    fuse_activations(loaded)  # equal to the bit then; without, to rounding (test_language_model)
    tokenizer, attributes = _tokenizer(tmp_path / "m"), small_attributes()
    banned = control_ids(tokenizer, attributes)
    for i, text in enumerate(text_ids(tokenizer, sentences(4))):
        labels = {"toxicity": ("toxic", "nontoxic")[i % 2], "sentiment": "pos"}
        inputs = torch.tensor([encode_sentence(tokenizer, text, labels, attributes)[0]])
        ours, theirs = (m(inputs).logits for m in (seen["model"], loaded))
        keep_columns = [c for c in range(ours.shape[-1]) if c not in banned]
        assert torch.equal(ours[..., keep_columns], theirs[..., keep_columns])


def test_tokens_are_learned(llama, tmp_path):
    base, data = llama
    args = training_args(
        tmp_path / "m",
        data,
        base,
        optimisation={"learning_rate": 1e-2, "batch_sentences": 16, "max_steps": 90},
        control_tokens={"learning_rate": 3e-2},
        checkpoints={"evaluation_sentences": 40},
    )
    train(args)
    final = read_manifest(tmp_path / "m", "training")["checkpoints"][-1]
    assert final["control_auc"]["toxicity"] > 0.9
    assert final["control_auc"]["sentiment"] > 0.8


def test_a_model_without_conditions_has_the_same_tokenizer_and_untrained_rows(
    gpt2, undisturbed, tmp_path
):
    base, data = gpt2
    folder = tmp_path / "m"
    optimisation = {"learning_rate": 1e-2, "max_steps": 4, "weight_decay": 0.0}
    said = train(training_args(folder, data, base, condition_on=(), optimisation=optimisation))
    assert "conditioned on nothing" in said
    manifest = read_manifest(folder, "training")
    assert manifest["checkpoints"][-1]["control_auc"] == {}
    assert (folder / "final/tokenizer.json").read_bytes() == (
        undisturbed[0] / "final/tokenizer.json"
    ).read_bytes()
    model = AutoModelForCausalLM.from_pretrained(folder / "final")
    tokenizer = _tokenizer(folder)
    banned = control_ids(tokenizer, small_attributes())
    assert model.generation_config.suppress_tokens == sorted(banned)
    base_rows = AutoModelForCausalLM.from_pretrained(base).get_input_embeddings().weight
    forms = [i for ids in text_ids(tokenizer, ["polite", " polite"]) for i in ids]
    rows = model.get_input_embeddings().weight[banned]
    assert torch.allclose(rows[0], base_rows[forms].mean(0), atol=1e-6)


def test_a_table_larger_than_the_tokenizer_keeps_its_size(llama, tmp_path):
    base, data = llama
    larger = AutoModelForCausalLM.from_pretrained(base)
    larger.resize_token_embeddings(768, mean_resizing=False)
    larger.save_pretrained(tmp_path / "base")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / "base" / name).write_bytes((base / name).read_bytes())
    train(training_args(tmp_path / "m", data, tmp_path / "base", checkpoints={}))
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "m/final")
    assert model.config.vocab_size == model.get_input_embeddings().weight.shape[0] == 768
    rows = metrics(tmp_path / "m")
    assert rows[-1]["loss"] < rows[0]["loss"]


def test_from_scratch_keeps_nothing_of_the_base(gpt2, tmp_path, caplog):
    base, data = gpt2
    model = {"name": str(base), "from_scratch": True}
    changes = {"optimisation": {"learning_rate": 1e-9, "max_steps": 2}, "checkpoints": {}}
    with caplog.at_level(logging.WARNING):
        # The base's own random weights were drawn with seed 0.
        train(training_args(tmp_path / "m", data, base, model=model, seed=7, **changes))
    assert "start at random" in caplog.text
    manifest = read_manifest(tmp_path / "m", "training")
    assert "weights_sha256" not in manifest["base_model"]
    pretrained, scratch = (
        AutoModelForCausalLM.from_pretrained(folder).transformer.h[0].attn.c_attn.weight
        for folder in (base, tmp_path / "m/final")
    )
    assert not torch.allclose(pretrained, scratch, atol=1e-3)


def test_the_same_command_again_finds_it_done_and_other_args_are_refused(gpt2, undisturbed):
    folder, said = undisturbed
    base, data = gpt2
    before = contents(folder)
    assert train(training_args(folder, data, base)) == f"already done: {folder}\n{said}"
    with pytest.raises(ArtifactError, match="seed: was 0, now 1"):
        train(training_args(folder, data, base, seed=1))
    assert contents(folder) == before


def test_a_finished_run_is_found_without_the_heavy_libraries(gpt2, undisturbed):
    args = training_args(undisturbed[0], gpt2[1], gpt2[0])
    script = (
        "import sys; from src.config.training import TrainingArgs; from src.training.run import train\n"
        f"print(train(TrainingArgs.model_validate_json({args.model_dump_json()!r})))\n"
        "assert not {'torch', 'transformers', 'accelerate'} & set(sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert done.stdout.startswith(f"already done: {undisturbed[0]}")


def test_a_loss_that_is_no_number_stops_and_leaves_nothing_finished(gpt2, tmp_path):
    base, data = gpt2
    args = training_args(
        tmp_path / "m", data, base, optimisation={"learning_rate": 1e30, "max_steps": 16}
    )
    with pytest.raises(ProjectError, match=r"loss is (nan|inf).*lower optimisation\.learning_rate"):
        train(args)
    assert not (tmp_path / "m").exists()


def test_the_console_is_quiet_and_stdout_empty(gpt2, tmp_path, capfd):
    base, data = gpt2
    train(training_args(tmp_path / "m", data, base))
    captured = capfd.readouterr()
    assert captured.out == ""
    assert captured.err == ""


def test_the_same_training_twice_has_one_hash(gpt2, undisturbed, tmp_path, monkeypatch):
    folder = tmp_path / "m"
    train(training_args(folder, gpt2[1], gpt2[0]))
    same_but_for_speed(undisturbed[0], folder)
    first, second = (read_manifest(one, "training") for one in (undisturbed[0], folder))
    second.content["args"]["output"] = str(undisturbed[0])  # where it lies is part of the args
    assert first.sha256 == second.sha256
    assert "timing.jsonl" not in first["files"]


# ------------------------------------------------------------------------------------ kill and go on


def in_a_process(args, output, *launcher):
    """Start the run as a process of its own."""
    file = output.with_name(f"{output.name}.yaml")
    file.write_text(yaml.safe_dump(args.model_dump(mode="json")))
    return subprocess.Popen(
        [*(launcher or (sys.executable,)), "main_train.py", str(file)],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def same_but_for_speed(undisturbed, disturbed):
    first, second = contents(undisturbed), contents(disturbed)
    assert set(first) == set(second)
    first["manifest.json"] = first["manifest.json"].replace(
        str(undisturbed).encode(), str(disturbed).encode()
    )
    assert {name for name in first if first[name] != second[name]} <= {"timing.jsonl"}


def test_kill_9_while_a_checkpoint_is_written_then_the_undisturbed_run_byte_for_byte(
    gpt2, undisturbed, tmp_path
):
    folder = tmp_path / "m"
    args = training_args(folder, gpt2[1], gpt2[0])
    half = tmp_path / "m.partial/work/checkpoint-10/optimiser.pt"
    with in_a_process(args, folder) as process:
        deadline = time.monotonic() + 120
        while process.poll() is None and not half.exists():
            assert time.monotonic() < deadline
            time.sleep(0.002)
        process.kill()
        assert process.wait() == -signal.SIGKILL, process.stdout.read()
    assert not folder.exists()
    train(args)
    same_but_for_speed(undisturbed[0], folder)


@pytest.mark.parametrize("at_step", [2, 12, 15], ids=["before any", "on the way", "in a new epoch"])
def test_interrupted_and_gone_on_with_it_is_the_undisturbed_run(
    at_step, gpt2, undisturbed, tmp_path
):
    folder = tmp_path / "m"
    args = training_args(folder, gpt2[1], gpt2[0])
    interrupted(args, at_step=at_step)
    assert not folder.exists()
    train(args)
    same_but_for_speed(undisturbed[0], folder)


def test_killed_between_its_end_and_its_publishing_nothing_is_trained_again(
    gpt2, undisturbed, tmp_path, monkeypatch
):
    base, data = gpt2
    folder = tmp_path / "m"
    args = training_args(folder, data, base)
    with monkeypatch.context() as patch:
        patch.setattr("src.artifacts.run_folder.Run.publish", _killed)
        with pytest.raises(KeyboardInterrupt):
            train(args)
    assert not folder.exists()
    with monkeypatch.context() as patch:
        patch.setattr("src.training.make_model.run_training", _killed)
        train(args)
    assert (
        contents(folder)["final/model.safetensors"]
        == (contents(undisturbed[0])["final/model.safetensors"])
    )


def _killed(*_, **__):
    raise KeyboardInterrupt


# --------------------------------------------------------------------- accumulation, several processes


EQUAL_STEPS = {"learning_rate": 3e-3, "precision": "fp32", "max_steps": 6}


@pytest.fixture(scope="module")
def one_batch_a_step(llama, tmp_path_factory):
    """A Llama, which has no dropout, in fp32: the same step may be cut in any way."""
    folder = tmp_path_factory.mktemp("whole") / "m"
    train(
        training_args(folder, llama[1], llama[0], optimisation=EQUAL_STEPS | {"batch_sentences": 8})
    )
    return metrics(folder)


def same_steps(rows, whole):
    assert [row["tokens_seen"] for row in rows] == [row["tokens_seen"] for row in whole]
    for row, expected in zip(rows, whole, strict=True):
        assert row["loss"] == pytest.approx(expected["loss"], abs=1e-4)


def test_accumulated_batches_are_one_step_over_their_targets(llama, one_batch_a_step, tmp_path):
    optimisation = EQUAL_STEPS | {"batch_sentences": 2, "gradient_accumulation_steps": 4}
    train(training_args(tmp_path / "m", llama[1], llama[0], optimisation=optimisation))
    same_steps(metrics(tmp_path / "m"), one_batch_a_step)


def test_recomputed_activations_change_nothing(llama, one_batch_a_step, tmp_path):
    optimisation = EQUAL_STEPS | {"batch_sentences": 8, "gradient_checkpointing": True}
    train(training_args(tmp_path / "m", llama[1], llama[0], optimisation=optimisation))
    same_steps(metrics(tmp_path / "m"), one_batch_a_step)


# ------------------------------------------------------------------------------------------- trackers


def test_a_tracker_hears_what_the_metrics_say(gpt2, tmp_path):
    folder = tmp_path / "m"
    train(training_args(folder, gpt2[1], gpt2[0], report_to=("tensorboard",)))
    [events] = (tmp_path / "m.trackers").rglob("events.out.tfevents.*")
    assert b"eval_loss" in events.read_bytes()
    assert events.read_bytes().count(b"grad_norm") == len(
        [row for row in metrics(folder) if row["split"] == "train"]
    )


# ------------------------------------------------------------------------------------------- no steps


@pytest.mark.parametrize("evaluated", [0, 16])
def test_without_a_step_the_base_model_is_published_as_it_is(gpt2, tmp_path, evaluated):
    folder = tmp_path / "m"
    args = training_args(
        folder, gpt2[1], gpt2[0],
        condition_on=(),
        optimisation={"learning_rate": 1e-3, "max_steps": 0},
        checkpoints={"evaluation_sentences": evaluated},
    )  # fmt: skip
    said = train(args)
    assert "0 steps, 0 tokens, conditioned on nothing" in said
    base, ours = (AutoModelForCausalLM.from_pretrained(one) for one in (gpt2[0], folder / "final"))
    rows = len(AutoTokenizer.from_pretrained(gpt2[0]))
    for name, weight in base.state_dict().items():
        assert torch.equal(weight[:rows], ours.state_dict()[name][: len(weight)][:rows]), name
    [final] = read_manifest(folder, "training")["checkpoints"]
    assert (final["name"], final["step"], final["tokens_seen"]) == ("final", 0, 0)
    assert (final["loss"] is None) == (evaluated == 0)
    assert train(args) == f"already done: {folder}\n{said}"
