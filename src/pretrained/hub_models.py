"""Whether a model can be had and holds nothing but safetensors, answered in seconds and without torch."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path

from src.errors import UnavailableError, UserError, first_line

logger = logging.getLogger(__name__)

HUB_TIMEOUT_SECONDS = 10.0
FROM_THE_HUB = "connect to the hub once, so that it is cached, or set a local folder"
WEIGHTS, WEIGHTS_INDEX = "model.safetensors", "model.safetensors.index.json"
# Of a hub model without safetensors, transformers would ask a service to convert it for everybody.
os.environ.setdefault("DISABLE_SAFETENSORS_CONVERSION", "1")


def require_model(name: str, revision: str | None = None) -> bool:
    """That a model can be had; whether from this machine alone: a folder, or cached while the hub is away.

    Asks the hub once, for the config. Transformers asks an absent hub for most of a minute.

    Raises:
        UserError: it is written as a path and is no folder.
        UnavailableError: it is no folder, not cached, and not to be had from the hub.
    """
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    if Path(name).is_dir():
        return True
    if name.startswith(("/", ".", "~")):
        raise UserError("the model's folder does not exist", got=name)
    try:
        url = hf_hub_url(name, "config.json", revision=revision)
        found = get_hf_file_metadata(url, timeout=HUB_TIMEOUT_SECONDS)
        if found.commit_hash is None:
            raise ConnectionError("what answers there is no hub, but a proxy or a page to log in")
    except Exception as error:
        # Not narrower: the hub's client and the HTTP library below it have errors without a common base.
        # Whatever it was, it is said.
        if is_cached(name, revision):
            logger.warning("hub not reachable (%s): %s from the cache", first_line(error), name)
            return True
        raise UnavailableError(
            f"{name!r} is neither a folder nor to be had from the hub: {first_line(error)}",
            fix=FROM_THE_HUB,
        ) from error
    return False


def is_cached(name: str, revision: str | None = None) -> bool:
    """Whether a hub model was downloaded before, whole or in part."""
    return _cached_file(name, "config.json", revision) is not None


def _weights_are_cached(name: str, revision: str | None) -> bool:
    if not is_cached(name, revision):
        return False
    if _cached_file(name, WEIGHTS, revision):
        return True
    index = _cached_file(name, WEIGHTS_INDEX, revision)
    shards = set(map(str, _json_values(Path(index), "weight_map"))) if index else set()
    return bool(shards) and all(_cached_file(name, shard, revision) for shard in shards)


def _cached_file(name: str, file: str, revision: str | None) -> str | None:
    from huggingface_hub import try_to_load_from_cache

    try:
        path = try_to_load_from_cache(name, file, revision=revision)
    except ValueError:  # no valid repository name, so nothing of it can be cached
        return None
    return path if isinstance(path, str) else None  # or a note that the hub has no such file


def missing_on_hub(name: str, revision: str | None = None, *, fix: str = FROM_THE_HUB) -> list[str]:
    """One line if a model is neither a folder, nor cached, nor to be had from the hub now; else nothing.

    Args:
        name: a folder, or a name on the hub.
        revision: on the hub.
        fix: what to do where the hub does not have it.
    """
    if _weights_are_cached(name, revision):
        return []  # without asking
    try:
        if require_model(name, revision) and not Path(name).is_dir():
            return [
                f"{name!r} was downloaded in part, and the hub cannot be reached for the rest; {fix}"
            ]
    except UserError as error:
        return [str(error)]
    except UnavailableError as error:
        return [f"{error.what}; {fix}"]
    return []


def require_safetensors(name: str) -> None:
    """Refuse a local folder whose weights are anything but safetensors: a pickle can run code.

    Of a hub model, `use_safetensors=True` of transformers asks the same.

    Args:
        name: a local folder; anything else is passed over.

    Raises:
        UserError: no safetensors weights, or an index or a config that names other files as weights.
    """
    folder = Path(name)
    if not folder.is_dir():
        return
    shards = []
    if not (folder / WEIGHTS).is_file():
        if not (folder / WEIGHTS_INDEX).is_file():
            found = sorted(p.name for p in folder.iterdir() if p.suffix in _WEIGHT_ENDINGS)
            raise UserError(
                f"{name!r} has no weights as safetensors",
                got=", ".join(found[:3]) or "no weights",
                allowed=f"{WEIGHTS}, or {WEIGHTS_INDEX} with its files; a pickle can run code",
                fix="save the model with transformers' save_pretrained, which writes safetensors",
            )
        shards = _json_values(folder / WEIGHTS_INDEX, "weight_map")
    named = [*shards, *_json_values(folder / "config.json", "transformers_weights")]
    foreign = [n for n in named if not _is_safetensors_of_the_folder(n)]
    if foreign:
        raise UserError(
            f"{name!r} names weights that are no safetensors files of its own folder",
            got=str(foreign[0])[:80],
            allowed="*.safetensors in the same folder",
        )


_WEIGHT_ENDINGS = (
    ".bin",
    ".pt",
    ".pth",
    ".ckpt",
    ".pkl",
    ".h5",
    ".msgpack",
    ".gguf",
    ".safetensors",
)


def _json_values(path: Path, key: str) -> list[object]:
    """The value of a key as a list; of a mapping, its values. Files that cannot be read are others' work."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return []
    value = content.get(key) if isinstance(content, dict) else None
    if isinstance(value, dict):
        return list(value.values())
    return [] if value is None else [value]


def _is_safetensors_of_the_folder(name: object) -> bool:
    return (
        isinstance(name, str)
        and name.endswith((".safetensors", ".safetensors.index.json"))
        and name == os.path.basename(name)  # noqa: PTH119  # Path drops a trailing slash
    )
