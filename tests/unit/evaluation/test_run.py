import json
import re
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from src.artifacts.atomic_files import files_below, write_json_atomically
from src.artifacts.manifest_schema import SCHEMA_VERSIONS
from src.artifacts.run_folder import Run
from src.errors import ArtifactError, UserError
from src.evaluation import batch_steps as steps
from src.evaluation.generation.generations_file import read_generations
from src.evaluation.generation.writer import Writer
from src.evaluation.run import evaluate
from tests.demo_attributes import BOTH
from tests.unit.evaluation.conftest import Project

FILES = {
    "generations.parquet",
    "manifest.json",
    "metrics.json",
    "tables.csv",
    "tables.md",
    "tables.tex",
}

PAGE = "report.html"


def contents(folder):
    """Every file, but for what may differ in the manifest: its folder's name, and this code's commit."""
    found = {p.relative_to(folder).as_posix(): p.read_bytes() for p in files_below(folder)}
    manifest = json.loads(found["manifest.json"])
    manifest["args"].pop("output")
    manifest.pop("git_commit")
    manifest["files"].pop(PAGE)
    page = re.sub(r"<td>[0-9a-f]{40}(\+changes)?</td>", "", found[PAGE].decode())
    return {**found, "manifest.json": manifest, PAGE: page}


@pytest.fixture(scope="module")
def finished(project):
    """A finished evaluation: (project, what it said)."""
    return project, evaluate(project.args("finished"), dry_run=False, overwrite=False)


def test_the_exact_set_of_files_and_their_paths_at_the_end(finished):
    project, said = finished
    folder = project.folder / "finished"
    assert {p.relative_to(folder).as_posix() for p in files_below(folder)} == FILES | {PAGE}
    assert said.endswith(f"More: {folder / 'report.html'}, {folder / 'tables.md'}")
    lines = said.splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines[:-1])) < 80
    assert not (project.folder / "finished.partial").exists()


def test_a_row_of_the_metrics_per_cell_and_attribute(finished):
    project, _ = finished
    metrics = json.loads((project.folder / "finished/metrics.json").read_text())
    assert len(metrics["rows"]) == 6 * 3
    assert {
        "model", "condition", "decoding", "prompts", "attribute", "n_prompts", "n_sentences",
        "misalignment", "ci_low", "ci_high", "perplexity",
    } <= set(metrics["rows"][0])  # fmt: skip
    assert metrics["decodings"]["contrast"]["contrast_weights"] == {
        "toxicity": 2.0,
        "sentiment": 1.0,
    }
    # Of two sources: conditioned cells against M-TS without a condition, contrast against sampling too.
    assert len(metrics["comparisons"]) == 2 * (1 + 2) * (3 + 2)
    assert {one["a"]["decoding"] for one in metrics["comparisons"]} == {"sample", "contrast"}
    assert len(metrics["controllability"]) == 2 * 2
    assert metrics["reference"]["name"] == str(project.base)
    assert metrics["scorers"]["toxicity"]["name"] == "profanity_check"


def test_several_trainings_are_written_apart_and_measured_together(project):
    optimisation = {"learning_rate": 1e-3, "max_sentences": 10, "epochs": 1, "max_steps": None}
    paths = [
        project.publish(f"repeated {i}", seed=i, args={"seed": i, "optimisation": optimisation})
        for i in range(3)
    ]

    def metrics_of(name, entry):
        models = {"M-TS": {**entry, "conditions": [{}, BOTH]}}
        said = evaluate(project.args(name, models=models, model_cards=True))
        folder = project.folder / name
        return said, json.loads((folder / "metrics.json").read_text()), folder

    said, several, folder = metrics_of("several", {"paths": paths})
    _, single, _ = metrics_of("single", {"path": paths[0]})
    assert "Over 3 trainings a model." in said
    planned = project.args("planned", models={"M-TS": {"paths": paths, "conditions": [{}]}})
    planned = planned.model_copy(update={"decodings": {"sample": planned.decodings["sample"]}})
    assert "27 continuations in 2 cells" in evaluate(planned, dry_run=True)
    assert {row["n_trainings"] for row in several["rows"]} == {3}
    for one, three in zip(single["rows"], several["rows"], strict=True):
        assert three["n_continuations"] == 3 * one["n_continuations"]
        assert three["n_prompts"] == one["n_prompts"]
    assert all(one["of_trainings"] for one in several["comparisons"])
    assert [one["seed"] for one in several["models"]["M-TS"]["trainings"]] == [0, 1, 2]
    rows = read_generations(folder / "generations.parquet")
    texts = {i: [row["continuation"] for row in rows if row["training"] == i] for i in range(3)}
    assert len(texts[0]) == len(texts[1]) == len(texts[2])
    assert texts[0] != texts[1] != texts[2]
    first = [
        row["continuation"]
        for row in read_generations(project.folder / "single/generations.parquet")
    ]
    assert texts[0] == first  # the first training draws as it does alone
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "Model M-TS, training 3 of 3" in page
    card = (folder / "model_cards/M-TS/README.md").read_text(encoding="utf-8")
    assert all(str(path) in card for path in paths)
    assert said.count("cp ") == 3


def test_the_latex_tables_are_those_of_the_document(finished):
    folder = finished[0].folder / "finished"
    document = (folder / "tables.tex").read_text(encoding="utf-8")
    listed = (folder / "tables.md").read_text(encoding="utf-8")
    titles = re.findall(r"^## (Misalignment, joint \(.*\))$", listed, re.MULTILINE)
    assert len(titles) == 2
    assert all(rf"\caption{{{title}. " in document for title in titles)


def test_the_generations_hold_what_the_metrics_count(finished):
    project, _ = finished
    rows = read_generations(project.folder / "finished/generations.parquet")
    metrics = json.loads((project.folder / "finished/metrics.json").read_text())
    assert len(rows) == 3 * (5 + 4)
    for wanted in metrics["rows"]:
        cell = ("model", "condition", "decoding", "prompts")
        own = [row for row in rows if all(row[key] == wanted[key] for key in cell)]
        assert sum(len(row["sentences"]) for row in own) == wanted["n_sentences"]
        assert sum(row["n_tokens"] for row in own) == wanted["tokens"]
        assert len(own) == wanted["n_continuations"]
        if wanted["attribute"] == "sentiment" and wanted["n_sentences"]:
            labels = [one["sentiment"] for row in own for one in row["labels"]]
            share = sum(label != "pos" for label in labels) / len(labels)
            assert wanted["misalignment"] == pytest.approx(share)
    raw = pq.read_table(project.folder / "finished/generations.parquet")
    assert raw.schema.field("condition").type.num_fields == 2
    assert "<|" not in "".join(raw["continuation"].to_pylist())


def test_the_same_run_again_writes_the_same_bytes(finished):
    project, _ = finished
    evaluate(project.args("again"), dry_run=False, overwrite=False)
    assert contents(project.folder / "again") == contents(project.folder / "finished")


@pytest.mark.parametrize(
    "step,pieces", [("written", 0), ("written", 4), ("scored", 1), ("judged", 2)]
)
def test_a_killed_run_goes_on_and_writes_the_same_bytes(finished, monkeypatch, step, pieces):
    project, _ = finished
    args = project.args(f"killed_{step}_{pieces}")
    real, kept = steps.write_work, []

    def killed(path, *rest):
        if path.parent.name == step:
            if len(kept) == pieces:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.with_name(f".{path.name}.tmp").write_bytes(b"half a file")
                raise KeyboardInterrupt
            kept.append(path.name)
        real(path, *rest)

    monkeypatch.setattr(steps, "write_work", killed)
    with pytest.raises(KeyboardInterrupt):
        evaluate(args, dry_run=False, overwrite=False)
    assert not args.output.exists()
    partial = args.output.with_name(f"{args.output.name}.partial")
    assert len(list((partial / "work" / step).glob("[!.]*.parquet"))) == pieces

    rewritten = []

    def watched(path, *rest):
        rewritten.append((path.parent.name, path.name))
        real(path, *rest)

    monkeypatch.setattr(steps, "write_work", watched)
    evaluate(args, dry_run=False, overwrite=False)
    assert not {(step, name) for name in kept} & set(rewritten)
    assert contents(args.output) == contents(project.folder / "finished")


def test_already_done_says_the_same_again(finished):
    project, said = finished
    before = contents(project.folder / "finished")
    again = evaluate(project.args("finished"), dry_run=False, overwrite=False)
    assert again == f"already done: {project.folder / 'finished'}\n\n{said}"
    assert contents(project.folder / "finished") == before
    assert "nothing to do" in evaluate(project.args("finished"), dry_run=True)


@pytest.mark.parametrize("dry_run", [True, False])
def test_other_args_are_refused(finished, dry_run):
    project, _ = finished
    with pytest.raises(ArtifactError, match="seed: was 0, now 1"):
        evaluate(project.args("finished", seed=1), dry_run=dry_run, overwrite=False)


def test_a_dry_run_names_a_run_of_other_args_beside_all_else(own_project):
    args = own_project.args()
    with Run(args.output, "evaluation", args.model_dump(mode="json")) as run:
        write_json_atomically(  # killed before it got its name
            run.partial / "manifest.json",
            {
                "schema_version": SCHEMA_VERSIONS["evaluation"],
                "stage": "evaluation",
                "args": run.args,
            },
        )
    with pytest.raises(UserError) as refused:
        evaluate(own_project.args(seed=1, device="tpu"), dry_run=True)
    assert "2 things are missing" in str(refused.value)
    assert "seed: was 0, now 1" in str(refused.value)
    assert "tpu" in str(refused.value)


@pytest.mark.parametrize("short", ["model", "reference"])
def test_a_prompt_that_leaves_no_room_is_known_before_anything_is_written(
    own_project, short, tmp_path
):
    base = Path(own_project.base)
    narrow = tmp_path / "narrow"
    shutil.copytree(base, narrow)
    config = json.loads((narrow / "config.json").read_text())
    config["n_positions" if "n_positions" in config else "max_position_embeddings"] = 40
    (narrow / "config.json").write_text(json.dumps(config))
    (tmp_path / "prompts.txt").write_text("Short.\n" + "The old gardener opened the window. " * 5)
    args = {"prompts": [{"kind": "file", "path": str(tmp_path / "prompts.txt")}]}
    if short == "reference":
        args["perplexity"] = {"reference": str(narrow)}
        match = r"perplexity\.reference: prompt line-000002 .* 40 positions"
    else:
        args["decodings"] = {"sample": {"top_p": 0.9, "max_length": 120}}
        match = r"models\.M-TS: prompt line-000002 .* 128 positions"
    for dry_run in (True, False):
        with pytest.raises(UserError, match=match):
            evaluate(own_project.args(**args), dry_run=dry_run)
    assert not list(tmp_path.glob("*.partial"))


def test_a_dry_run_writes_nothing_and_lists_the_cells(project):
    before = sorted(project.folder.iterdir())
    said = evaluate(project.args("dry"), dry_run=True, overwrite=False)
    assert "27 continuations in 6 cells" in said
    assert "M-TS, nontoxic + pos, contrast, unprompted" in said
    assert sorted(project.folder.iterdir()) == before


def test_results_of_models_that_were_made_again_are_not_already_done(own_project):
    args = own_project.args(
        prompts=[{"kind": "unprompted", "count": 2}], decodings={"sample": {"max_length": 4}}
    )
    evaluate(args, dry_run=False, overwrite=False)
    first = (args.output / "generations.parquet").read_bytes()
    shutil.rmtree(own_project.model)
    assert "already done" in evaluate(args, dry_run=False, overwrite=False)  # the results stand
    own_project.publish("model", seed=7, loud=9.0)
    with pytest.raises(ArtifactError, match=r"models\.M-TS"):
        evaluate(args, dry_run=False, overwrite=False)
    evaluate(args, dry_run=False, overwrite=True)
    assert (args.output / "generations.parquet").read_bytes() != first


def test_work_of_a_model_that_was_made_again_is_not_gone_on_with(own_project, monkeypatch):
    args = own_project.args(
        prompts=[{"kind": "unprompted", "count": 2}], decodings={"sample": {"max_length": 4}}
    )
    monkeypatch.setattr(
        steps.Steps, "_judge", lambda self, *_: (_ for _ in ()).throw(KeyboardInterrupt)
    )
    with pytest.raises(KeyboardInterrupt):
        evaluate(args, dry_run=False, overwrite=False)
    monkeypatch.undo()
    shutil.rmtree(own_project.model)
    own_project.publish("model", seed=7, loud=9.0)
    evaluate(args, dry_run=False, overwrite=False)
    fresh = own_project.args("fresh", **args.model_dump(include={"prompts", "decodings"}))
    evaluate(fresh, dry_run=False, overwrite=False)
    assert contents(args.output) == contents(fresh.output)


def test_a_base_model_that_changed_does_not_judge(own_project, bases, tmp_path):
    own = Project(tmp_path / "own", shutil.copytree(bases["llama"], tmp_path / "base"))
    args = own.args(models={"M-TS": {"path": own.model, "conditions": [BOTH]}})
    weights = own.base / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(ArtifactError, match=r"base model .* has changed"):
        evaluate(args, dry_run=False, overwrite=False)
    assert not args.output.exists()


def test_several_samples_of_a_prompt(project):
    args = project.args(
        "samples", samples_per_prompt=3, decodings={"sample": {"max_length": 6, "temperature": 3.0}}
    )
    evaluate(args, dry_run=False, overwrite=False)
    rows = read_generations(args.output / "generations.parquet")
    validation = [row for row in rows if row["prompts"] == "validation" and not row["condition"]]
    assert len(validation) == 12
    assert {row["sample"] for row in validation} == {0, 1, 2}
    assert len({row["continuation"] for row in validation}) == 12
    metrics = json.loads((args.output / "metrics.json").read_text())
    counts = {(r["prompts"], r["n_prompts"], r["n_continuations"]) for r in metrics["rows"]}
    assert counts == {("unprompted", 5, 5), ("validation", 4, 12)}


@pytest.mark.parametrize("change", [{"model_cards": True}, {"seed": 5}])
def test_an_unfinished_evaluation_goes_on_with_other_args_and_writes_again_only_what_they_change(
    own_project, monkeypatch, change
):
    args, wrote = own_project.args(), []
    with monkeypatch.context() as killed:
        killed.setattr(
            "src.evaluation.run.write_results", None
        )  # all is written, nothing published
        with pytest.raises(TypeError):
            evaluate(args)
    real = Writer.batches

    def batches(self, *given):
        wrote.append(given)
        return real(self, *given)

    monkeypatch.setattr(Writer, "batches", batches)
    evaluate(own_project.args(**change))
    assert bool(wrote) == ("seed" in change)
    undisturbed = own_project.args(output=str(args.output) + "_fresh", **change)
    evaluate(undisturbed)
    for name in ("metrics.json", "generations.parquet"):
        assert (args.output / name).read_bytes() == (undisturbed.output / name).read_bytes()
