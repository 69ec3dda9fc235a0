"""Every training args file that ships is read as a user's would be."""

from pathlib import Path

import pytest
import yaml

from src.config.loading import load_args
from src.config.training import TrainingArgs

ROOT = Path(__file__).resolve().parents[3]
FILES = sorted((ROOT / "args").glob("args_train_*.yaml"))
SHARES = "args_train_demo_toxsen_checkpoints"
"""The demo's M-TS once more, saved at shares of its data."""
BASE = "args_train_steer_base"
"""No step at all."""
CONDITIONS = {
    "none": (),
    "tox": ("toxicity",),
    "sen": ("sentiment",),
    "toxsen": ("toxicity", "sentiment"),
}


def test_there_is_one_for_each_model_of_the_paper_and_of_each_demo():
    wanted = {f"args_train_{part}{name}" for part in ("", "demo_", "steer_") for name in CONDITIONS}
    longer = {f"args_train_steer_{name}_long" for name in CONDITIONS}
    assert {path.stem for path in FILES} == wanted | longer | {SHARES, BASE}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_it_opens_with_its_command(path):
    first = path.read_text(encoding="utf-8").splitlines()[0]
    assert first == f"# python main_train.py args/{path.stem}"


def test_the_demo_at_shares_of_its_data_differs_in_what_it_keeps_alone():
    whole, shares = (
        load_args(TrainingArgs, ROOT / "args" / name) for name in ("args_train_demo_toxsen", SHARES)
    )
    changed = {"output", "checkpoints"}
    assert shares.model_dump(exclude=changed) == whole.model_dump(exclude=changed)
    steps = shares.optimisation.max_sentences // shares.optimisation.batch_sentences
    assert steps % shares.checkpoints.every_steps == 0
    extra = yaml.safe_load((ROOT / "args/args_evaluate_demo_extra.yaml").read_text("utf-8"))
    for name, entry in extra["models"].items():
        assert Path(entry["path"]) == shares.output
        if "checkpoint" in entry:
            share = int(name.split()[2]) / 100
            assert entry["checkpoint"] == f"step-{round(share * steps):06d}"


@pytest.mark.parametrize(
    "path", [path for path in FILES if path.stem not in (SHARES, BASE)], ids=lambda path: path.stem
)
def test_it_conditions_on_what_its_name_says(path):
    args = load_args(TrainingArgs, path.with_suffix(""))
    ending = "_long" if path.stem.endswith("_long") else ""
    name = path.stem.removesuffix(ending).split("_")[-1]
    kind = next((one for one in ("demo", "steer") if one in path.stem), "full")
    assert args.condition_on == CONDITIONS[name]
    assert args.output == Path(f"models/{kind}_{name}{ending}")
    assert args.dataset == Path(f"data/{kind}")
    assert not args.model.from_scratch


def test_the_four_models_differ_in_nothing_but_their_condition():
    for before, after in (("", ""), ("demo_", ""), ("steer_", ""), ("steer_", "_long")):
        files = [ROOT / f"args/args_train_{before}{name}{after}" for name in CONDITIONS]
        loaded = [load_args(TrainingArgs, file) for file in files]
        rest = [args.model_dump(exclude={"condition_on", "output"}) for args in loaded]
        assert all(one == rest[0] for one in rest)


def test_the_papers_numbers():
    args = load_args(TrainingArgs, ROOT / "args/args_train_tox")
    wanted = args.optimisation
    assert args.model.name == "gpt2"
    assert wanted.batch_sentences * wanted.gradient_accumulation_steps == 512
    assert (wanted.learning_rate, wanted.weight_decay, wanted.warmup_ratio) == (5e-4, 0.1, 0.01)
    assert (wanted.epochs, wanted.lr_scheduler, wanted.max_sentences) == (5, "cosine", None)
    assert args.checkpoints.every_steps == 792


def test_the_base_model_as_it_is_takes_no_step():
    args = load_args(TrainingArgs, ROOT / "args" / BASE)
    assert (args.optimisation.max_steps, args.condition_on) == (0, ())
    assert args.output == Path("models/steer_base")
