"""Which checkpoint a run goes on from, and what of it is given out."""

import pytest

from src.errors import ArtifactError
from src.training.checkpoints import MARKER, MODEL, Checkpoints, Progress


def written(checkpoints, step):
    folder = checkpoints.folder(step)
    (folder / MODEL).mkdir(parents=True)
    for name in ("model.safetensors", "config.json", "tokenizer.json", "chat_template.jinja"):
        (folder / MODEL / name).write_text(f"{name} of {step}")
    (folder / "optimiser.pt").write_text(f"of {step}")
    return folder


def completed(checkpoints, step, *, publish=True, finished=False):
    written(checkpoints, step)
    checkpoints.complete(Progress(step, 100 * step, finished), publish=publish)


def names(folder):
    return sorted(p.name for p in folder.iterdir())


@pytest.fixture
def checkpoints(tmp_path):
    return Checkpoints(tmp_path / "run.partial", keep=None)


def test_only_the_model_and_its_tokenizer_are_given_out(checkpoints, tmp_path):
    completed(checkpoints, 5)
    given_out = tmp_path / "run.partial/checkpoints/step-000005"
    assert names(given_out) == [
        "chat_template.jinja", "config.json", "model.safetensors", "tokenizer.json",
    ]  # fmt: skip
    assert (given_out / "model.safetensors").read_text() == "model.safetensors of 5"


def test_the_optimiser_of_older_checkpoints_is_dropped_their_models_stay(checkpoints):
    for step in (5, 10):
        completed(checkpoints, step)
    assert names(checkpoints.folder(1).parent) == ["checkpoint-10"]
    assert [p.name for p in checkpoints.published()] == ["step-000005", "step-000010"]
    assert (checkpoints.published()[0] / "model.safetensors").read_text().endswith("of 5")


def test_as_many_as_asked_for_are_kept(tmp_path):
    checkpoints = Checkpoints(tmp_path, keep=2)
    for step in (5, 10, 15):
        completed(checkpoints, step)
    assert [p.name for p in checkpoints.published()] == ["step-000010", "step-000015"]


def test_a_run_goes_on_from_the_newest_complete_one(checkpoints):
    assert checkpoints.newest() is None
    completed(checkpoints, 5)
    completed(checkpoints, 10)
    half = written(checkpoints, 15)
    folder, progress = checkpoints.newest()
    assert (folder.name, progress) == ("checkpoint-10", Progress(10, 1000, False))
    checkpoints.clean()
    assert not half.exists()
    assert checkpoints.newest()[0].name == "checkpoint-10"


def test_what_was_given_out_after_it_is_taken_back(checkpoints, tmp_path):
    completed(checkpoints, 5)
    late = tmp_path / "run.partial/checkpoints/step-000010"
    late.mkdir()
    (late.with_name(".step-000015.tmp")).mkdir()
    checkpoints.clean()
    assert names(late.parent) == ["step-000005"]


def test_a_run_that_was_killed_before_its_first_checkpoint_starts_anew(checkpoints):
    written(checkpoints, 5)
    checkpoints.clean()
    assert names(checkpoints.folder(1).parent) == []


def test_a_checkpoint_of_another_version_is_refused(checkpoints):
    completed(checkpoints, 5)
    marker = checkpoints.newest()[0] / MARKER
    marker.write_text('{"step": 5, "tokens_seen": 500, "processes": 2, "finished": false}')
    with pytest.raises(ArtifactError, match=r"another version's.*got 'step, .*--overwrite"):
        checkpoints.clean()
    assert marker.exists()


def test_the_end_is_given_out_as_final_and_the_work_goes(checkpoints, tmp_path):
    completed(checkpoints, 5)
    completed(checkpoints, 7, publish=False, finished=True)
    assert not checkpoints.is_final()
    checkpoints.finish()
    assert not checkpoints.is_final(), "what it went on from is still there"
    checkpoints.discard_work()
    assert checkpoints.is_final()
    partial = tmp_path / "run.partial"
    assert names(partial) == ["checkpoints", "final"]
    assert (partial / "final/model.safetensors").read_text().endswith("of 7")
    assert MARKER not in names(partial / "final")
    checkpoints.discard_work()  # again, as after a kill


def test_files_are_linked_not_written_twice(checkpoints, tmp_path):
    completed(checkpoints, 5)
    folder, _ = checkpoints.newest()
    given_out = tmp_path / "run.partial/checkpoints/step-000005"
    assert (given_out / "model.safetensors").samefile(folder / MODEL / "model.safetensors")


def test_a_disk_without_hard_links_gets_copies(checkpoints, tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError("no links here")

    monkeypatch.setattr("os.link", refuse)
    completed(checkpoints, 5)
    given_out = tmp_path / "run.partial/checkpoints/step-000005"
    assert (given_out / "model.safetensors").read_text() == "model.safetensors of 5"
