import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from scripts.tokenizer_create import create_tokenizer, main
from src.config.dataset import DatasetArgs
from src.dataset.preflight import attributes_without_edges, load_run_tokenizer
from src.errors import UnavailableError, UserError
from src.models.control_tokens import control_ids, load_tokenizer, tokenizer_fingerprint
from tests.builders import tiny_gpt2, tiny_tokenizer

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def value(tmp_path):
    return {
        "output": str(tmp_path / "data"),
        "source": {"kind": "files", "path": str(tmp_path)},
        "attributes": {
            "tone": {
                "scorer": {"name": "vader"},
                "labels": ["cold", "cool", "warm"],
                "quantiles": [0.3, 0.6],
                "desired": "warm",
            }
        },
        "tokenizer": {
            "base": str(tiny_tokenizer(tmp_path / "base")),
            "folder": str(tmp_path / "tokenizers" / "tiny"),
        },
        "validation": {"document_share": 0.1, "sentences": 10},
    }


def test_the_folder_holds_the_base_with_the_control_tokens(value, capsys, tmp_path):
    (tmp_path / "args.yaml").write_text(yaml.safe_dump(value))
    assert main([str(tmp_path / "args")]) == 0
    assert "<|cold|> <|cool|> <|warm|>" in capsys.readouterr().out
    args = DatasetArgs.model_validate(value)
    attributes = attributes_without_edges(args)
    made = load_run_tokenizer(args)
    assert len(control_ids(made, attributes)) == 3
    # Training adds the tokens to the base itself: both ways give one tokenizer.
    assert tokenizer_fingerprint(made) == tokenizer_fingerprint(
        load_tokenizer(value["tokenizer"]["base"], attributes)
    )
    assert {p.name for p in (tmp_path / "tokenizers").iterdir()} == {"tiny"}


def test_a_second_run_finds_it_and_other_labels_make_it_again(value):
    folder = Path(value["tokenizer"]["folder"])
    assert "tokenizer:" in create_tokenizer(DatasetArgs.model_validate(value))
    before = {p.name: p.stat().st_mtime_ns for p in folder.iterdir()}
    assert "already done" in create_tokenizer(DatasetArgs.model_validate(value))
    assert {p.name: p.stat().st_mtime_ns for p in folder.iterdir()} == before
    value["attributes"]["tone"]["labels"] = ["cold", "cool", "hot"]
    value["attributes"]["tone"]["desired"] = "hot"
    assert "<|hot|>" in create_tokenizer(DatasetArgs.model_validate(value))
    (folder / "tokenizer.json").write_text("broken")
    assert "tokenizer:" in create_tokenizer(DatasetArgs.model_validate(value))


def test_a_folder_with_more_than_a_tokenizer_is_never_replaced(value, tmp_path):
    value["tokenizer"]["folder"] = str(tiny_gpt2(tmp_path / "model"))
    with pytest.raises(UserError, match=r"more than a tokenizer.*model\.safetensors"):
        create_tokenizer(DatasetArgs.model_validate(value))
    assert (tmp_path / "model" / "model.safetensors").is_file()


def test_args_without_a_folder_are_told_so(value):
    del value["tokenizer"]["folder"]
    with pytest.raises(UserError, match="nothing to make"):
        create_tokenizer(DatasetArgs.model_validate(value))


def test_a_base_that_cannot_be_had_is_one_clear_line(value, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    value["tokenizer"]["base"] = "nobody/no-such-model"
    with pytest.raises(UnavailableError, match="nobody/no-such-model"):
        create_tokenizer(DatasetArgs.model_validate(value))
    assert not Path(value["tokenizer"]["folder"]).parent.exists()


def test_it_runs_from_the_root_without_being_installed():
    command = [sys.executable, "scripts/tokenizer_create.py", "args/no_such_file"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "no such args file" in done.stderr
    assert "Traceback" not in done.stderr
