"""The requirement files: exact, whole, and naming all that the code imports."""

import ast
import re
import sys
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[3]
BASE, TESTS = ROOT / "requirements.txt", ROOT / "tests" / "requirements.txt"
PLAYGROUND = ROOT / "scripts" / "requirements_playground.txt"
RAY = ROOT / "scripts" / "requirements_ray.txt"
DIRECT_UNTIL = "# what the packages above need themselves"


def pins(path, direct_only=False):
    text = path.read_text(encoding="utf-8")
    if direct_only:
        text = text.split(DIRECT_UNTIL)[0]
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    requirements = [Requirement(line) for line in lines if line]
    return {canonicalize_name(r.name): r for r in requirements}


@pytest.mark.parametrize(
    "path", [BASE, TESTS, PLAYGROUND, RAY], ids=["program", "tests", "playground", "ray"]
)
def test_every_version_is_exact_and_installed(path):
    for name, requirement in pins(path).items():
        assert re.fullmatch(r"==[0-9][^*,]*", str(requirement.specifier)), name
        if requirement.marker is None or requirement.marker.evaluate():
            assert requirement.specifier.contains(metadata.version(name)), name


@pytest.mark.parametrize("extra_file", [TESTS, PLAYGROUND, RAY], ids=["tests", "playground", "ray"])
def test_everything_needed_is_listed(extra_file):
    """NVIDIA's libraries are not: torch pins them for the builds that have them."""
    listed = {
        name: requirement
        for name, requirement in {**pins(BASE), **pins(extra_file)}.items()
        if requirement.marker is None or requirement.marker.evaluate()
    }
    missing = set()
    todo = [(name, "") for name in listed]
    seen = set()
    while todo:
        name, extra = todo.pop()
        if (name, extra) in seen or (name != "torch" and name not in listed):
            continue
        seen.add((name, extra))
        for line in metadata.requires(name) or []:
            needed = Requirement(line)
            if needed.marker is not None and not needed.marker.evaluate({"extra": extra}):
                continue
            needed_name = canonicalize_name(needed.name)
            if needed_name not in listed and name != "torch":
                missing.add(f"{needed_name}, needed by {name}")
            todo += [(needed_name, e) for e in ("", *needed.extras)]
    assert not missing


@pytest.mark.parametrize("path", [BASE, TESTS, PLAYGROUND], ids=["program", "tests", "playground"])
def test_the_lock_has_the_same_versions_with_their_hashes(path):
    """All but torch, whose builds differ in bytes under one version."""
    folder = ROOT / "scripts" if path == BASE else path.parent
    text = (folder / path.with_suffix(".lock").name).read_text(encoding="utf-8")
    locked = {}
    for entry in re.split(r"\n(?=\S)", text):
        if not entry.startswith("#"):
            requirement, *hashes = re.split(r"\s+\\\s+--hash=", entry.strip())
            assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", one) for one in hashes), entry
            assert hashes, entry
            parsed = Requirement(requirement)
            locked[canonicalize_name(parsed.name)] = str(parsed.specifier)
    wanted = {name: str(r.specifier) for name, r in pins(path).items() if name != "torch"}
    assert locked == wanted, "run scripts/lock_requirements.sh"


def test_every_import_is_a_direct_requirement():
    files = [*ROOT.glob("main_*.py"), *(ROOT / "src").rglob("*.py"), *ROOT.glob("scripts/*.py")]
    modules = {module for path in files for module in imported_modules(path)}
    outside = modules - set(sys.stdlib_module_names) - {"src", "scripts"}
    packages = metadata.packages_distributions()
    allowed = {name for path in (BASE, PLAYGROUND, RAY) for name in pins(path, direct_only=True)}
    wrong = {
        module
        for module in outside
        if not allowed & {canonicalize_name(name) for name in packages.get(module, [])}
    }
    assert not wrong


@pytest.mark.parametrize(
    "extra_file,importer", [(PLAYGROUND, "playground.py"), (RAY, "ray_executor.py")], ids=str
)
def test_only_who_needs_them_imports_extra_requirements(extra_file, importer):
    files = [*ROOT.glob("main_*.py"), *(ROOT / "src").rglob("*.py"), *ROOT.glob("scripts/*.py")]
    extra = set(pins(extra_file, direct_only=True))
    users = {path.name for path in files if extra & set(imported_modules(path))}
    assert users == {importer}


def imported_modules(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module.split(".")[0]
