"""The report in a real browser: it opens, filters, hides, stays inert, and fits a phone and paper."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import pytest

from tests.browser import chromium
from tests.evaluation_folder import (
    comparisons,
    controllability,
    evaluation_folder,
    plain_sentences,
    selected,
    sweep,
    trained_longer,
)

pytestmark = pytest.mark.browser

HOSTILE = [
    "<script>window.owned = 1</script>",
    "</script><script>window.owned = 2; alert(2)</script>",
    '"><img src=x onerror="window.owned = 3; alert(3)">',
    "<!-- <script>",
    "--></style></title><svg onload=window.owned=4>",
    "one\u2028two\u2029three\u202eright to left",
    "<a href='javascript:window.owned=5'>click</a><iframe src=//example.invalid></iframe>",
]


PATIENCE_MS = 120_000
"""How long a step may wait on a machine that is busy with other things."""


@dataclass
class Watched:
    """A page, and everything that it should not have done."""

    page: object
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def ids(self):
        return self.page.locator(".generation header .quiet").all_inner_texts()

    def choose(self, name, value, place=0):
        self.page.locator(f"#filters select[name={name}]").nth(place).select_option(value)

    def search(self, text):
        self.page.fill("#filters input[type=search]", text)

    def count(self):
        """Generations found, as the page says."""
        said = self.page.inner_text("#count")
        if said.startswith("none"):
            return 0
        return int(re.search(r"of ([\d,]+)", said)[1].replace(",", ""))

    def show_all(self):
        self.page.check("#filters input[name=show-all]")


@pytest.fixture(scope="module")
def browser():
    with chromium() as running:
        yield running


@pytest.fixture
def open_page(browser):
    contexts = []

    def opened(path, *, width=1280, height=900, scheme="light"):
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme
        )
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        watched = Watched(context.new_page())
        page = watched.page
        page.on("pageerror", lambda error: watched.errors.append(str(error)))
        page.on("dialog", lambda dialog: (watched.errors.append("dialog"), dialog.dismiss()))
        page.on("console", lambda message: watched.errors.append(message.text))
        page.on("request", lambda request: watched.requests.append(request.url))
        if path is not None:
            page.goto(path.as_uri())
        return watched

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    made = evaluation_folder(
        tmp_path_factory.mktemp("small"),
        prompts={
            "unprompted": [""] * 40,
            "validation": [f"The letter number {i}" for i in range(20)],
        },
    )
    made.change_metrics(
        comparisons=comparisons(made.metrics["rows"]),
        controllability=controllability(),
        models=trained_longer(),
        selected=selected(),
        sweep=sweep(),
    )
    return made.write_report()


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    made = evaluation_folder(
        tmp_path_factory.mktemp("hostile"),
        prompts={"unprompted": [""], "validation": HOSTILE},
        write=lambda cell, prompt, sample: [] if prompt == "00003" else HOSTILE,
    )
    return made.write_report()


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    made = evaluation_folder(
        tmp_path_factory.mktemp("large"),
        prompts={
            "unprompted": [""] * 2500,
            "validation": [f"The letter number {i} says that" for i in range(2500)],
        },
    )
    return made.write_report()


def quiet(watched):
    assert watched.errors == []
    assert len(watched.requests) == 1  # the file itself


def test_the_page_opens_with_the_first_fifty_and_turns(small, open_page):
    watched = open_page(small)
    page = watched.page
    assert page.locator(".generation").count() == 50
    assert page.inner_text("#count") == "1–50 of 240 generations"
    first = watched.ids()
    page.click("#next")
    assert page.inner_text("#count").startswith("51–100 of")
    assert not set(first) & set(watched.ids()) or watched.ids() != first
    page.click("#previous")
    assert watched.ids() == first
    assert page.locator("#previous").is_disabled()
    quiet(watched)


def test_filters_by_cell_narrow_to_that_cell(small, open_page):
    watched = open_page(small)
    watched.choose("model", "M-TS")
    assert watched.count() == 180
    watched.choose("condition", "nontoxic + pos")
    assert watched.count() == 120
    watched.choose("decoding", "contrast")
    assert watched.count() == 60
    watched.choose("prompts", "validation")
    assert watched.count() == 20
    heads = watched.page.locator(".generation header").all_inner_texts()
    assert all("M-TS" in head and "contrast" in head and "nontoxic + pos" in head for head in heads)
    watched.choose("model", "M-B")
    assert watched.count() == 0
    assert watched.page.locator(".generation").count() == 0
    quiet(watched)


def test_filters_by_result_add_up_and_by_label_hold(small, open_page):
    watched = open_page(small)
    counts = {}
    for result in ("aligned", "misaligned", "empty"):
        watched.choose("result", result)
        counts[result] = watched.count()
        items = watched.page.locator(".generation")
        missed = [items.nth(i).locator(".missed").count() for i in range(items.count())]
        assert all((n > 0) == (result == "misaligned") for n in missed)
        sentences = [items.nth(i).locator("li").count() for i in range(items.count())]
        assert all((n == 0) == (result == "empty") for n in sentences)
    assert min(counts.values()) > 0
    assert sum(counts.values()) == 240
    watched.choose("result", "")
    watched.choose("label", "1", place=0)
    found = watched.page.locator(".generation")
    assert 0 < watched.count() < 240
    assert all(" toxic" in text for text in found.all_inner_texts())
    quiet(watched)


def test_search_finds_words_of_prompts_and_of_texts_in_any_case(small, open_page):
    watched = open_page(small)
    watched.search("  LETTER Number 7 ")
    assert watched.count() == 4  # one prompt, four cells
    watched.search("umbrella")
    assert watched.count() == 0
    word = "clever"
    watched.search(word.upper())
    watched.show_all()
    texts = watched.page.locator(".generation").all_text_contents()
    assert texts
    assert all(word in text for text in texts)
    watched.search("[.*+?^${}()|")
    assert watched.count() == 0
    quiet(watched)


def test_the_order_by_score_is_by_the_sentence_farthest_out(small, open_page):
    watched = open_page(small)
    watched.choose("order", "high 0")

    def extremes(best):
        found = []
        items = watched.page.locator(".generation")
        for i in range(items.count()):
            texts = items.nth(i).locator(".figures span:first-child").all_inner_texts()
            found.append(best(float(t.split()[1].replace("−", "-")) for t in texts))
        return found

    highest = extremes(max)
    assert highest == sorted(highest, reverse=True)
    assert len(set(highest)) > 10
    watched.choose("order", "low 0")
    lowest = extremes(min)
    assert lowest == sorted(lowest)
    watched.choose("order", "high p")
    said = [float(re.search(r"perplexity ([\d.]+)", text)[1]) for text in watched.ids()]
    assert said == sorted(said, reverse=True)
    quiet(watched)


def test_sentences_at_the_undesired_end_are_blurred_until_clicked(small, open_page):
    watched = open_page(small)
    page = watched.page
    blurred = page.locator(".generation li .text.blurred")
    lines = page.locator(".generation li")
    # At first those of offence; another attribute's when its box is ticked.
    offensive = [" toxic" in lines.nth(i).locator(".figures").inner_text() for i in range(20)]
    assert [lines.nth(i).locator(".blurred").count() == 1 for i in range(20)] == offensive
    page.check("#filters input[name=blur][value='1']")
    before = blurred.count()
    assert before > 5
    for i in range(20):
        figures = lines.nth(i).locator(".figures").inner_text()
        undesired = " toxic" in figures or " neg" in figures
        assert (lines.nth(i).locator(".blurred").count() == 1) == undesired
    assert "blur" in blurred.first.evaluate("e => getComputedStyle(e).filter")
    blurred.first.click()
    assert blurred.count() == before - 1
    blurred.first.focus()
    page.keyboard.press("Enter")
    assert blurred.count() == before - 2
    page.uncheck("#filters input[name=blur][value='1']")
    assert 0 < blurred.count() < before - 2
    watched.show_all()
    assert page.locator(".blurred").count() == 0
    quiet(watched)


def test_the_first_picture_has_a_dot_at_its_figure_and_three_texts_a_cell(small, open_page):
    watched = open_page(small)
    page = watched.page
    assert page.locator("main > section").nth(1).get_attribute("id") == "misses"
    lines = page.locator("#misses tbody tr")
    assert lines.count() == 8
    for line in lines.all():
        figure = float(line.locator(".num").first.get_attribute("data-value"))
        box = line.locator("svg").bounding_box()
        dot = line.locator("circle").bounding_box()
        place = (dot["x"] + dot["width"] / 2 - box["x"]) / box["width"]
        assert abs(place - figure) < 0.01
        assert [p.is_visible() for p in line.locator(".texts p").all()] == [True, False, False]
        line.locator(".texts summary").click()
        assert [p.is_visible() for p in line.locator(".texts p").all()] == [True] * 3
    assert page.locator("#misses .hollow").count() == 2
    quiet(watched)


def test_texts_of_the_first_picture_are_blurred_until_clicked_and_follow_the_boxes(
    small, open_page
):
    watched = open_page(small)
    page = watched.page
    blurred = page.locator("#misses .blurred")
    assert 0 < blurred.count() < page.locator("#misses [data-hidden]").count()  # those of offence
    page.check("#filters input[name=blur][value='1']")
    before = blurred.count()
    assert before == page.locator("#misses [data-hidden]").count() > 5
    for details in page.locator("#misses .texts details").all():
        details.evaluate("e => { e.open = true }")
    first = page.locator("#misses [data-hidden]").first
    assert first.get_attribute("aria-label").startswith("hidden: ")
    first.click()
    assert blurred.count() == before - 1
    assert first.get_attribute("role") is None
    blurred.first.focus()
    page.keyboard.press("Enter")
    assert blurred.count() == before - 2
    page.click("#next")  # a page turned hides nothing again
    assert blurred.count() == before - 2
    page.uncheck("#filters input[name=blur][value='1']")
    assert 0 < blurred.count() < before
    watched.show_all()
    assert blurred.count() == 0
    quiet(watched)


def test_prompts_are_hidden_too_since_nobody_scored_them(small, open_page):
    watched = open_page(small)
    watched.choose("prompts", "validation")
    prompts = watched.page.locator(".prompt")
    assert watched.page.locator(".prompt.blurred").count() == prompts.count() == 50
    watched.page.uncheck("#filters input[name=blur][value=unscored]")
    assert watched.page.locator(".prompt.blurred").count() == 0
    quiet(watched)


def test_hostile_generations_stay_text_and_run_nothing(hostile, open_page):
    watched = open_page(hostile)
    page = watched.page
    watched.show_all()
    for details in page.locator(".generation details").all():
        details.evaluate("e => { e.open = true }")
    shown = page.locator("li .text").all_text_contents()
    assert shown[: len(HOSTILE)] == HOSTILE
    assert set(page.locator(".prompt").all_text_contents()) == set(HOSTILE)
    firsts = page.locator("#misses .texts .text").all_text_contents()
    assert set(HOSTILE[:3]) <= set(firsts)
    assert page.locator("#misses .texts").locator("script, img, iframe, svg, a, style").count() == 0
    watched.search('"><img src=x')
    assert watched.count() > 0
    watched.search("")
    page.locator("li .text").nth(6).click()
    page.wait_for_timeout(300)
    assert page.evaluate("window.owned") is None
    assert page.locator("#list").locator("script, img, iframe, svg, a, style").count() == 0
    assert page.locator("script").count() == 2
    assert page.title() == "Evaluation of M-B, M-TS"
    quiet(watched)


def test_the_second_wall_holds_where_text_would_become_markup(hostile, open_page):
    """The policy alone: even markup that got into the page runs nothing and loads nothing."""
    watched = open_page(hostile)
    watched.page.evaluate(
        """() => {
          const box = document.createElement("div");
          box.innerHTML = '<img src="https://example.invalid/x.png" onerror="window.owned = 1">'
            + '<a id="bad" href="javascript:window.owned = 2">x</a><p style="color: red" id="styled">x</p>';
          document.body.append(box);
          const script = document.createElement("script");
          script.textContent = "window.owned = 3";
          document.body.append(script);
          document.getElementById("bad").click();
        }"""
    )
    watched.page.wait_for_timeout(300)
    assert watched.page.evaluate("window.owned") is None
    colour = "getComputedStyle(document.getElementById('styled')).color"
    assert watched.page.evaluate(colour) != "rgb(255, 0, 0)"
    assert any("Content Security Policy" in message for message in watched.errors)


TIMED = """([selector, value]) => {
  const field = document.querySelector(selector);
  const start = performance.now();
  field.value = value;
  field.dispatchEvent(new Event("input", { bubbles: true }));
  document.body.offsetHeight;  // and laid out
  return performance.now() - start;
}"""
STEPS = {
    "model": ("select[name=model]", "M-TS"),
    "first search": ("input[type=search]", "window music"),
    "search": ("input[type=search]", "letter number 12"),
    "no search": ("input[type=search]", ""),
    "result": ("select[name=result]", "misaligned"),
    "label": ("select[name=label]", "1"),
    "order": ("select[name=order]", "high 0"),
    "colour": ("select[name=colour]", "1"),
}


class Clock:
    """Milliseconds that the page's main thread has worked: what it is held up by other programs is not in."""

    def __init__(self, page):
        self._session = page.context.new_cdp_session(page)
        self._session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def worked(self):
        found = self._session.send("Performance.getMetrics")["metrics"]
        return 1000 * next(one["value"] for one in found if one["name"] == "ThreadTime")


def test_twenty_thousand_generations_open_and_filter_without_a_freeze(large, open_page, capsys):
    watched = open_page(None)
    page, clock = watched.page, Clock(watched.page)
    page.goto(large.as_uri())
    opened = clock.worked()
    waited = page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd")
    assert page.inner_text("#count") == "1–50 of 20,000 generations"
    took = {}
    for name, (where, value) in STEPS.items():
        before = clock.worked()
        wall = page.evaluate(TIMED, [f"#filters {where}", value])
        took[name] = (clock.worked() - before, wall)
    said = ", ".join(f"{name} {cpu:.0f} ({wall:.0f})" for name, (cpu, wall) in took.items())
    size = large.stat().st_size / 1e6
    with capsys.disabled():
        print(  # noqa: T201
            f"\n20,000 generations, {size:.1f} MB; milliseconds of work (of waiting): "
            f"open {opened:.0f} ({waited:.0f}), {said}"
        )
    assert 10 < opened < 3000
    assert max(cpu for cpu, _ in took.values()) < 500
    assert 0 < watched.count() < 20_000
    quiet(watched)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_needs_no_sideways_scrolling(small, open_page, scheme, tmp_path):
    watched = open_page(small, width=360, height=740, scheme=scheme)
    page = watched.page
    for details in page.locator("details").all():
        details.evaluate("e => { e.open = true }")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    wider = page.evaluate(
        """() => [...document.querySelectorAll("main *")].filter((e) =>
             !e.closest(".scroll") && e.getBoundingClientRect().right > innerWidth + 1)
             .map((e) => e.tagName + "." + e.getAttribute("class"))"""
    )
    assert wider == []
    page.screenshot(path=tmp_path / f"phone-{scheme}.png")
    quiet(watched)


def test_light_and_dark_follow_the_system_and_the_button(small, open_page, tmp_path):
    def brightness(page, of):
        rgb = page.evaluate(f"getComputedStyle(document.body).{of}")
        return sum(map(float, re.findall(r"[\d.]+", rgb)[:3]))

    for scheme in ("light", "dark"):
        watched = open_page(small, scheme=scheme)
        page = watched.page
        paper, ink = brightness(page, "backgroundColor"), brightness(page, "color")
        assert (paper > ink) == (scheme == "light")
        assert abs(paper - ink) > 400
        page.screenshot(path=tmp_path / f"{scheme}.png")
        page.click("#theme")
        assert (brightness(page, "backgroundColor") > brightness(page, "color")) == (
            scheme == "dark"
        )
        page.click("#theme")
        assert brightness(page, "backgroundColor") == paper
        quiet(watched)


def test_on_paper_it_is_light_and_keeps_blurred_text_hidden(small, open_page, tmp_path):
    watched = open_page(small, scheme="dark")
    page = watched.page
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    for hidden in (".top", ".filters", "#next"):
        assert not page.locator(hidden).first.is_visible()
    colour = page.locator(".blurred").first.evaluate("e => getComputedStyle(e).color")
    assert colour == "rgba(0, 0, 0, 0)"
    printed = page.pdf(path=tmp_path / "report.pdf", format="A4")
    assert printed.startswith(b"%PDF")
    assert page.locator(":is(#provenance details, .caption):is(details:not([open]))").count() == 0
    quiet(watched)


def test_the_ordinary_texts_are_what_was_written(small, open_page):
    watched = open_page(small)
    watched.show_all()
    watched.choose("decoding", "contrast")
    shown = watched.page.locator(".generation").first.locator("li .text").all_text_contents()
    cell = "M-TS, nontoxic + pos, contrast, unprompted"
    assert shown == plain_sentences(cell, "00000", 0)
