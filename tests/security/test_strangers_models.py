"""Folders of strangers: no pickle is opened and no code of theirs is run, whatever they are used as."""

from __future__ import annotations

import contextlib
import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from src.attributes.scorer import build_scorer
from src.config.attributes import ScorerArgs
from src.errors import ProjectError, UserError
from src.models.control_tokens import load_tokenizer
from src.models.language_model import load_language_model, weights_sha256
from tests.builders import tiny_detoxify, tiny_gpt2, tiny_text_classifier

CPU = torch.device("cpu")


def as_language_model(folder: Path) -> None:
    load_language_model(str(folder), device=CPU)


def as_tokenizer(folder: Path) -> None:
    load_tokenizer(str(folder))


def as_scorer(folder: Path) -> None:
    build_scorer(ScorerArgs(name="huggingface", model=str(folder), device="cpu")).score(["a"])


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[Callable, Path]:
    folder = tmp_path_factory.mktemp("whole")
    model = tiny_gpt2(folder / "model")
    classifier = tiny_text_classifier(folder / "classifier", ["calm", "cross"])
    return {as_language_model: model, as_tokenizer: model, as_scorer: classifier}


class Harm:
    """Unpickled, it makes a folder."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple:
        return Path.mkdir, (self.marker,)


def test_the_attack_works_where_nothing_stops_it(tmp_path):
    pickle.loads(pickle.dumps(Harm(tmp_path / "marker")))
    assert (tmp_path / "marker").exists()


def refused(use: Callable[[Path], None], folder: Path, marker: Path) -> str:
    """What is said of a folder that cannot be used: one line, and the marker was not made."""
    with pytest.raises(ProjectError) as caught:
        use(folder)
    assert not marker.exists()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "adapter_model.bin", "model.ckpt"])
@pytest.mark.parametrize("use", [as_language_model, as_scorer])
def test_a_pickle_for_weights_is_refused(whole, tmp_path, use, name):
    folder, marker = tmp_path / "model", tmp_path / "marker"
    shutil.copytree(whole[use], folder)
    (folder / "model.safetensors").unlink()
    torch.save({"transformer.wte.weight": Harm(marker)}, folder / name)
    said = refused(use, folder, marker)
    assert "has no weights as safetensors" in said
    assert name in said
    with pytest.raises(ProjectError, match="no weight files"):
        weights_sha256(str(folder))


@pytest.mark.parametrize("use", [as_language_model, as_scorer])
def test_harmless_weights_in_a_pickle_are_refused_too(whole, tmp_path, use):
    folder = tmp_path / "model"
    shutil.copytree(whole[use], folder)
    from safetensors.torch import load_file

    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    assert "pytorch_model.bin" in refused(use, folder, tmp_path / "marker")


@pytest.mark.parametrize("use", [as_language_model, as_scorer])
@pytest.mark.parametrize("named", ["evil.bin", "../model.safetensors", "/etc/passwd", 7])
@pytest.mark.parametrize("where", ["index", "config"])
def test_other_files_cannot_be_named_as_weights(whole, tmp_path, use, named, where):
    folder, marker = tmp_path / "model", tmp_path / "marker"
    shutil.copytree(whole[use], folder)
    torch.save({"transformer.wte.weight": Harm(marker)}, folder / "evil.bin")
    if where == "index":
        (folder / "model.safetensors").unlink()
        index = {"metadata": {}, "weight_map": {"transformer.wte.weight": named}}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    else:
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | {"transformers_weights": named}))
    assert "names weights that are no safetensors files" in refused(use, folder, marker)


def test_a_pickle_under_the_name_of_safetensors_is_refused(whole, tmp_path):
    folder, marker = tmp_path / "model", tmp_path / "marker"
    shutil.copytree(whole[as_language_model], folder)
    torch.save({"transformer.wte.weight": Harm(marker)}, folder / "model.safetensors")
    assert "could not be loaded" in refused(as_language_model, folder, marker)


STRANGE_CODE = {
    "AutoConfig": "code.Strange",
    "AutoModelForCausalLM": "code.Strange",
    "AutoModelForSequenceClassification": "code.Strange",
    "AutoTokenizer": ["code.Strange", "code.Strange"],
}


@pytest.mark.parametrize("known_type", [True, False])
@pytest.mark.parametrize("use", [as_language_model, as_tokenizer, as_scorer])
def test_code_that_comes_with_a_model_is_never_run(whole, tmp_path, monkeypatch, use, known_type):
    """Nor is the user asked: an answer typed in a hurry would run it."""
    asked: list[str] = []
    monkeypatch.setattr("builtins.input", lambda text="": asked.append(text) or "y")
    folder, marker = tmp_path / "model", tmp_path / "marker"
    shutil.copytree(whole[use], folder)
    (folder / "code.py").write_text(
        f"import pathlib\npathlib.Path({str(marker)!r}).mkdir()\nclass Strange: pass\n"
    )
    for name in ("config.json", "tokenizer_config.json"):
        content = json.loads((folder / name).read_text()) | {"auto_map": STRANGE_CODE}
        if not known_type:
            content |= {"model_type": "strange", "tokenizer_class": "Strange"}
        (folder / name).write_text(json.dumps(content))
    if known_type:  # transformers' own class is taken, or it is refused
        with contextlib.suppress(ProjectError):
            use(folder)
        assert not marker.exists()
    else:
        refused(use, folder, marker)
    assert asked == []


def test_a_detoxify_checkpoint_is_never_unpickled(tmp_path):
    _, config = tiny_detoxify(tmp_path / "detoxify")
    marker = tmp_path / "marker"
    for number, content in enumerate(
        [{"config": Harm(marker), "state_dict": {}}, Harm(marker), [Harm(marker)]]
    ):
        path = tmp_path / f"{number}.ckpt"
        torch.save(content, path)
        args = {"checkpoint": str(path), "huggingface_config_path": str(config), "device": "cpu"}
        scorer = build_scorer(ScorerArgs(name="detoxify", **args))
        said = refused(lambda _, scorer=scorer: scorer.score(["a"]), path, marker)
        assert "damaged or holds more than weights" in said
    path.write_bytes(pickle.dumps(Harm(marker)))  # the oldest format: a bare pickle
    assert "damaged" in refused(lambda _: scorer.score(["a"]), path, marker)


DAMAGED = {
    "config.json": [b"", b"[]", b"null", b'{"model_type": []}', b'{"model_type": "gpt2", "n_layer": "x"}'],
    "tokenizer.json": [b"", b"[]", b"{}", b"null", b'{"version": "9"}', b"\xff\xfe"],
    "tokenizer_config.json": [b"[]", b"null", b'{"tokenizer_class": 3}', b'{"eos_token": 3}'],
    "model.safetensors": [b"", b"{", b"\xff" * 100],
    "generation_config.json": [b"[]", b"null"],
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_is_one_line_that_names_the_folder(whole, tmp_path, name):
    folder = tmp_path / "model"
    shutil.copytree(whole[as_language_model], folder)
    for content in DAMAGED[name]:
        (folder / name).write_bytes(content)
        use = as_tokenizer if name.startswith("tokenizer") else as_language_model
        with pytest.raises(ProjectError) as caught:
            use(folder)
        assert str(folder) in str(caught.value)


def test_a_folder_that_is_whole_is_read(whole):
    for use, folder in whole.items():
        use(folder)
    assert issubclass(UserError, ProjectError)
