"""A real browser for tests: the system's Chromium, driven by playwright. Nothing is downloaded."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


def find_chromium() -> str:
    """Path of the browser: CHROMIUM of the environment, else the first known name on PATH.

    The test fails where there is none: a test that is skipped shows nothing.
    """
    named = os.environ.get("CHROMIUM")
    if named:
        return named
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        pytest.fail(
            "the browser tests need Chromium, and none of "
            f"{', '.join(NAMES)} is on PATH; install it (Debian: apt-get install chromium), name it with "
            "CHROMIUM=/path/to/chromium, or leave these tests out with: "
            'bash scripts/test.sh -m "not browser"',
            pytrace=False,
        )
    return found


@contextmanager
def chromium() -> Iterator[Browser]:
    """A running browser without a window."""
    path = find_chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()
