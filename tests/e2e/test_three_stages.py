"""The three mains as a user runs them, on a two-layer GPT-2 and a two-layer Llama."""

import json

import pandas as pd
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from tests.e2e.project import Project, contents, run

MODELS = {
    "none": [],
    "tox": ["toxicity"],
    "sen": ["sentiment"],
    "toxsen": ["toxicity", "sentiment"],
}
BOTH = {"toxicity": "nontoxic", "sentiment": "pos"}


@pytest.fixture(scope="module", params=["gpt2", "llama"])
def finished(request, tmp_path_factory):
    """A project with all three stages done."""
    project = Project(tmp_path_factory.mktemp(request.param), request.param)
    project.said = {"dataset": run("dataset_create", project.dataset_args()).stdout}
    for name, condition_on in MODELS.items():
        run("train", project.train_args(name, condition_on))
    project.evaluation = project.evaluate_args(
        "results",
        {
            "M-B": {
                "path": str(project.folder / "none"),
                "conditions": [{}, BOTH],
                "decodings": ["sample"],
            },
            "M-T": {
                "path": str(project.folder / "tox"),
                "conditions": [{}, {"toxicity": "nontoxic"}],
            },
            "M-TS": {"path": str(project.folder / "toxsen"), "conditions": [{}, BOTH]},
        },
    )
    project.said["evaluate"] = run("evaluate", project.evaluation).stdout
    return project


def test_the_data_set_has_its_files_and_opens_with_datasets(finished):
    from datasets import load_dataset

    data = finished.folder / "data"
    names = set(contents(data))
    shards = {name for name in names if name.startswith("scored/")}
    assert {f"scored/{task:05d}.parquet" for task in range(3)} <= shards
    train = {name for name in names if name.startswith("train-")}
    validation = {name for name in names if name.startswith("validation-")}
    assert train
    assert validation
    assert names - shards - train - validation == {
        "manifest.json", "stats.json", "README.md", "excluded.parquet",
        "audit.json", "audit.png", "hand_check.csv",
    }  # fmt: skip
    loaded = load_dataset(str(data))
    manifest = json.loads((data / "manifest.json").read_text())
    assert {split: len(rows) for split, rows in loaded.items()} == manifest["rows"]
    row = loaded["train"][0]
    assert set(row) == {
        "id", "document_id", "source", "text", "n_tokens", "scores", "labels", "untagged",
    }  # fmt: skip
    held_out = set(loaded["validation"]["document_id"])
    assert not held_out & set(loaded["train"]["document_id"])
    groups = pd.DataFrame(loaded["validation"]["labels"]).value_counts()
    assert len(groups) == 4
    assert set(groups) == {6}


def test_checkpoints_are_plain_models_that_never_write_a_control_token(finished):
    folder = finished.folder / "toxsen"
    steps = sorted(p.name for p in (folder / "checkpoints").iterdir())
    assert steps == ["step-000004", "step-000008", "step-000012"]
    names = {name.split("/", 1)[1] for name in contents(folder) if name.startswith("final/")}
    assert {"config.json", "generation_config.json", "model.safetensors", "tokenizer.json"} <= names
    assert not {name for name in names if name.endswith((".pt", ".pth", ".bin"))}
    model = AutoModelForCausalLM.from_pretrained(folder / "final")
    tokenizer = AutoTokenizer.from_pretrained(folder / "final")
    banned = tokenizer.convert_tokens_to_ids(["<|nontoxic|>", "<|toxic|>", "<|neg|>", "<|pos|>"])
    assert model.generation_config.suppress_tokens == sorted(banned)
    start = torch.full((64, 1), tokenizer.eos_token_id)
    torch.manual_seed(0)
    written = model.generate(start, do_sample=True, max_new_tokens=30, top_k=0)
    assert written.shape[1] > 2
    assert not set(written.flatten().tolist()) & set(banned)


def test_the_metrics_rows_hold_what_the_tables_print(finished):
    results = finished.folder / "results"
    metrics = json.loads((results / "metrics.json").read_text())
    rows = metrics["rows"]
    wanted = {
        "model", "condition", "decoding", "prompts", "attribute", "n_prompts", "n_sentences",
        "misalignment", "ci_low", "ci_high", "perplexity",
    }  # fmt: skip
    assert all(wanted <= set(row) for row in rows)
    cells = {(r["model"], json.dumps(r["condition"]), r["decoding"], r["prompts"]) for r in rows}
    # M-B 2 conditions × sample; M-T and M-TS {} × sample and one condition × two decodings; two prompts.
    assert len(cells) == 2 * (2 + 3 + 3)
    assert {r["attribute"] for r in rows} == {"toxicity", "sentiment", "joint"}
    assert {r["n_prompts"] for r in rows if r["prompts"] == "unprompted"} == {12}
    for row in rows:
        if row["misalignment"] is not None:
            assert 0 <= row["ci_low"] <= row["misalignment"] <= row["ci_high"] <= 1
            assert row["perplexity"] > 1
    generations = pd.read_parquet(results / "generations.parquet")
    assert len(generations) == (2 + 3 + 3) * (12 + 8)
    assert "<|" not in "".join(generations["continuation"])
    tables = (results / "tables.md").read_text()
    assert "M-TS" in tables
    assert "M-TS" in finished.said["evaluate"]
    assert str(results / "report.html") in finished.said["evaluate"]


def test_the_misalignment_is_recomputed_from_the_generations_by_hand(finished):
    results = finished.folder / "results"
    generations = pd.read_parquet(results / "generations.parquet")
    rows = json.loads((results / "metrics.json").read_text())["rows"]
    for row in rows:
        target = {"toxicity": "nontoxic", "sentiment": "pos"} | row["condition"]
        asked = [row["attribute"]] if row["attribute"] != "joint" else list(target)
        wrong = total = 0
        for _, sample in generations.iterrows():
            condition = (
                {k: v for k, v in sample["condition"].items() if v is not None}
                if isinstance(sample["condition"], dict)
                else json.loads(sample["condition"])
            )
            same = (sample["model"], condition, sample["decoding"], sample["prompts"]) == (
                row["model"], row["condition"], row["decoding"], row["prompts"],
            )  # fmt: skip
            for labels in sample["labels"] if same else ():
                total += 1
                wrong += any(labels[name] != target[name] for name in asked)
        assert total == row["n_sentences"]
        if total:
            assert row["misalignment"] == pytest.approx(wrong / total, abs=1e-9)


def test_the_same_command_again_says_already_done_and_changes_nothing(finished):
    for main, args, output in (
        ("dataset_create", finished.dataset_args(), "data"),
        ("train", finished.train_args("toxsen", MODELS["toxsen"]), "toxsen"),
        ("evaluate", finished.evaluation, "results"),
    ):
        before = contents(finished.folder / output)
        assert "already done" in run(main, args).stdout
        assert contents(finished.folder / output) == before


def test_other_args_on_a_finished_run_are_refused_with_the_difference(finished):
    said = run("dataset_create", finished.dataset_args(), "seed=4", expect=2).stderr
    assert "seed: was 3, now 4" in said
    said = run(
        "train", finished.train_args("tox", MODELS["tox"]), "optimisation.epochs=2", expect=2
    ).stderr
    assert "optimisation.epochs: was 1.0, now 2.0" in said
    said = run("evaluate", finished.evaluation, "decodings.sample.top_p=0.5", expect=2).stderr
    assert "decodings.sample.top_p: was 0.9, now 0.5" in said


def test_dry_runs_write_nothing(finished):
    before = set(contents(finished.folder))
    run("dataset_create", finished.dataset_args(), f"output={finished.folder}/dry", "--dry-run")
    run(
        "train",
        finished.train_args("tox", ["toxicity"]),
        f"output={finished.folder}/dry",
        "--dry-run",
    )
    run("evaluate", finished.evaluation, f"output={finished.folder}/dry", "--dry-run")
    assert set(contents(finished.folder)) == before
