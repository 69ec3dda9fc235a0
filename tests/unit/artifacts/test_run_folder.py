"""Run folders: published in one step, resumed with the same args, refused with others."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from src.artifacts import manifest_schema, run_folder
from src.artifacts.atomic_files import file_sha256
from src.artifacts.manifest import read_manifest
from src.artifacts.output_folder import check_output
from src.artifacts.run_folder import Run, differences
from src.errors import ArtifactError, UnavailableError
from tests.builders import MANIFEST_FACTS

ARGS = {"seed": 1, "nested": {"a": [1, 2]}}


def finish(folder, args=ARGS, text="hello", **flags):
    with Run(folder, "dataset", args, **flags) as run:
        if run.status != "done":
            (run.partial / "sub").mkdir(exist_ok=True)
            (run.partial / "sub" / "rows.txt").write_text(text)
            run.publish(rows=3, **MANIFEST_FACTS)
    return run


def test_a_finished_run_has_a_manifest_that_describes_every_file(tmp_path):
    finish(tmp_path / "run")
    manifest = read_manifest(tmp_path / "run", "dataset")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["run"]
    assert sorted(p.name for p in (tmp_path / "run").iterdir()) == ["manifest.json", "sub"]
    assert manifest["files"] == {
        "sub/rows.txt": {"bytes": 5, "sha256": file_sha256(tmp_path / "run/sub/rows.txt")}
    }
    assert manifest["args"] == ARGS
    assert manifest["rows"] == 3
    assert manifest["packages"]["torch"].startswith("2.")


def test_the_same_args_find_it_done_and_equal_runs_have_equal_manifests(tmp_path):
    finish(tmp_path / "a")
    finish(tmp_path / "b")
    before = (tmp_path / "a/manifest.json").read_bytes()
    assert before == (tmp_path / "b/manifest.json").read_bytes()
    assert finish(tmp_path / "a", text="other").status == "done"
    assert (tmp_path / "a/manifest.json").read_bytes() == before


def test_other_args_are_refused_with_the_differences_until_overwrite(tmp_path):
    finish(tmp_path / "run")
    other = {"seed": 2, "nested": {"a": [1, 2], "b": None}}
    with pytest.raises(ArtifactError) as raised:
        finish(tmp_path / "run", other)
    assert "seed: was 1, now 2" in str(raised.value)
    assert "nested.b: was not set, now None" in str(raised.value)
    assert read_manifest(tmp_path / "run", "dataset")["args"] == ARGS
    finish(tmp_path / "run", other, overwrite=True)
    assert read_manifest(tmp_path / "run", "dataset")["args"] == other
    assert [p.name for p in tmp_path.iterdir()] == ["run"]


def test_an_unfinished_run_of_other_args_gives_what_the_stage_says_still_fits(tmp_path):
    other = {**ARGS, "seed": 2}
    for name in ("heavy", "stale"):
        with Run(tmp_path / "run", "dataset", ARGS, overwrite=name == "heavy") as run:
            (run.partial / name).mkdir()

    def fits(before, partial):
        assert (before, partial) == (ARGS, run.partial)
        return kept

    kept = None
    assert check_raises(tmp_path / "run", other, fits)
    kept = ("heavy",)
    assert check_output(tmp_path / "run", "dataset", other, fits=fits) == "resumed"
    with Run(tmp_path / "run", "dataset", other, fits=fits) as run:
        assert run.status == "resumed"
        assert sorted(p.name for p in run.partial.iterdir()) == ["args.json", "heavy"]
        assert json.loads((run.partial / "args.json").read_text()) == other
    with Run(tmp_path / "run", "dataset", ARGS, fits=lambda *_: ()) as run:
        assert run.status == "fresh"
        assert [p.name for p in run.partial.iterdir()] == ["args.json"]


def test_a_run_killed_while_it_takes_over_an_unfinished_one_leaves_it_unfinished(
    tmp_path, monkeypatch
):
    with Run(tmp_path / "run", "dataset", ARGS) as run:
        (run.partial / "heavy").mkdir()
    other = {**ARGS, "seed": 2}

    def killed(path, content):
        raise KeyboardInterrupt

    with monkeypatch.context() as at_work:
        at_work.setattr(run_folder, "write_json_atomically", killed)
        with pytest.raises(KeyboardInterrupt):
            Run(tmp_path / "run", "dataset", other, fits=lambda *_: ("heavy",)).__enter__()
    with Run(tmp_path / "run", "dataset", ARGS) as run:
        assert run.status == "resumed"
        assert (run.partial / "heavy").is_dir()


def check_raises(folder, args, fits):
    with pytest.raises(ArtifactError, match="other args"):
        check_output(folder, "dataset", args, fits=fits)
    with pytest.raises(ArtifactError, match="other args"):
        Run(folder, "dataset", args, fits=fits).__enter__()
    return True


def test_an_unfinished_run_is_resumed_with_equal_args_only(tmp_path):
    with Run(tmp_path / "run", "dataset", ARGS) as run:
        (run.partial / "half.txt").write_text("x")
    with pytest.raises(ArtifactError, match="unfinished"):
        read_manifest(tmp_path / "run", "dataset")
    with (
        pytest.raises(ArtifactError, match="other args"),
        Run(tmp_path / "run", "dataset", {"seed": 9}),
    ):
        pass
    with Run(tmp_path / "run", "dataset", ARGS) as run:
        assert run.status == "resumed"
        assert (run.partial / "half.txt").exists()
    with Run(tmp_path / "run", "dataset", {"seed": 9}, overwrite=True) as run:
        assert run.status == "fresh"
        assert not (run.partial / "half.txt").exists()


@pytest.mark.parametrize("moment", ["_describe_files", "_give_final_name"])
def test_a_run_killed_while_publishing_is_published_by_the_same_command(tmp_path, moment):
    script = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from src.artifacts.run_folder import Run\n"
        "from tests.builders import MANIFEST_FACTS\n"
        f"Run.{moment} = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "with Run(Path(sys.argv[1]), 'dataset', {'seed': 1, 'nested': {'a': [1, 2]}}) as run:\n"
        "    (run.partial / 'sub').mkdir()\n"
        "    (run.partial / 'sub' / 'rows.txt').write_text('hello')\n"
        "    run.publish(rows=3, **MANIFEST_FACTS)\n"
    )
    killed = subprocess.run([sys.executable, "-c", script, str(tmp_path / "run")], cwd=Path.cwd())
    assert killed.returncode == -signal.SIGKILL
    assert [p.name for p in tmp_path.iterdir()] == ["run.partial"]
    finish(tmp_path / "run")
    finish(tmp_path / "undisturbed")
    for name in ("manifest.json", "sub/rows.txt"):
        assert (tmp_path / "run" / name).read_bytes() == (
            tmp_path / "undisturbed" / name
        ).read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["run", "undisturbed"]


def test_two_runs_on_one_output_do_not_mix(tmp_path):
    with (
        Run(tmp_path / "run", "dataset", ARGS),
        pytest.raises(ArtifactError, match="another run is writing"),
        Run(tmp_path / "run", "dataset", ARGS),
    ):
        pass
    assert finish(tmp_path / "run").status == "done"


@pytest.mark.parametrize("moment", ["open", "flock"])
def test_a_run_that_is_published_while_another_one_enters_is_found_done(
    tmp_path, monkeypatch, moment
):
    """The first run ends just before the second opens the unfinished folder, or just before it locks it."""
    first = Run(tmp_path / "run", "dataset", ARGS)
    first.__enter__()
    holder = {"open": run_folder.os, "flock": run_folder.fcntl}[moment]
    real = getattr(holder, moment)

    def publish_first(*arguments):
        monkeypatch.undo()
        first.publish(rows=1, **MANIFEST_FACTS)
        first.__exit__()
        return real(*arguments)

    monkeypatch.setattr(holder, moment, publish_first)
    with Run(tmp_path / "run", "dataset", ARGS) as second:
        assert second.status == "done"
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    read_manifest(tmp_path / "run", "dataset")


@pytest.mark.parametrize(
    "spoil,part",
    [
        (lambda run: (run / "sub/rows.txt").write_text("hallo"), "sub/rows.txt has changed"),
        (lambda run: (run / "sub/rows.txt").unlink(), "sub/rows.txt is missing"),
        (lambda run: (run / "manifest.json").write_text("{"), "cannot be read"),
        (lambda run: (run / "manifest.json").write_text("[]"), "cannot be read"),
        (lambda run: (run / "manifest.json").unlink(), "unfinished"),
    ],
)
def test_a_changed_run_is_refused(tmp_path, spoil, part):
    finish(tmp_path / "run")
    spoil(tmp_path / "run")
    with pytest.raises(ArtifactError, match=part):
        read_manifest(tmp_path / "run", "dataset")


def test_another_stage_or_no_run_is_refused_with_the_command_that_makes_it(tmp_path):
    finish(tmp_path / "run")
    with pytest.raises(ArtifactError, match="another stage"):
        read_manifest(tmp_path / "run", "training")
    with pytest.raises(ArtifactError, match=r"does not exist.*main_train\.py"):
        read_manifest(tmp_path / "none", "training")
    with pytest.raises(ArtifactError, match="main_dataset_create"):
        read_manifest(tmp_path / "none", "dataset")


def test_a_folder_of_an_older_version_is_refused_with_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setitem(manifest_schema.SCHEMA_VERSIONS, "dataset", 0)
    finish(tmp_path / "run")
    with Run(tmp_path / "half", "dataset", ARGS) as half:
        monkeypatch.setattr(Run, "_give_final_name", lambda self: None)
        half.publish(**MANIFEST_FACTS)
    monkeypatch.undo()
    wanted = (
        r"made by another version .*schema 0.*allowed: schema 1; .*main_dataset_create.*--overwrite"
    )
    with pytest.raises(ArtifactError, match=wanted):
        read_manifest(tmp_path / "run", "dataset")
    for name in ("run", "half"):  # a finished one, and one that was killed before its new name
        with pytest.raises(ArtifactError, match=wanted) as raised:
            finish(tmp_path / name)
        assert "\n" not in str(raised.value)
        assert finish(tmp_path / name, overwrite=True).status == "done"
    assert read_manifest(tmp_path / "run", "dataset")["schema_version"] == 1


def test_a_folder_that_is_no_run_is_never_overwritten_silently(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.txt").write_text("years of work")
    with pytest.raises(ArtifactError, match="not a finished run"):
        finish(tmp_path / "mine")
    assert (tmp_path / "mine/thesis.txt").read_text() == "years of work"


def test_a_place_that_cannot_be_written_is_one_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UnavailableError, match="cannot be written"):
        finish(tmp_path / "file" / "run")


def test_differences_name_the_place():
    assert differences({"a": 1, "b": {"c": 2}}, {"a": 1, "b": {"c": 3}}) == ["b.c: was 2, now 3"]
    assert differences([1, 2], [1, 2]) == []
