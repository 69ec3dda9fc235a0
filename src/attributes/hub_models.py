"""Whether a model of the hub can be had, answered in seconds and without torch."""

from __future__ import annotations

import logging
from pathlib import Path

from src.errors import UnavailableError, UserError

logger = logging.getLogger(__name__)

HUB_TIMEOUT_SECONDS = 10.0


def local_only(name: str, revision: str | None = None) -> bool:
    """Whether to load from this machine alone: a folder, or a cached model while the hub is away.

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
        if is_cached(name, revision):
            logger.warning("hub not reachable (%s): %s from the cache", first_line(error), name)
            return True
        raise UnavailableError(
            f"{name!r} is neither a folder nor to be had from the hub: {first_line(error)}",
            fix="connect to the hub once, so that it is cached, or set a local folder",
        ) from error
    return False


def is_cached(name: str, revision: str | None = None) -> bool:
    """Whether a hub model was downloaded before."""
    from huggingface_hub import try_to_load_from_cache

    try:
        return isinstance(try_to_load_from_cache(name, "config.json", revision=revision), str)
    except ValueError:  # no valid repository name, so nothing of it can be cached
        return False


def missing_on_hub(name: str, revision: str | None = None) -> list[str]:
    """One line if a model is neither a folder nor in the hub's cache here, else nothing."""
    if Path(name).is_dir() or is_cached(name, revision):
        return []
    return [f"{name} is neither a folder nor in the hub's cache: it has to be downloaded"]


def first_line(error: BaseException) -> str:
    """An error's text without its later lines; its type where it has none."""
    return str(error).strip().split("\n")[0] or type(error).__name__
