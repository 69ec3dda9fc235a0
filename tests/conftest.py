"""What holds for all tests: the same examples on every run, and no limit on a busy machine's time.

`--hypothesis-profile=soak` draws other examples on every run, and 50 times as many in tests/fuzz.
"""

from __future__ import annotations

import logging
import os
import re

import pytest
from hypothesis import settings

settings.register_profile("same_every_time", derandomize=True, deadline=None)
settings.register_profile("soak", deadline=None, print_blob=True)
settings.load_profile("same_every_time")

# Manifests are compared, and name the commit: no run finds one, in whatever process it is made, so that
# whoever commits or edits while the tests run changes nothing.
os.environ["GIT_DIR"] = os.devnull


@pytest.fixture(autouse=True)
def _own_log_handlers():
    """A main logs to what pytest shows as stderr in that test; later tests would log to a closed file."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def pytest_addoption(parser):
    parser.addoption(
        "--kills", type=int, default=25, help="kill -9 at random moments, per stage (tests/chaos)"
    )


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_makereport(item, call):
    """Keep how many examples a property was tried on."""
    told = getattr(item, "hypothesis_statistics", None)
    if call.when == "call" and told is not None and "/fuzz/" in item.nodeid:
        examples = sum(map(int, re.findall(r"(\d+) passing,", told)))
        item.user_properties.append(("fuzz", examples))


def pytest_terminal_summary(terminalreporter):
    """What the chaos tests did, their figures on a line each; and how much was fuzzed."""
    examples = []
    for report in terminalreporter.stats.get("passed", []):
        for name, figures in report.user_properties:
            if name == "chaos":
                terminalreporter.write_line(f"chaos: {figures}")
            if name == "fuzz":
                examples.append(figures)
    if examples:
        n = sum(examples)
        terminalreporter.write_line(f"fuzz: {n:,} examples of {len(examples)} properties that held")
