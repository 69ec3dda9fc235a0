"""Detoxify: the numbers of its real class, from files that cannot run code."""

from __future__ import annotations

import shutil
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from detoxify import Detoxify

from src.attributes.detoxify_scorer import HUB
from src.attributes.scorer import Scorer, build_scorer
from src.config.attributes import ScorerArgs
from src.errors import ScorerError, UnavailableError, UserError
from tests.builders import (
    ORIGINAL_CLASSES,
    ORIGINAL_CLASSES_IN_CHECKPOINT,
    sentences,
    tiny_detoxify,
    tiny_text_classifier,
)

# Of all lengths, out of order; the last is longer than the 64 tokens that the tiny model can read.
TEXTS = [*sentences(60), "", "No!", " ".join(sentences(20, seed=1))]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """(checkpoint, config folder), saying `bert-base-uncased` as the real ones do."""
    return tiny_detoxify(tmp_path_factory.mktemp("detoxify"), model_type="bert-base-uncased")


def scorer(tiny: tuple[Path, Path], **options: object) -> Scorer:
    checkpoint, config = tiny
    given = {"checkpoint": str(checkpoint), "huggingface_config_path": str(config), "device": "cpu"}
    return build_scorer(ScorerArgs(name="detoxify", **{**given, **options}))


@pytest.fixture(scope="module")
def predicted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[float]]:
    """What the package's own class predicts, one text at a time."""
    # The real class asks the hub for `model_type`, so here it is the folder.
    checkpoint, config = tiny_detoxify(tmp_path_factory.mktemp("real"))
    real = Detoxify(checkpoint=str(checkpoint), huggingface_config_path=str(config))
    rows = [real.predict(text) for text in TEXTS]
    return {name: [row[name] for row in rows] for name in real.class_names}


@pytest.mark.parametrize("head", ORIGINAL_CLASSES)
def test_scores_are_those_of_detoxifys_class(tiny: tuple, predicted: dict, head: str) -> None:
    scores = scorer(tiny, head=head).score(TEXTS)
    assert scores == pytest.approx(predicted[head], abs=1e-5)
    assert scores.std() > 0.1  # a constant would agree too, were all texts alike


@pytest.mark.parametrize("batch_size", [1, 7])
def test_neither_batches_nor_order_matter(tiny: tuple, predicted: dict, batch_size: int) -> None:
    one = scorer(tiny, batch_size=batch_size)
    assert one.score(TEXTS) == pytest.approx(predicted["toxicity"], abs=1e-5)
    assert one.score(TEXTS[::-1]) == pytest.approx(predicted["toxicity"][::-1], abs=1e-5)
    assert one.score(TEXTS).tolist() == one.score(TEXTS).tolist()


def test_bf16_is_near_and_says_so(tiny: tuple, predicted: dict) -> None:
    one = scorer(tiny, precision="bf16")
    assert one.score(TEXTS) == pytest.approx(predicted["toxicity"], abs=0.1)
    assert one.score(TEXTS) != pytest.approx(predicted["toxicity"], abs=1e-6)
    assert one.fingerprint()["options"] != scorer(tiny).fingerprint()["options"]


def test_bf16_rounds_no_output_and_scores_near_an_edge_are_exact(tiny: tuple) -> None:
    exact = scorer(tiny).score(TEXTS)
    edge = float(sorted(exact)[30])
    rough = scorer(tiny, precision="bf16").score(TEXTS)
    logits = torch.logit(torch.tensor(rough))
    assert not torch.equal(logits, logits.bfloat16().double())
    settled = scorer(tiny, precision="bf16", exact_near=[edge]).score(TEXTS)
    near = abs(rough - edge).argsort()[:16]
    assert settled[near] == pytest.approx(exact[near], abs=1e-6)
    assert rough[near] != pytest.approx(exact[near], abs=1e-6)
    assert [s > edge + 1e-6 for s in settled] == [s > edge + 1e-6 for s in exact]
    # Exact from the start: nothing is left to compute again.
    assert scorer(tiny, exact_near=[edge]).score(TEXTS).tolist() == exact.tolist()


def test_the_fingerprint_follows_the_weights_not_the_device(tiny: tuple, tmp_path: Path) -> None:
    found = scorer(tiny).fingerprint()
    assert scorer(tiny, batch_size=3, device="auto").fingerprint() == found
    loaded = torch.load(tiny[0], weights_only=True)
    loaded["state_dict"]["classifier.bias"][0] += 1e-3
    torch.save(loaded, tmp_path / "other.ckpt")
    other = scorer((tmp_path / "other.ckpt", tiny[1])).fingerprint()
    assert other["sha256 of weights"] != found["sha256 of weights"]
    assert other["sha256 of tokenizer"] == found["sha256 of tokenizer"]


@pytest.mark.parametrize(
    "options,match",
    [
        ({"head": "sexual_explicit"}, "original has no head 'sexual_explicit'; allowed: toxicity,"),
        ({"model": "unbiased", "head": "rude"}, "unbiased has no head.*sexual_explicit"),
        ({"model": "orignal"}, "original"),
        ({"batch_size": 0}, "greater than or equal to 1"),
    ],
)
def test_options_are_checked_when_the_args_are_read(options: dict, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        ScorerArgs(name="detoxify", **options)


def test_a_head_that_the_checkpoint_does_not_have(tiny: tuple) -> None:
    with pytest.raises(UserError, match="got 'sexual_explicit'; allowed: toxicity, severe"):
        scorer(tiny, head="sexual_explicit").score(["a"])


class _Harm:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple:
        return Path.mkdir, (self.folder,)


def test_a_checkpoint_cannot_run_code(tiny: tuple, tmp_path: Path) -> None:
    harm = tmp_path / "harm"
    torch.save({"config": _Harm(harm), "state_dict": {}}, tmp_path / "bad.ckpt")
    with pytest.raises(UserError, match="damaged or holds more than weights"):
        scorer((tmp_path / "bad.ckpt", tiny[1])).score(["a"])
    assert not harm.exists()


def test_files_that_are_no_checkpoints(tiny: tuple, tmp_path: Path) -> None:
    path = tmp_path / "x.ckpt"
    with pytest.raises(UserError, match="does not exist"):
        scorer((path, tiny[1])).score(["a"])
    path.write_bytes(tiny[0].read_bytes()[:5000])
    with pytest.raises(UserError, match="damaged"):
        scorer((path, tiny[1])).score(["a"])
    torch.save({"weights": {}}, path)
    with pytest.raises(UserError, match="not in Detoxify's checkpoint format"):
        scorer((path, tiny[1])).score(["a"])


def test_weights_that_are_not_there_are_not_made_up(tiny: tuple, tmp_path: Path) -> None:
    loaded = torch.load(tiny[0], weights_only=True)
    del loaded["state_dict"]["classifier.weight"]
    torch.save(loaded, tmp_path / "part.ckpt")
    with pytest.raises(ScorerError, match=r"no weights for classifier\.weight"):
        scorer((tmp_path / "part.ckpt", tiny[1])).score(["a"])
    loaded["state_dict"]["classifier.weight"] = torch.zeros(2, 32)
    torch.save(loaded, tmp_path / "part.ckpt")
    with pytest.raises(ScorerError, match="does not fit its config"):
        scorer((tmp_path / "part.ckpt", tiny[1])).score(["a"])


def test_without_a_hub_one_line_says_what_to_set(tiny: tuple, no_hub: object) -> None:
    plain = build_scorer(ScorerArgs(name="detoxify"))
    assert "unitary/toxic-bert" in plain.missing()[0]
    with pytest.raises(UnavailableError) as caught:
        plain.score(["a"])
    for part in ("unitary/toxic-bert", "no route to host", "checkpoint", "huggingface_config_path"):
        assert part in str(caught.value)
    assert "\n" not in str(caught.value)
    with pytest.raises(UnavailableError, match=r"bert-base-uncased.*huggingface_config_path"):
        scorer(tiny, huggingface_config_path=None).score(["a"])
    assert scorer(tiny).missing() == []
    assert scorer((Path("no.ckpt"), tiny[1])).missing() == ["no.ckpt does not exist"]


def test_the_hubs_classifier_is_used_where_no_checkpoint_is_given(
    no_hub: object, tmp_path: Path, predicted: dict
) -> None:
    # As on the hub: the labels' old names. The same seed makes the same weights as `tiny_detoxify`.
    folder = tiny_text_classifier(tmp_path / "bert", ORIGINAL_CLASSES_IN_CHECKPOINT)
    no_hub(HUB["original"], folder)
    one = build_scorer(ScorerArgs(name="detoxify", head="insult"))
    assert one.missing() == []
    assert one.score(TEXTS) == pytest.approx(predicted["insult"], abs=1e-5)


class Release(BaseHTTPRequestHandler):
    """Answers every request with one kind of content, or not at all."""

    content_type: str | None = None

    def do_HEAD(self) -> None:
        if self.content_type is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Type", self.content_type)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.parametrize(
    "content_type, expected",
    [
        ("application/octet-stream", None),
        ("text/html; charset=utf-8", "a proxy or a page to log in"),
        (None, "HTTP Error 404"),
    ],
)
def test_a_release_file_that_is_not_here_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content_type: str | None, expected: str | None
) -> None:
    from detoxify import detoxify

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(Release, "content_type", content_type)
    with ThreadingHTTPServer(("127.0.0.1", 0), Release) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/original-albert-0e1d6498.ckpt"
        monkeypatch.setitem(detoxify.MODEL_URLS, "original-small", url)
        found = build_scorer(ScorerArgs(name="detoxify", model="original-small"))
        lines = found.missing()
        server.shutdown()
    assert [expected in line and url in line for line in lines] == ([True] if expected else [])


def test_the_small_models_come_from_the_release_file(
    tiny: tuple, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, predicted: dict
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    options = {"model": "original-small", "checkpoint": None}
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    shutil.copy(tiny[0], folder / "original-albert-0e1d6498.ckpt")
    assert scorer(tiny, **options).missing() == []
    scores = scorer(tiny, **options).score(TEXTS)
    assert scores == pytest.approx(predicted["toxicity"], abs=1e-5)
