"""The rules that hold the project together: the direction of imports, and what stays light."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ARCHITECTURE = (ROOT / "docs/ARCHITECTURE.md").read_text(encoding="utf-8")
ROOMS = re.findall(r"^\| `(\w+)` \|", ARCHITECTURE, re.MULTILINE)
STAGES = ["dataset", "training", "evaluation"]
ORDER = [room for room in ROOMS if room not in STAGES]
FIXED_TOP_LEVEL = {
    "args", "scripts", "src", "tests", "docs", "README.md", "requirements.txt",
    "main_dataset_create.py", "main_train.py", "main_evaluate.py",
    "LICENSE", "CITATION.cff", "CONTRIBUTING.md", "pyproject.toml",
}  # fmt: skip


def imported_parts(path):
    """The parts of `src` that a file imports, at the top or inside functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
            if node.module == "src":
                names = [f"src.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            if name.startswith("src."):
                yield name.split(".")[1]


def part_of(path):
    return path.relative_to(ROOT / "src").parts[0].removesuffix(".py")


SOURCES = [
    p
    for p in sorted((ROOT / "src").rglob("*.py"))
    if p.relative_to(ROOT / "src").parts != ("__init__.py",)
]


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_one_way(path):
    part = part_of(path)
    assert part in ORDER + STAGES, f"{part} has no place in the order of imports"
    below = ORDER[: ORDER.index(part) + 1] if part in ORDER else [*ORDER, part]
    wrong = sorted(set(imported_parts(path)) - set(below))
    assert not wrong, f"{path.name} imports {wrong}"


def test_the_page_names_every_room_and_no_file_that_is_not_there():
    found = {p.stem for p in (ROOT / "src").iterdir() if p.stem not in ("__init__", "__pycache__")}
    assert set(ROOMS) == found
    assert ROOMS[-3:] == STAGES
    files = [p.relative_to(ROOT).as_posix() for p in ROOT.glob("*/**/*.py")]
    for name in re.findall(r"[\w/]+\.py", ARCHITECTURE):
        assert any(f"/{file}".endswith(f"/{name}") for file in [*files, *_at_the_top()]), name


def _at_the_top():
    return [p.name for p in ROOT.glob("*.py")]


LIGHT = [
    "src.config.command_line", "src.config.dataset", "src.config.training", "src.config.evaluation",
    "src.artifacts.run_folder",
    "src.evaluation.metrics.cell_metrics", "src.evaluation.metrics.comparison",
    "src.evaluation.metrics.controllability", "src.statistics.intervals",
    "src.evaluation.tables.result_tables", "src.evaluation.tables.formats",
    "src.evaluation.report.page",
]  # fmt: skip


def test_the_light_modules_import_without_the_heavy_libraries():
    script = (
        f"import sys; [__import__(name) for name in {LIGHT!r}]\n"
        "heavy = {'torch', 'transformers', 'datasets', 'datatrove', 'sklearn'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True)


@pytest.mark.parametrize("main", ["main_dataset_create.py", "main_train.py", "main_evaluate.py"])
def test_entry_scripts_are_short_and_light(main):
    assert len((ROOT / main).read_text(encoding="utf-8").splitlines()) <= 30
    script = (
        "import runpy, sys; sys.argv = ['main', '--help']\n"
        f"try: runpy.run_path({main!r}, run_name='__main__')\n"
        "except SystemExit as stop: assert stop.code == 0, stop.code\n"
        "assert not {'torch', 'transformers'} & set(sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert "--dry-run" in done.stdout
    assert "output: path" in done.stdout


@pytest.mark.parametrize("command", ["main_train.py", "scripts/generate.py", "scripts/run_all.py"])
def test_outside_of_its_environment_a_command_says_what_to_do(command):
    bare = [sys.executable, "-S", command, "--help"]  # without site-packages
    done = subprocess.run(bare, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert "source .venv/bin/activate" in done.stderr
    assert "Traceback" not in done.stderr


def test_no_catch_all_modules_and_no_surprise_at_the_top():
    names = {p.stem for p in SOURCES}
    assert not names & {"utils", "helpers", "common", "misc"}
    listed = subprocess.run(
        ["git", "ls-files"],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if name != "GIT_DIR"},
        capture_output=True,
        text=True,
        check=True,
    )
    top = {line.split("/")[0] for line in listed.stdout.splitlines()}
    assert {name for name in top if not name.startswith(".")} <= FIXED_TOP_LEVEL
