"""The whole stage, on small data: what it writes, what it refuses, and that it is the same again."""

import filecmp
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import datasets
import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from src.artifacts.manifest import read_manifest
from src.attributes.attribute import from_manifest
from src.dataset import scored_shards
from src.dataset.executors import local_executor as executor
from src.dataset.pass_one import pass_one
from src.dataset.pipeline import create_dataset
from src.errors import (
    ArtifactError,
    DataError,
    ProgramError,
    ScorerError,
    UnavailableError,
    UserError,
)
from src.models.control_tokens import load_tokenizer, tokenizer_fingerprint
from src.models.token_counts import sentence_length
from src.runtime.randomness import keyed_uniform
from src.text.splitting import sentences_of
from tests.builders import pile_documents, pile_jsonl, sentence, tiny_detoxify

FILES = {
    "README.md", "audit.json", "audit.png", "hand_check.csv", "excluded.parquet", "manifest.json",
    "stats.json", "scored/00000.parquet", "scored/made_from.json", "train-00000-of-00001.parquet",
    "validation-00000-of-00001.parquet",
}  # fmt: skip


def files_of(folder):
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}


def rows(folder, name):
    [path] = folder.glob(f"{name}-*.parquet")
    return pq.read_table(path).to_pylist()


def excluded(folder):
    return pq.read_table(folder / "excluded.parquet").to_pylist()


def same_files(one, other, names):
    """Names of the files that differ."""
    _, different, missing = filecmp.cmpfiles(one, other, sorted(names), shallow=False)
    return different + missing


ROOT = Path(__file__).resolve().parents[3]
RESULT = FILES - {"scored/00000.parquet", "scored/made_from.json", "manifest.json"}


@pytest.fixture
def run(make_args):
    """Makes a data set and gives its folder."""

    def make(**changes):
        args = make_args(**changes)
        create_dataset(args)
        return args.output

    return make


# ------------------------------------------------------------------------------------ what is made


def test_the_data_set_is_what_the_documents_say(make_args):
    args = make_args()
    text = create_dataset(args)
    folder = args.output
    assert files_of(folder) == FILES
    assert not folder.with_name("run.partial").exists()
    train, validation = rows(folder, "train"), rows(folder, "validation")
    assert f"{len(train):,} sentences" in text
    assert len(validation) == 40

    by_id = {row["id"]: row for row in [*train, *validation]}
    left_out = {row["id"]: row["reason"] for row in excluded(folder)}
    assert not set(by_id) & set(left_out)
    documents = pile_documents(300)
    for shard, ending in enumerate((".jsonl", ".jsonl.gz", ".jsonl.zst")):
        for line, document in enumerate(documents[shard::3], 1):
            row_id, source = f"part-{shard}{ending}:{line}", document["meta"]["pile_set_name"]
            if source == "Github":
                assert left_out.pop(row_id) == "excluded_source"
                continue
            for i, cleaned in enumerate(sentences_of(document["text"], "gentle"), 1):
                if len(cleaned.split()) < 6:
                    assert left_out.pop(f"{row_id}:{i}") == "too_short"
                elif f"{row_id}:{i}" in left_out:
                    assert left_out.pop(f"{row_id}:{i}") in ("near_edge", "held_out_unused")
                else:
                    row = by_id.pop(f"{row_id}:{i}")
                    assert (row["text"], row["source"]) == (cleaned, source)
                    assert row["document_id"] == row_id
    assert not by_id
    assert not left_out


def test_rows_hold_what_later_stages_need(run, tokenizer_folder):
    folder = run()
    manifest = read_manifest(folder, "dataset")
    attributes = from_manifest(manifest["attributes"])
    train, validation = rows(folder, "train"), rows(folder, "validation")
    tokenizer = load_tokenizer(str(tokenizer_folder), attributes)
    assert manifest["tokenizer"]["fingerprint"] == tokenizer_fingerprint(tokenizer)
    for row in [*train, *validation]:
        assert row["labels"] == {a: one.label_of(row["scores"][a]) for a, one in attributes.items()}
        assert not any(one.near_edge(row["scores"][a]) for a, one in attributes.items())
        assert row["n_tokens"] + 2 < 64
    assert [r["n_tokens"] for r in train] == sentence_length(tokenizer, [r["text"] for r in train])
    untagged = [keyed_uniform(0, "untagged", row["id"]) < 0.05 for row in train]
    assert [row["untagged"] for row in train] == untagged
    assert any(untagged)
    assert not any(row["untagged"] for row in validation)
    held = {row["document_id"] for row in validation}
    assert not held & {row["document_id"] for row in train}
    combinations = [tuple(row["labels"].values()) for row in validation]
    assert len(set(combinations[:4])) == 4
    assert combinations == combinations[:4] * 10
    assert all(6 <= len(row["text"].split()) <= 20 for row in validation)


def test_every_document_and_sentence_is_accounted_for(run):
    folder = run(sample_fraction=0.7)
    stats = json.loads((folder / "stats.json").read_text())
    manifest = read_manifest(folder, "dataset")
    for kind in ("documents", "sentences"):
        counts = stats[kind]
        assert counts["read"] == counts["used"] + sum(counts["excluded"].values())
        assert manifest["counts"][kind] == counts
    assert stats["documents"]["read"] == 300
    assert 60 < stats["documents"]["excluded"]["not_sampled"] < 120
    kept_reasons = [row["reason"] for row in excluded(folder)]
    for kind in ("documents", "sentences"):
        for reason, n in stats[kind]["excluded"].items():
            assert kept_reasons.count(reason) == (0 if reason == "not_sampled" else n)
    for split in ("train", "validation"):
        found = rows(folder, split)
        assert stats["splits"][split]["sentences"] == len(found) == manifest["rows"][split]
        tokens = sum(row["n_tokens"] for row in found)
        assert stats["splits"][split]["tokens"] == tokens == manifest["tokens"][split]
    assert sum(row["documents_read"] for row in stats["sources"]) == 300
    assert sum(row["sentences_used"] for row in stats["sources"]) == stats["sentences"]["used"]


def test_the_card_says_the_same_and_load_dataset_reads_the_folder(run, tmp_path):
    folder = run()
    stats = json.loads((folder / "stats.json").read_text())
    card = (folder / "README.md").read_text()
    for n in (
        stats["documents"]["read"],
        stats["sentences"]["read"],
        stats["splits"]["train"]["tokens"],
    ):
        assert f"| {n:,} |" in card
    loaded = datasets.load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))
    assert set(loaded) == {"train", "validation"}
    assert loaded["train"].to_list() == rows(folder, "train")
    assert loaded["validation"].num_rows == 40


def test_quantile_edges_cut_the_scores_at_their_shares(run, make_args):
    attributes = make_args().model_dump(mode="json")["attributes"]
    attributes["toxicity"] |= {
        "labels": ["low", "middle", "high"],
        "desired": "low",
        "edges": None,
        "quantiles": [0.4, 0.7],
    }
    folder = run(attributes=attributes, validation__sentences=12)
    found = read_manifest(folder, "dataset")["attributes"]["toxicity"]
    scored = pq.read_table(folder / "scored/00000.parquet").to_pylist()
    scores = sorted(row["scores"]["toxicity"] for row in scored if row["reason"] is None)
    assert found["edges"] == [
        float(np.quantile(scores, q, method="inverted_cdf")) for q in (0.4, 0.7)
    ]
    assert {row["labels"]["toxicity"] for row in rows(folder, "train")} == {"low", "middle", "high"}


def test_detoxify_scores_become_labels(run, make_args, tmp_path):
    checkpoint, config = tiny_detoxify(tmp_path / "detoxify")
    attributes = make_args().model_dump(mode="json")["attributes"]
    attributes["toxicity"] |= {
        "scorer": {
            "name": "detoxify",
            "checkpoint": str(checkpoint),
            "huggingface_config_path": str(config),
        },
        "edges": [0.5],
    }
    folder = run(attributes=attributes)
    manifest = read_manifest(folder, "dataset")
    assert any(key.startswith("sha256 of") for key in manifest["scorers"]["toxicity"])
    shares = {row["labels"]["toxicity"] for row in rows(folder, "train")}
    assert shares == {"nontoxic", "toxic"}


def test_paper_cleaning_and_a_document_key(run, tmp_path):
    folder = tmp_path / "raw"
    folder.mkdir()
    lines = [
        {
            "text": sentence(f"{i}/{j}").replace(" ", " – ", 1),
            "meta": {"pile_set_name": "X", "doc": i},
        }
        for i in range(150)
        for j in range(6)
    ]
    (folder / "a.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    source = {"kind": "files", "path": str(folder), "document_id_key": "meta.doc"}
    output = run(source=source, cleaning="paper", validation__sentences=8)
    train, validation = rows(output, "train"), rows(output, "validation")
    assert all("–" not in row["text"] for row in train)
    assert {row["document_id"] for row in train} <= {str(i) for i in range(150)}
    held = {name for name in map(str, range(150)) if keyed_uniform(0, "split", name) < 0.3}
    assert {row["document_id"] for row in validation} <= held
    assert not {row["document_id"] for row in train} & held


# ------------------------------------------------------------------------------------ sources


def test_a_hub_data_set_with_ready_sentences_and_scores(run, make_args, tmp_path):
    folder = tmp_path / "hub"
    folder.mkdir()
    for part in range(2):
        documents = [
            {
                "texts": [sentence(f"{part}/{i}/{j}") for j in range(6)] + ["A “short” one."],
                "scores": [((i * 7 + j) % 10) / 10 for j in range(7)],
                "meta": {"pile_set_name": "Pile-CC"},
            }
            for i in range(60)
        ]
        documents[5]["scores"] = [0.1]
        (folder / f"train-{part}.jsonl").write_text(
            "".join(json.dumps(d) + "\n" for d in documents)
        )
    source = {
        "kind": "hub",
        "path": str(folder),
        "text_key": None,
        "sentences_key": "texts",
        "scores_keys": {"toxicity": "scores"},
    }
    attributes = make_args().model_dump(mode="json")["attributes"]
    attributes["toxicity"] |= {"scorer": {"name": "detoxify"}, "edges": [0.45]}
    changes = {"source": source, "attributes": attributes, "max_bad_fraction": 0.05}
    output = run(**changes, cleaning="paper", validation__sentences=8)
    found = rows(output, "train")
    for row in found:
        shard, line, number = row["id"].split(":")
        i, j = int(line) - 1, int(number) - 1
        assert row["text"] == sentence(f"{int(shard[-1])}/{i}/{j}").replace("-", "")
        assert row["scores"]["toxicity"] == ((i * 7 + j) % 10) / 10
    reasons = [row["reason"] for row in excluded(output)]
    assert reasons.count("scores_length_differs") == 2
    assert reasons.count("too_short") >= 118
    manifest = read_manifest(output, "dataset")
    assert manifest["scorers"]["toxicity"] == {"reused_from": "scores", "source": str(folder)}
    assert manifest["made_from"]["kind"] == "hub"
    for tasks in (1, 5):
        output_of = tmp_path / f"tasks-{tasks}"
        run(**changes, cleaning="paper", validation__sentences=8, output=str(output_of),
            executor={"workers": 1, "tasks": tasks})  # fmt: skip
        assert not same_files(output, output_of, RESULT - {"README.md"})


def test_parquet_and_another_file_system(run, documents, tmp_path):
    expected = run()
    system = fsspec.filesystem("memory")
    for path in sorted(documents.iterdir()):
        system.pipe(f"/raw-documents/{path.name}", path.read_bytes())
    remote = run(
        source={"kind": "files", "path": "memory://raw-documents"}, output=str(tmp_path / "b")
    )
    assert not same_files(expected, remote, RESULT - {"README.md"})


# ------------------------------------------------------------------------------------ the same again


@pytest.mark.parametrize("workers,tasks", [(1, 2), (2, 7)])
def test_the_result_does_not_depend_on_workers_and_tasks(run, tmp_path, workers, tasks):
    one = run(output=str(tmp_path / "a" / "run"))
    executor = {"workers": workers, "tasks": tasks}
    several = run(output=str(tmp_path / "b" / "run"), executor=executor)
    assert not same_files(one, several, RESULT)
    if workers > 1:
        again = run(output=str(tmp_path / "c" / "run"), executor={"workers": 1, "tasks": tasks})
        names = files_of(several) - {"manifest.json"}
        assert files_of(again) == files_of(several)
        assert not same_files(several, again, names)
        manifests = [read_manifest(folder, "dataset").content for folder in (several, again)]
        for manifest in manifests:
            del manifest["args"]["output"]
        assert manifests[0] == manifests[1]


def test_small_tables_do_not_change_the_result(run, tmp_path, monkeypatch):
    whole = run()
    monkeypatch.setattr(scored_shards, "ROWS_PER_GROUP", 100)
    monkeypatch.setattr("src.dataset.pass_one.steps.SCORING_CHUNK", 64)
    monkeypatch.setattr("src.dataset.pass_two.final_shards.ROWS_PER_SHARD", 300)
    monkeypatch.setattr("src.dataset.pass_two.final_shards.ROWS_PER_GROUP", 100)
    cut = run(output=str(tmp_path / "b"), executor={"workers": 1, "tasks": 4})
    shards = sorted(cut.glob("train-*.parquet"))
    assert len(shards) > 1
    assert shards[0].name == f"train-00000-of-{len(shards):05d}.parquet"
    assert [row for path in shards for row in pq.read_table(path).to_pylist()] == rows(
        whole, "train"
    )
    assert rows(cut, "validation") == rows(whole, "validation")
    assert excluded(cut) == excluded(whole)


def test_a_finished_run_is_found_and_changed_args_are_refused(make_args):
    first = create_dataset(make_args())
    before = {p: p.stat().st_mtime_ns for p in make_args().output.rglob("*")}
    again = create_dataset(make_args(executor={"workers": 2, "tasks": 1}))
    assert again == f"already done: {make_args().output}\n{first}"
    assert {p: p.stat().st_mtime_ns for p in make_args().output.rglob("*")} == before
    with pytest.raises(ArtifactError, match="seed: was 0, now 1"):
        create_dataset(make_args(seed=1))


def test_a_function_in_the_working_folder_labels_and_a_changed_one_is_told(
    make_args, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    source = tmp_path / "brevity_scorer.py"
    source.write_text("def brevity(texts):\n    return [-len(text) for text in texts]\n")
    attributes = {
        "brevity": {
            "scorer": {"name": "brevity_scorer:brevity"},
            "labels": ["long", "short"],
            "quantiles": [0.5],
            "desired": "short",
        }
    }
    args = make_args(attributes=attributes, executor={"workers": 2, "tasks": 3})
    create_dataset(args)
    [edge] = read_manifest(args.output, "dataset")["attributes"]["brevity"]["edges"]
    found = rows(args.output, "train")
    assert {row["labels"]["brevity"] for row in found} == {"long", "short"}
    for row in found:
        assert row["labels"]["brevity"] == ("short" if -len(row["text"]) > edge else "long")

    (tmp_path / "args.yaml").write_text(args.model_dump_json())
    source.write_text(source.read_text().replace("-len(text)", "-len(text.split())"))
    command = [sys.executable, str(ROOT / "main_dataset_create.py"), "args.yaml"]
    again = subprocess.run(command, capture_output=True, text=True, check=True)
    assert again.stdout.startswith("already done")
    assert "attribute brevity: the file of brevity_scorer:brevity has changed" in again.stderr


def failing(make_args, tmp_path, way):
    attributes = make_args().model_dump(mode="json")["attributes"]
    attributes["toxicity"] |= {
        "scorer": {
            "name": "tests.failing_scorers:FailingOnce",
            "way": way,
            "text": sentence("0/100/0")[:40],  # a document of the second shard
            "marker": str(tmp_path / "marker"),
        },
        "edges": [0.6],
    }
    return attributes


@pytest.mark.parametrize(
    "way,workers,error,says",
    [
        ("scorer_error", 1, ScorerError, "the scorer gave up"),
        ("scorer_error", 2, ScorerError, "the scorer gave up"),
        ("odd_error", 2, ScorerError, "OddError: reason 7"),
        ("kill_worker", 2, UnavailableError, "a worker process of pass 1 died"),
    ],
)
def test_a_failed_task_ends_the_run_with_its_error_and_the_same_command_goes_on(
    make_args, tmp_path, way, workers, error, says, capfd
):
    changes = {
        "attributes": failing(make_args, tmp_path, way),
        "executor": {"workers": workers, "tasks": 3},
    }
    error = RuntimeError if way == "odd_error" else error
    with pytest.raises(error, match=says):
        create_dataset(make_args(**changes))
    partial = tmp_path / "run.partial"
    assert not (tmp_path / "run").exists()
    assert "Traceback" not in capfd.readouterr().err
    assert not (partial / "work/pass_1/completions/00001").exists()
    create_dataset(make_args(**changes))
    assert not partial.exists()
    create_dataset(make_args(**changes, output=str(tmp_path / "undisturbed" / "run")))
    names = files_of(tmp_path / "run")
    assert names == files_of(tmp_path / "undisturbed" / "run")
    assert not same_files(
        tmp_path / "run", tmp_path / "undisturbed" / "run", names - {"manifest.json"}
    )


def test_a_killed_run_goes_on_and_ends_as_an_undisturbed_one(
    make_args, tmp_path, documents, tokenizer_folder, monkeypatch
):
    """With `kill -9`; in folders of their own, so that even the args are equal."""
    args = make_args(
        attributes=failing(make_args, Path(), "kill_run"),
        source__path="documents",
        tokenizer__base="tokenizer",
        executor={"workers": 1, "tasks": 3},
        output="run",
    )
    for name in ("killed", "undisturbed"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "documents").symlink_to(documents)
        (tmp_path / name / "tokenizer").symlink_to(tokenizer_folder)
    monkeypatch.chdir(tmp_path / "killed")
    child = os.fork()
    if child == 0:
        try:
            create_dataset(args)
        finally:
            os._exit(1)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    assert files_of(Path("run.partial/scored")) >= {"00000.parquet"}
    create_dataset(args)
    assert not Path("run.partial").exists()
    monkeypatch.chdir(tmp_path / "undisturbed")
    Path("marker").touch()
    create_dataset(args)
    killed, undisturbed = tmp_path / "killed" / "run", tmp_path / "undisturbed" / "run"
    assert (
        files_of(killed)
        == files_of(undisturbed)
        == FILES
        | {
            "scored/00001.parquet",
            "scored/00002.parquet",
        }
    )
    assert not same_files(killed, undisturbed, files_of(killed))


def test_another_edge_or_validation_set_reruns_pass_two_only(make_args, monkeypatch, tmp_path):
    args = make_args()
    create_dataset(args)
    runs = []
    monkeypatch.setattr(executor.ResumableLocalExecutor, "run", lambda self: runs.append(self))
    attributes = args.model_dump(mode="json")["attributes"]
    attributes["toxicity"]["edges"] = [0.5]
    changed = make_args(attributes=attributes, validation__sentences=8, untagged_fraction=0.5)
    create_dataset(changed, overwrite=True)
    assert runs == []
    monkeypatch.undo()
    fresh = make_args(
        attributes=attributes,
        validation__sentences=8,
        untagged_fraction=0.5,
        output=str(tmp_path / "f" / "run"),
    )
    create_dataset(fresh)
    names = files_of(args.output)
    assert names == FILES
    assert not same_files(args.output, fresh.output, names - {"manifest.json"})


COMPOUND = {"scorer": {"name": "vader", "value": "compound"}, "edges": [0.2]}


def test_another_judge_or_audit_reruns_pass_two_only(make_args, monkeypatch):
    args = make_args()
    create_dataset(args)
    assert read_manifest(args.output, "dataset")["judges"] == {}
    monkeypatch.setattr(executor.ResumableLocalExecutor, "run", None)
    attributes = args.model_dump(mode="json")["attributes"]
    attributes["sentiment"]["judge"] = COMPOUND
    before = rows(args.output, "train")
    create_dataset(make_args(attributes=attributes, audit__hand_check=4), overwrite=True)
    manifest = read_manifest(args.output, "dataset")
    assert rows(args.output, "train") == before
    assert from_manifest(manifest["attributes"])["sentiment"].judge.edges == (0.2,)
    assert "compound" in manifest["judges"]["sentiment"]["options"]
    audit = json.loads((args.output / "audit.json").read_text())
    assert audit["judges"]["sentiment"]["kappa"]["value"] > 0.5
    assert len((args.output / "hand_check.csv").read_text().splitlines()) == 1 + 2 * (4 + 4)


def test_a_judge_that_fails_ends_the_run_and_the_same_command_goes_on(
    make_args, tmp_path, monkeypatch
):
    attributes = make_args().model_dump(mode="json")["attributes"]
    judge = failing(make_args, tmp_path, "scorer_error")["toxicity"]["scorer"] | {"text": " "}
    attributes["sentiment"]["judge"] = {"scorer": judge, "edges": [0.6]}
    with pytest.raises(ScorerError, match="the scorer gave up"):
        create_dataset(make_args(attributes=attributes))
    assert not (tmp_path / "run").exists()
    monkeypatch.setattr(executor.ResumableLocalExecutor, "run", None)
    create_dataset(make_args(attributes=attributes))
    assert files_of(tmp_path / "run") == FILES


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_human_ratings_stay_with_their_sentences_and_are_audited(run, tmp_path, kind, caplog):
    folder = tmp_path / "raw"
    folder.mkdir()
    lines = []
    for i in range(400):
        mood = ("positive", "negative")[i % 2]
        text = sentence(f"rated/{i}", mood, rude=i % 4 < 2)
        if i % 10 == 0:
            text += " " + sentence(f"second/{i}", mood, rude=False)
        meta = {"pile_set_name": "X", "rating": 1.5 if mood == "positive" else -2}
        if i % 10 == 1:
            del meta["rating"]
        lines.append({"text": text, "meta": meta})
    if kind == "parquet":
        pq.write_table(pa.Table.from_pylist(lines), folder / "a.parquet")
    else:
        (folder / "a.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    source = {"kind": "files", "path": str(folder), "human_ratings": {"sentiment": "meta.rating"}}
    output = run(source=source, validation__sentences=8)
    found = [*rows(output, "train"), *rows(output, "validation")]
    assert {str(row["human"]) for row in found} == {
        "None", "{'sentiment': 1.5}", "{'sentiment': -2.0}",
    }  # fmt: skip
    for row in found:
        _, line, _ = row["id"].split(":")
        i = int(line) - 1
        rated = i % 10 > 1
        assert row["human"] == ({"sentiment": (1.5, -2.0)[i % 2]} if rated else None)
    people = json.loads((output / "audit.json").read_text())["human"]["sentiment"]
    assert people["rated_sentences"] <= 320
    assert people["auc"][0]["value"] > 0.8
    assert "### People's ratings of sentiment" in (output / "README.md").read_text()
    assert "| `human` |" in (output / "README.md").read_text()
    loaded = datasets.load_dataset(str(output), cache_dir=str(tmp_path / "cache"))
    assert loaded["train"].to_list() == rows(output, "train")
    source["human_ratings"] = {"sentiment": "meta.ratings"}
    run(source=source, validation__sentences=8, output=str(tmp_path / "misspelt"))
    assert "no sentence has a human rating of sentiment" in caplog.text


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("change", [{}, {"untagged_fraction": 0.5}])
def test_pass_one_is_kept_where_pass_two_could_not_be_done(
    make_args, monkeypatch, caplog, overwrite, change
):
    with pytest.raises(DataError, match="too few sentences for a balanced"):
        create_dataset(make_args(validation__sentences=4000))
    monkeypatch.setattr(executor.ResumableLocalExecutor, "run", None)
    with caplog.at_level("INFO"):
        create_dataset(make_args(**change), overwrite=overwrite)
    assert files_of(make_args().output) == FILES
    assert "pass 1 is done already" in caplog.text


@pytest.mark.parametrize("change", [{"min_words": 3}, {"seed": 9}, {"cleaning": "paper"}])
def test_an_unfinished_run_whose_pass_one_would_differ_is_refused(make_args, change):
    with pytest.raises(DataError, match="too few sentences for a balanced"):
        create_dataset(make_args(validation__sentences=4000))
    for dry_run in (True, False):
        with pytest.raises(ArtifactError, match=next(iter(change))):
            create_dataset(make_args(**change), dry_run=dry_run)


@pytest.mark.parametrize("spoil", ["shard", "args", "input"])
def test_scored_shards_that_do_not_fit_are_made_anew(make_args, documents, tmp_path, spoil):
    raw = tmp_path / "raw"
    raw.mkdir()
    for path in documents.iterdir():
        (raw / path.name).write_bytes(path.read_bytes())
    changes = {"source__path": str(raw)}
    create_dataset(make_args(**changes))
    folder = make_args(**changes).output
    if spoil == "shard":
        (folder / "scored/00000.parquet").write_bytes(b"spoiled")
    elif spoil == "args":
        changes["min_words"] = 9
    else:
        with (raw / "part-0.jsonl").open("a") as handle:
            handle.write(
                json.dumps({"text": sentence("more", "positive"), "meta": {"pile_set_name": "X"}})
            )
    create_dataset(make_args(**changes), overwrite=True)
    fresh = make_args(**changes, output=str(tmp_path / "fresh" / "run"))
    create_dataset(fresh)
    assert not same_files(folder, fresh.output, FILES - {"manifest.json"})
    read_manifest(folder, "dataset")


def test_an_input_that_changed_while_a_run_was_broken_off_is_read_again(
    make_args, tmp_path, caplog
):
    raw = tmp_path / "raw"
    raw.mkdir()
    line = {"meta": {"pile_set_name": "X"}}
    texts = [json.dumps({**line, "text": sentence(str(i))}) for i in range(900)]
    (raw / "a.jsonl").write_text("\n".join(texts[:400]))
    (raw / "b.jsonl").write_text("{broken\n" * 20 + "\n".join(texts[400:]))
    changes = {
        "source__path": str(raw),
        "executor": {"workers": 1, "tasks": 2},
        "validation__sentences": 8,
    }
    with pytest.raises(DataError, match=r"20 of 920 documents cannot be read"):
        create_dataset(make_args(**changes))
    (raw / "b.jsonl").write_text("\n".join(texts[400:]))
    create_dataset(make_args(**changes))
    assert "begins anew" in caplog.text
    stats = json.loads((tmp_path / "run/stats.json").read_text())
    assert stats["documents"]["read"] == 900


# ------------------------------------------------------------------------------------ bad input


def test_bad_documents_are_counted_kept_and_the_good_ones_used(
    make_args, documents, tmp_path, caplog
):
    raw = tmp_path / "raw"
    raw.mkdir()
    for path in documents.iterdir():
        (raw / path.name).write_bytes(path.read_bytes())
    packed = (raw / "part-2.jsonl.zst").read_bytes()
    (raw / "part-2.jsonl.zst").write_bytes(packed[: len(packed) - 20])
    with (raw / "part-0.jsonl").open("ab") as handle:
        handle.write(b'{broken\n[1]\n{"meta": {"pile_set_name": "X"}}\n{"text": "\xff"}\n')
        handle.write(b'{"text": 3, "meta": {"pile_set_name": "X"}}\n{"text": "No source."}\n')
    args = make_args(source__path=str(raw), max_bad_fraction=0.05, validation__sentences=8)
    create_dataset(args)
    counts = json.loads((args.output / "stats.json").read_text())["documents"]
    bad = {
        "malformed_json": 1, "not_an_object": 1, "missing_text": 1, "text_not_a_string": 1,
        "invalid_utf8": 1, "truncated_file": 1, "missing_source": 1,
    }  # fmt: skip
    assert {reason: counts["excluded"][reason] for reason in bad} == bad
    assert counts["bad"] == 7
    kept = {row["id"]: row["reason"] for row in excluded(args.output) if row["reason"] in bad}
    assert kept["part-0.jsonl:101"] == "malformed_json"
    assert kept["part-0.jsonl:104"] == "invalid_utf8"
    assert sorted(kept.values()) == sorted(bad)
    assert "truncated_file" in caplog.text
    with pytest.raises(DataError) as caught:
        create_dataset(make_args(source__path=str(raw), output=str(tmp_path / "strict")))
    for text in (
        "malformed_json: 1 (e.g. part-0.jsonl:101)",
        "max_bad_fraction",
        "truncated_file: 1",
    ):
        assert text in str(caught.value)
    assert not (tmp_path / "strict").exists()


def test_a_misspelt_key_is_told_by_its_reason(make_args):
    with pytest.raises(DataError, match=r"300 of 300 documents.*\n.*missing_text: 300"):
        create_dataset(make_args(source__text_key="body"))


def test_a_row_that_a_shard_lost_after_it_was_counted_publishes_nothing(make_args, monkeypatch):
    """`read = used + excluded` is checked while the program runs, not in tests alone."""
    real = pass_one.ScoredShards.batches
    monkeypatch.setattr(
        pass_one.ScoredShards,
        "batches",
        lambda self, columns: (table.slice(1) for table in real(self, columns)),
    )
    with pytest.raises(ProgramError, match="read = used \\+ excluded does not hold in pass 2"):
        create_dataset(make_args())
    monkeypatch.setattr(pass_one.ScoredShards, "batches", real)
    monkeypatch.setattr(pass_one.ScoredShards, "n_rows", lambda self: 3)
    with pytest.raises(ProgramError, match="3 rows in scored/"):
        create_dataset(make_args())
    assert not make_args().output.exists()


def test_an_empty_input_is_refused(make_args, tmp_path):
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "a.jsonl").write_text("\n\n")
    with pytest.raises(DataError, match="no document"):
        create_dataset(make_args(source__path=str(tmp_path / "raw")))


def test_no_sentence_left_shows_where_they_went(make_args):
    with pytest.raises(DataError) as caught:
        create_dataset(make_args(min_words=60, validation__max_words=70))
    assert "no sentence is left" in str(caught.value)
    assert "excluded_source: 50" in str(caught.value)
    assert "too_short:" in str(caught.value)


def test_a_label_without_sentences_is_named_with_the_counts(make_args):
    attributes = make_args().model_dump(mode="json")["attributes"]
    attributes["toxicity"]["edges"] = [1.5]
    with pytest.raises(DataError, match=r"toxicity: toxic:\n.*toxic 0"):
        create_dataset(make_args(attributes=attributes))


def test_quantiles_that_give_one_edge_are_refused(make_args):
    attributes = make_args().model_dump(mode="json")["attributes"]
    attributes["sentiment"] |= {
        "labels": ["a", "b", "c"],
        "desired": "a",
        "edges": None,
        "quantiles": [0.4, 0.40001],
    }
    with pytest.raises(DataError, match=r"quantiles.*rising"):
        create_dataset(make_args(attributes=attributes))


def test_an_excluded_source_that_is_nowhere_is_a_warning(make_args, caplog):
    create_dataset(make_args(excluded_sources=["Github", "GitHub"]))
    assert "'GitHub'" in caplog.text
    assert "'Github'" not in caplog.text


# ------------------------------------------------------------------------------------ before the work


def test_a_dry_run_writes_nothing_and_says_what_it_would_do(make_args, tmp_path):
    text = create_dataset(make_args(), dry_run=True)
    assert "would write" in text
    create_dataset(make_args())
    assert "nothing to do" in create_dataset(make_args(), dry_run=True)
    assert "would replace" in create_dataset(make_args(), dry_run=True, overwrite=True)
    with pytest.raises(ArtifactError, match="seed: was 0, now 1"):
        create_dataset(make_args(seed=1), dry_run=True)
    assert {p.name for p in tmp_path.iterdir()} == {"run"}


def test_a_dry_run_of_what_is_done_does_not_ask_for_its_input(make_args, tmp_path):
    raw = tmp_path / "raw"
    raw.mkdir()
    pile_jsonl(raw, 300)
    args = make_args(source__path=str(raw))
    create_dataset(args)
    shutil.rmtree(raw)
    assert "nothing to do" in create_dataset(args, dry_run=True)
    assert "already done" in create_dataset(args)


def test_a_dry_run_looks_into_the_first_rows(make_args, documents, tmp_path):
    args = make_args(source__document_id_key="meta.doc", source__text_key="body")
    with pytest.raises(UserError) as caught:
        create_dataset(args, dry_run=True)
    message = str(caught.value)
    for part in (
        "3 things", "of the first 20 rows of part-0.jsonl none is a document", "missing_document_id in 20",
        "check source.document_id_key 'meta.doc'", "part-2.jsonl.zst",
    ):  # fmt: skip
        assert part in message
    raw = tmp_path / "raw"
    raw.mkdir()
    first = b"{broken\n"  # one bad row stops nothing
    (raw / "a.jsonl").write_bytes(first + (documents / "part-0.jsonl").read_bytes())
    assert "nothing is missing" in create_dataset(make_args(source__path=str(raw)), dry_run=True)


def test_a_dry_run_says_what_stands_in_the_way(make_args, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "notes.txt").write_text("mine")
    with pytest.raises(ArtifactError, match="is not a finished run"):
        create_dataset(make_args(), dry_run=True)
    assert "would replace" in create_dataset(make_args(), dry_run=True, overwrite=True)


def test_a_finished_run_is_found_without_the_heavy_libraries(make_args):
    args = make_args()
    create_dataset(args)
    script = (
        "import sys\nfrom src.config.dataset import DatasetArgs\n"
        "from src.dataset.pipeline import create_dataset\n"
        "print(create_dataset(DatasetArgs.model_validate_json(sys.argv[1])))\n"
        "assert not {'torch', 'transformers', 'datatrove', 'pyarrow'} & set(sys.modules)\n"
    )
    command = [sys.executable, "-c", script, args.model_dump_json()]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert found.strip() == create_dataset(args)


def test_all_that_is_missing_is_said_at_once(make_args, tmp_path):
    (tmp_path / "file").write_text("")
    attributes = make_args().model_dump(mode="json")["attributes"]
    attributes["toxicity"]["scorer"] = {"name": "detoxify", "checkpoint": str(tmp_path / "no.ckpt")}
    args = make_args(
        source__path=str(tmp_path / "nowhere"),
        attributes=attributes,
        tokenizer__folder=str(tmp_path / "no-tokenizer"),
        output=str(tmp_path / "file"),
    )
    for dry_run in (True, False):
        with pytest.raises(UserError) as caught:
            create_dataset(args, dry_run=dry_run)
        message = str(caught.value)
        for part in (
            "4 things", "nowhere does not exist", "scripts/tokenizer_create.py", "no.ckpt does not exist",
            "output is a file",
        ):  # fmt: skip
            assert part in message
    assert {p.name for p in tmp_path.iterdir()} == {"file"}


def test_an_output_on_a_full_disk_is_refused_before_the_work(make_args, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: os.terminal_size((0, 0)) and _Disk)
    with pytest.raises(UnavailableError, match="not enough disk space"):
        create_dataset(make_args())


class _Disk:
    free = 1000


def test_a_tokenizer_of_other_attributes_is_refused(make_args, tmp_path, tokenizer_folder):
    folder = tmp_path / "tokenizer"
    load_tokenizer(str(tokenizer_folder)).save_pretrained(folder)
    with pytest.raises(ArtifactError, match=r"other attributes.*<\|nontoxic\|>"):
        create_dataset(make_args(tokenizer__folder=str(folder)))
