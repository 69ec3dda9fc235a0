"""The playground in a real browser: two models side by side, hostile text, errors, nothing from outside."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests import builders
from tests.browser import chromium
from tests.e2e.hostile_playground import HOSTILE
from tests.e2e.project import ROOT, environment
from tests.unit.evaluation.conftest import Project

pytestmark = pytest.mark.browser

PATIENCE_SECONDS = 240  # on a busy machine
STOP_SECONDS = 15


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("playground")
    project = Project(folder, builders.tiny_gpt2(folder / "base"))
    plain = project.publish("plain", condition_on=[], seed=4, checkpoints=["step-000004"])
    return [project.model, plain]


def started(*command: str) -> Iterator[str]:
    """Start a playground in a process of its own; gives its address, and stops it at the end."""
    port, said = free_port(), []
    with subprocess.Popen(
        [sys.executable, *command, *(() if "-m" in command else ("--port",)), str(port)],
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            for line in process.stdout:
                said.append(line)
                if line.startswith("playground: "):
                    yield line.split()[1]
                    return
            pytest.fail("it did not start:\n" + "".join(said))
        finally:
            stop(process)


def stop(process: subprocess.Popen[str], seconds: float = STOP_SECONDS) -> None:
    """End a process and all that it started, and wait for it: politely first, then by force."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, sign)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=seconds)
            break
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # what it started and left behind


@pytest.fixture(scope="module")
def address(models):
    """The playground as a user starts it."""
    yield from started("scripts/playground.py", *map(str, models))


@pytest.fixture(scope="module")
def browser():
    with chromium() as running:
        yield running


def wait_until_gone(pid: int) -> None:
    """Raises ProcessLookupError as soon as there is no such process; returns where it stays."""
    for _ in range(200):
        os.kill(pid, 0)
        if "State:\tZ" in Path(f"/proc/{pid}/status").read_text(encoding="utf-8"):
            raise ProcessLookupError  # dead; whoever adopted it has not looked yet
        time.sleep(0.05)


class Visit:
    """A page, what it asked for, and what went wrong in it."""

    def __init__(self, browser, address, **options):
        self.page = browser.new_page(**({"viewport": {"width": 1300, "height": 1000}} | options))
        self.page.set_default_timeout(1000 * PATIENCE_SECONDS)
        self.requests, self.errors = [], []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("dialog", lambda dialog: self.errors.append(dialog.message))
        self.page.goto(address)
        self.page.get_by_role("button", name="Write").wait_for()

    def write(self):
        """Press the button and wait for an answer that was not there before."""
        before = self.page.locator("#answers").inner_html()
        self.page.get_by_role("button", name="Write").click()
        self.page.wait_for_function(
            "before => document.querySelector('#answers').innerHTML !== before "
            "&& document.querySelector('#answers p') !== null",
            arg=before,
        )

    def check(self, address):
        """Nothing ran that should not have, and nothing came from elsewhere."""
        assert self.errors == []
        assert self.page.evaluate("window.owned") is None
        outside = [u for u in self.requests if not u.startswith((address, "data:", "blob:"))]
        assert outside == []
        self.page.close()


@pytest.fixture
def visit(browser, address):
    one = Visit(browser, address)
    yield one
    one.check(address)


def test_two_models_side_by_side_with_tokens_and_contrast(visit, tmp_path):
    page = visit.page
    page.get_by_label("Prompt").fill('The <b>"museum"</b> & <script>window.owned = 6</script>')
    page.get_by_label("nontoxic", exact=True).check()
    page.get_by_label("pos", exact=True).check()
    page.get_by_label("number input for Contrast of sentiment (0: off)").fill("2")
    visit.write()
    expect(page.locator(".pg-model")).to_have_count(2)
    assert page.locator(".pg-model h3").all_inner_texts() == ["model", "plain"]
    expect(page.locator(".pg-model code").first).to_have_text("<|nontoxic|><|pos|>")
    given = page.locator(".pg-given span").all_inner_texts()
    assert set(given) == {'The <b>"museum"</b> & <script>window.owned = 6</script>'}
    expect(page.locator(".pg-text")).to_have_count(6)  # three samples of each
    notes = page.locator(".pg-model").nth(1).locator(".pg-note").all_inner_texts()
    assert "was not trained with the tokens of toxicity, sentiment" in notes
    tops = [box["y"] for box in (m.bounding_box() for m in page.locator(".pg-model").all())]
    assert tops[0] == tops[1]  # side by side
    page.screenshot(path=tmp_path / "playground.png", full_page=True)
    assert (tmp_path / "playground.png").stat().st_size > 10_000


def test_a_checkpoint_on_the_way_answers_beside_the_ends(visit):
    page = visit.page
    page.get_by_label("model", exact=True).uncheck()
    page.get_by_label("Checkpoints on the way").click()
    page.get_by_role("option", name="plain, step-000004").click()
    page.keyboard.press("Escape")
    visit.write()
    headings = page.locator(".pg-model h3").all_inner_texts()
    assert headings == ["plain", "plain, step-000004"]
    texts = [one.locator(".pg-text").all_inner_texts() for one in page.locator(".pg-model").all()]
    assert len(texts[0]) == len(texts[1]) == 3


def test_the_process_and_what_it_started_end_with_the_fixture():
    """A child that ignores the polite signal is not left behind."""
    script = (
        "import signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "print('playground:', child.pid, flush=True); time.sleep(600)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        child = int(process.stdout.readline().split()[1])
        stop(process, seconds=1)
    assert process.returncode == -signal.SIGKILL
    with pytest.raises(ProcessLookupError):
        wait_until_gone(child)


def test_errors_are_one_clear_line_and_no_traceback(visit):
    page = visit.page
    page.get_by_label("Prompt").fill("one two three " * 60)
    visit.write()
    for text in page.locator(".pg-error").all_inner_texts():
        assert "do not fit into the model's 128 positions" in text
        assert "Traceback" not in text
    expect(page.locator(".pg-error")).to_have_count(2)
    for name in ("model", "plain"):
        page.get_by_label(name, exact=True).uncheck()
    visit.write()
    expect(page.locator(".pg-problems")).to_have_text("no model is chosen; choose at least one")


def test_it_fits_a_phone(browser, address):
    one = Visit(browser, address, viewport={"width": 390, "height": 800})
    one.write()
    width = one.page.evaluate("document.documentElement.scrollWidth")
    assert width <= 390
    one.check(address)


@pytest.fixture(scope="module")
def hostile_address():
    yield from started("-m", "tests.e2e.hostile_playground")


@pytest.fixture
def hostile(browser, hostile_address):
    one = Visit(browser, hostile_address)
    one.write()
    yield one
    one.check(hostile_address)


def test_hostile_text_stays_text(hostile):
    page = hostile.page
    shown = page.locator("#answers").inner_text()
    for text in HOSTILE[:3]:
        assert text in shown
    page.locator("details").first.evaluate("element => element.open = true")
    raw = page.locator(".pg-raw").all_text_contents()
    assert [text.strip() for text in raw[: len(HOSTILE)]] == HOSTILE
    assert page.locator("#answers :is(img, script, svg, a, iframe)").count() == 0
    expect(page.locator(".pg-problems")).to_have_text(HOSTILE[3])


def test_offensive_text_is_blurred_until_it_is_clicked(hostile):
    page = hostile.page

    def is_blurred(place):
        return "blur" in place.evaluate("element => getComputedStyle(element).filter")

    sentences = page.locator(".pg-sentence .pg-words")
    first, last = sentences.first, sentences.last
    assert is_blurred(first)
    assert not is_blurred(last)  # "What a lovely day"
    first.click(force=True)
    assert not is_blurred(first)
    page.keyboard.press("Space")  # the same by keyboard
    assert is_blurred(first)
    page.get_by_label("toxicity", exact=True).nth(1).uncheck()
    expect(page.locator(".pg-veil")).to_have_count(0)


def test_the_colour_follows_the_choice(hostile):
    page = hostile.page
    box = page.locator(".pg-sentence > p:first-child").last
    by_toxicity = box.evaluate("element => getComputedStyle(element).backgroundColor")
    page.get_by_label("misalignment", exact=True).check()
    page.wait_for_function(
        "before => getComputedStyle([...document.querySelectorAll('.pg-sentence > p:first-child')]"
        ".at(-1)).backgroundColor !== before",
        arg=by_toxicity,
    )
