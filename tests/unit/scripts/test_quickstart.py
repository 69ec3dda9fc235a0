"""The quickstart script names what it runs."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = (ROOT / "scripts" / "quickstart.sh").read_text(encoding="utf-8")


def test_what_it_runs_is_there():
    named = re.findall(r"(?:scripts|args)/\w+(?:\.\w+)?", SCRIPT)
    assert "args/args_dataset_demo" in named
    for name in named:
        assert (ROOT / name).exists() or (ROOT / f"{name}.yaml").exists(), name
