"""Model cards: the figures of metrics.json, an example that runs, and models that stay as published."""

import json
import re
import subprocess

import pytest
from huggingface_hub import ModelCard

from src.artifacts.atomic_files import file_sha256
from src.artifacts.manifest import read_manifest
from src.evaluation.model_card.example import example_of
from src.evaluation.model_card.model_card import copy_commands, model_card
from src.evaluation.run import evaluate
from src.evaluation.tables.table import percent_with_interval, with_interval
from src.models.control_tokens import encode_prompt, load_tokenizer
from src.presentation.markdown import cell, code, table
from tests.demo_attributes import BOTH
from tests.unit.evaluation.conftest import Project


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory, bases):
    """A project of its own, its args with two models, and what the evaluation said."""
    project = Project(tmp_path_factory.mktemp("cards"), bases["gpt2"])
    baseline = project.publish("baseline", condition_on=[], seed=3, checkpoints=["step-000004"])
    models = {
        "M-B": {"path": baseline, "checkpoint": "step-000004", "decodings": ["sample"]},
        "M-TS": {"path": project.model, "conditions": [{}, BOTH]},
    }
    args = project.args("results", models=models, model_cards=True)
    return project, args, evaluate(args)


def card_of(args, name):
    return (args.output / "model_cards" / name / "README.md").read_text(encoding="utf-8")


def metrics_of(args):
    return json.loads((args.output / "metrics.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", ["M-B", "M-TS"])
def test_every_figure_is_that_of_the_metrics(evaluated, name):
    _, args, _ = evaluated
    card, rows = card_of(args, name), metrics_of(args)["rows"]
    own = [row for row in rows if row["model"] == name]
    tables = card.split("## Results")[1].split("## Training")[0]
    shown = re.findall(r"[\d.]+ \[[\d.]+, [\d.]+\]", tables)
    expected = [percent_with_interval(row) for row in own if row["misalignment"] is not None]
    expected += [
        with_interval(row["perplexity"], row["perplexity_ci_low"], row["perplexity_ci_high"], 1)
        for row in own
        if row["attribute"] == "joint" and row["perplexity_ci_low"] is not None
    ]
    assert sorted(shown) == sorted(expected)
    for row in own:
        if row["attribute"] == "joint":
            assert (
                f"| {row['n_sentences']} | {row['n_empty']} of {row['n_continuations']} |" in tables
            )
            assert f"| {row['perplexity']:.1f} " in tables


@pytest.mark.parametrize("name", ["M-B", "M-TS"])
def test_the_hub_reads_the_same_figures_and_no_invented_licence(evaluated, name):
    _, args, _ = evaluated
    data = ModelCard(card_of(args, name)).data
    rows = [
        r for r in metrics_of(args)["rows"] if r["model"] == name and r["misalignment"] is not None
    ]
    assert sorted(one.metric_value for one in data.eval_results) == sorted(
        row["misalignment"] for row in rows
    )
    assert data.library_name == "transformers"
    assert data.get("license") is None
    assert data.get("base_model") is None  # the base is a folder here, not a model of the hub


@pytest.mark.parametrize("placement", ["after_prompt", "before_prompt"])
@pytest.mark.parametrize("prompt", ["The film", "", "It spells <|neg|> here"])
def test_the_example_runs_and_prompts_as_the_evaluation_does(
    evaluated, capsys, monkeypatch, placement, prompt
):
    project, _, _ = evaluated
    tokens = ["<|nontoxic|>", "<|pos|>"]
    program = example_of(tokens, placement, {"top_p": 0.7, "min_length": 3, "max_length": 5})
    program = program.replace('prompt = "The film"', f"prompt = {prompt!r}")
    monkeypatch.chdir(project.model / "final")
    found = {}
    exec(compile(program, "example", "exec"), found)
    tokenizer = load_tokenizer(str(project.model / "final"), project.attributes)
    expected = encode_prompt(tokenizer, prompt, BOTH, project.attributes, placement)
    assert found["ids"][0].tolist() == expected
    new = found["written"].shape[1] - len(expected)
    assert 3 <= new <= 5
    assert "<|" not in capsys.readouterr().out


def test_the_example_of_a_card_is_the_program_that_is_tested(evaluated):
    _, args, _ = evaluated
    program = re.search(r"```python\n(.*?)```", card_of(args, "M-TS"), re.DOTALL)[1]
    sample = metrics_of(args)["decodings"]["sample"]
    assert program == example_of(["<|nontoxic|>", "<|pos|>"], "before_prompt", sample)
    assert "condition = []" in card_of(args, "M-B")


def test_tokens_and_what_was_not_trained(evaluated):
    _, args, _ = evaluated
    steered, baseline = card_of(args, "M-TS"), card_of(args, "M-B")
    assert "- toxicity: `<|nontoxic|>`, `<|toxic|>`\n- sentiment: `<|neg|>`, `<|pos|>`" in steered
    assert "before the prompt" in steered
    assert "it was not trained with them" not in steered
    assert "`<|neg|>`, `<|pos|>`; it was not trained with them" in baseline
    assert "It was trained without control tokens" in baseline


def test_the_provenance_is_that_of_the_checkpoint(evaluated):
    project, args, _ = evaluated
    folder = project.folder / "baseline"
    card = card_of(args, "M-B")
    assert file_sha256(folder / "checkpoints/step-000004/model.safetensors") in card
    assert "sha256 of final/" not in card
    assert read_manifest(folder, "training").sha256 in card
    assert read_manifest(project.dataset, "dataset").sha256 in card


def test_cards_are_part_of_the_results_and_models_stay_as_published(evaluated):
    project, args, said = evaluated
    files = read_manifest(args.output, "evaluation")["files"]
    assert {"model_cards/M-B/README.md", "model_cards/M-TS/README.md"} <= set(files)
    commands = copy_commands(args.output, metrics_of(args))
    assert len(commands) == 2
    for command in commands:
        assert f"  {command}" in said.splitlines()
        subprocess.run(["/bin/sh", "-c", command], check=True)
    copied = project.folder / "baseline" / "checkpoints" / "step-000004" / "README.md"
    assert copied.read_text(encoding="utf-8") == card_of(args, "M-B")
    for folder in (project.model, project.folder / "baseline"):
        read_manifest(folder, "training", verify=True)
    assert "already done" in evaluate(args)
    again = args.model_copy(update={"output": project.folder / "again"})
    evaluate(again)  # from models with a card beside them
    for name in ("M-B", "M-TS"):
        assert card_of(again, name) == card_of(args, name)


def test_without_the_request_no_card_and_no_command(evaluated):
    project, args, _ = evaluated
    plain = args.model_copy(update={"output": project.folder / "plain", "model_cards": False})
    said = evaluate(plain)
    assert not (plain.output / "model_cards").exists()
    assert "model cards" not in said


def test_another_data_set_than_the_models_is_said(evaluated):
    project, args, _ = evaluated
    model = read_manifest(project.model, "training")
    dataset = read_manifest(project.dataset, "dataset")
    dataset.content["seed"] = "another"
    card = model_card("M-TS", metrics_of(args), [model], dataset)
    assert "evaluated with another data set" in card


def test_markdown_is_not_broken_by_values():
    assert cell("a|b\n<img src=x> `c` & d") == "a\\|b &lt;img src=x> \\`c\\` &amp; d"
    assert cell(1234567) == "1,234,567"
    assert cell(True) == "True"
    assert code("a`b\nc") == "`a'b c`"
    made = table(("x", "y"), [("`<|t|>`", "p|q")], raw=(0,))
    assert made.splitlines() == ["| x | y |", "| --- | --- |", "| `<\\|t\\|>` | p\\|q |"]
