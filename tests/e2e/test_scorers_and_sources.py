"""Whole runs with the other scorers, sources and settings that an args file can name."""

import json
import subprocess
import sys

import pandas as pd
import pytest

from tests import builders
from tests.e2e.project import ATTRIBUTES, ROOT, Project, contents, environment, run


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return Project(tmp_path_factory.mktemp("scorers"), "gpt2", documents=90)


def test_detoxify_through_its_real_class_and_a_hub_format_classifier(project):
    checkpoint, config = builders.tiny_detoxify(project.folder / "detoxify")
    classifier = builders.tiny_text_classifier(project.folder / "formal", ["informal", "formal"])
    attributes = {
        "toxicity": {
            "scorer": {
                "name": "detoxify",
                "head": "toxicity",
                "checkpoint": str(checkpoint),
                "huggingface_config_path": str(config),
                "device": "cpu",
            },
            "labels": ["nontoxic", "toxic"],
            "quantiles": [0.5],
            "desired": "nontoxic",
        },
        "formality": {
            "scorer": {
                "name": "huggingface", "model": str(classifier), "label": "formal", "device": "cpu",
            },
            "labels": ["low", "middle", "high"],
            "quantiles": [0.33, 0.66],
            "desired": "high",
        },
    }  # fmt: skip
    args = project.dataset_args("detox", attributes=attributes)
    run("dataset_create", args)
    manifest = json.loads((project.folder / "detox/manifest.json").read_text())
    assert set(manifest["scorers"]) == {"toxicity", "formality"}
    rows = pd.concat(
        pd.read_parquet(p) for p in sorted((project.folder / "detox").glob("train-*.parquet"))
    )
    labels = pd.DataFrame(list(rows["labels"]))
    assert set(labels["formality"]) == {"low", "middle", "high"}
    run(
        "train",
        project.train_args("m", ["toxicity", "formality"], dataset=str(project.folder / "detox")),
        "token_dropout={toxicity: 0.5}",
    )
    said = run(
        "evaluate",
        project.evaluate_args(
            "r",
            {"M": {"path": str(project.folder / "m"), "conditions": [{}, {"formality": "high"}]}},
            dataset=str(project.folder / "detox"),
            prompts=[{"kind": "unprompted", "count": 6}],
        ),
        "decodings={sample: {max_length: 10}, contrast: {max_length: 10, contrast_weights: {formality: 2}}}",
    )
    assert str(project.folder / "r" / "report.html") in said.stdout
    assert "Misalignment, formality" in (project.folder / "r" / "tables.md").read_text()


def test_workers_do_not_change_a_byte(project):
    # The same folder name, which the card carries.
    for workers in (1, 2):
        args = project.dataset_args(f"w{workers}/data", executor={"workers": workers, "tasks": 3})
        run("dataset_create", args)
    one, two = (contents(project.folder / f"w{workers}/data") for workers in (1, 2))
    assert one.keys() == two.keys()
    assert [n for n in one if one[n] != two[n] and n != "manifest.json"] == []


def test_bad_lines_are_counted_and_kept_and_too_many_stop_the_run(project):
    shards = project.folder / "bad"
    builders.pile_jsonl(shards, n=90)
    (shards / "bad.jsonl").write_bytes(
        b'{"text": "cut off\n{"no_text": 1}\n{"text": 7}\n["a list"]\n\xff\xfe{"text": "x"}\n'
    )
    whole = (shards / "part-2.jsonl.zst").read_bytes()
    (shards / "cut.jsonl.zst").write_bytes(whole[: len(whole) // 2])
    source = {"kind": "files", "path": str(shards)}
    said = run("dataset_create", project.dataset_args("strict", source=source), expect=2).stderr
    assert "max_bad_fraction" in said
    assert not (project.folder / "strict").exists()
    run("dataset_create", project.dataset_args("lenient", source=source, max_bad_fraction=0.5))
    excluded = pd.read_parquet(project.folder / "lenient/excluded.parquet")
    bad = excluded[excluded["id"].str.contains("bad.jsonl|cut.jsonl.zst")]["reason"].value_counts()
    assert bad.sum() >= 6
    assert len(bad) >= 4


@pytest.mark.parametrize(
    "changes,part",
    [
        ({"min_words": 500}, "min_words"),
        ({"validation": {"document_share": 0.1, "sentences": 4000}}, "validation"),
        ({"source": {"kind": "files", "path": "/nowhere/at/all"}}, "/nowhere/at/all"),
        ({"tokenizer": {"base": "no/such-tokenizer"}}, "no/such-tokenizer"),
        (
            {
                "attributes": {
                    **ATTRIBUTES,
                    "sentiment": {**ATTRIBUTES["sentiment"], "edges": [2.0]},
                }
            },
            "pos",
        ),
    ],
)
def test_what_cannot_give_a_data_set_says_why_and_publishes_nothing(project, changes, part):
    args = project.dataset_args("bad_one", **changes)
    done = subprocess.run(
        [sys.executable, "main_dataset_create.py", str(args), "--overwrite"],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode in (1, 2)
    assert "Traceback" not in done.stderr
    assert part in done.stderr
    assert not (project.folder / "bad_one").exists()
