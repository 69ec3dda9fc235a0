"""Whether a model can be had is asked about that model, and only a hub's answer counts."""

from __future__ import annotations

import json
from types import SimpleNamespace

import huggingface_hub
import pytest

from src.errors import UnavailableError
from src.pretrained.hub_models import missing_on_hub, require_model


@pytest.fixture
def asked(no_hub, monkeypatch):
    """The addresses asked for; each answer is a hub's."""
    urls = []

    def answer(url, **_):
        urls.append(url)
        return SimpleNamespace(commit_hash="c" * 40)

    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", answer)
    return urls


def test_the_hub_is_asked_about_the_model_that_is_wanted(asked):
    assert missing_on_hub("owner/name", "v2") == []
    assert require_model("owner/name", "v2") is False
    assert len(asked) == 2
    assert all("owner/name" in url and "v2" in url for url in asked)


def test_a_page_to_log_in_is_no_hub(asked, monkeypatch):
    monkeypatch.setattr(
        huggingface_hub, "get_hf_file_metadata", lambda *_, **__: SimpleNamespace(commit_hash=None)
    )
    (line,) = missing_on_hub("owner/name", fix="do this instead")
    assert "'owner/name'" in line
    assert "a page to log in" in line
    assert line.endswith("; do this instead")
    with pytest.raises(UnavailableError, match="a page to log in"):
        require_model("owner/name")


def model_folder(tmp_path, *weights):
    """A folder with a config and empty files of weights."""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    for name in weights:
        (folder / name).touch()
    return folder


def test_a_cached_model_is_not_asked_for(asked, no_hub, tmp_path):
    no_hub("owner/name", model_folder(tmp_path, "model.safetensors"))
    assert missing_on_hub("owner/name") == missing_on_hub(str(tmp_path / "model")) == []
    assert asked == []


def test_a_folder_that_is_not_there_is_missing_whatever_the_hub_says(asked, tmp_path):
    (line,) = missing_on_hub(str(tmp_path / "none"))
    assert "folder does not exist" in line
    assert str(tmp_path) in line
    assert asked == []


@pytest.mark.parametrize("here", [(), ("1.safetensors",), ("1.safetensors", "2.safetensors")])
def test_a_model_downloaded_in_part_is_missing_while_the_hub_is_away(no_hub, tmp_path, here):
    folder = model_folder(tmp_path, *here)
    if here:
        shards = {"first": "1.safetensors", "second": "2.safetensors"}
        (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": shards}))
    no_hub("owner/name", folder)
    lines = missing_on_hub("owner/name", fix="do this instead")
    if len(here) == 2:
        assert lines == []
    else:
        (line,) = lines
        assert "'owner/name' was downloaded in part" in line
        assert line.endswith("; do this instead")
