import re
from html.parser import HTMLParser

import pytest

from src.evaluation.continuation import Continuation
from src.evaluation.playground.exchange import Answer, Question
from src.evaluation.playground.highlighting import (
    MISALIGNMENT,
    answers_html,
    edge_distance,
    farthest_from_edges,
    is_veiled,
    message_html,
    style_sheet,
    tint,
)
from tests.demo_attributes import BOTH
from tests.unit.evaluation.conftest import make_attributes

HOSTILE = (
    "<script>window.hit = 1</script>",
    '"><img src=x onerror="window.hit = 1">',
    "</span></p></section><h1>out</h1>",
    "<!-- ${alert(1)} {{ 7 * 7 }} -->",
    "' onmouseover='window.hit = 1",
)
ALLOWED_TAGS = {
    "div", "p", "span", "section", "h3", "article", "code", "i", "b", "em", "details", "summary",
    "label", "input",
}  # fmt: skip
ALLOWED_KEYS = {"class", "style", "title", "type", "aria-label", "role"}


class Page(HTMLParser):
    """Tags, attributes and text of a page, as a browser finds them."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.keys, self.titles, self.text, self.open = set(), set(), [], "", []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.keys |= {key for key, _ in attrs}
        self.titles += [value for key, value in attrs if key == "title"]
        if tag != "input":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def written(sentences, *, sample=0):
    """A continuation of (text, toxicity, sentiment)."""
    attributes = make_attributes()
    scores = tuple({"toxicity": tox, "sentiment": sen} for _, tox, sen in sentences)
    return Continuation(
        "playground",
        sample,
        "",
        " ".join(text for text, _, _ in sentences),
        9,
        sentences=tuple(text for text, _, _ in sentences),
        scores=scores,
        labels=tuple({a: attributes[a].label_of(s) for a, s in one.items()} for one in scores),
    )


def answer(*continuations, model="M-TS", asked=BOTH, **changes):
    targets = {"toxicity": "nontoxic", "sentiment": "pos"} | asked
    content = {"tokens": "".join(f"<|{label}|>" for label in asked.values())} | changes
    return Answer(
        model, make_attributes(), targets, frozenset(asked), continuations=continuations, **content
    )


def page_of(*answers, question=None, colour_by="toxicity", veil=("toxicity",)):
    html = answers_html(
        question or Question(condition=BOTH),
        answers,
        colour_by=colour_by,
        veil=veil,
    )
    page = Page(html)
    assert page.open == []
    return html, page


GOOD, RUDE, SAD = ("A lovely day.", 0.01, 0.5), ("You fool.", 0.8, -0.4), ("A sad day.", 0.02, -0.2)


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("veil", [(), ("toxicity",)])
def test_hostile_text_stays_text_wherever_it_stands(text, veil):
    one = answer(
        written([(text, 0.9, -0.5), GOOD]), model=text, tokens=text, notes=(text,), error=text
    )
    question = Question(prompt=text, condition=BOTH)
    _, page = page_of(one, question=question, veil=veil)
    assert page.tags <= ALLOWED_TAGS
    assert page.keys <= ALLOWED_KEYS
    # prompt, sentence, raw text, model, tokens, note, error
    assert page.text.count(text) == 7


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_in_a_message_stays_text(text):
    page = Page(message_html([text, "second"]))
    assert page.tags == {"div", "p"}
    assert text in page.text


def test_every_score_and_label_stands_in_the_text_and_in_the_tooltip():
    _, page = page_of(answer(written([GOOD, SAD])))
    assert page.titles == [
        "toxicity 0.010: nontoxic; sentiment 0.500: pos",
        "toxicity 0.020: nontoxic; sentiment -0.200: neg, asked for: pos",
    ]
    text = " ".join(page.text.split())
    assert "toxicity 0.010 nontoxic sentiment 0.500 pos" in text
    assert "sentiment -0.200 neg ✗ asked for: pos" in text


def test_misaligned_sentences_are_marked_and_counted():
    html, page = page_of(answer(written([GOOD, SAD, RUDE])))
    assert html.count("pg-sentence pg-missed") == 2
    assert "2 of 3 sentences misaligned (toxicity 1, sentiment 2)" in page.text


def test_what_was_not_asked_for_is_measured_against_the_desired_label():
    _, page = page_of(answer(written([SAD]), asked={}), question=Question())
    assert "✗ desired: pos" in page.text
    assert "1 of 1 sentence misaligned" in page.text


def test_an_empty_continuation_is_said_and_never_aligned():
    _, page = page_of(answer(written([])))
    assert "no sentence was written" in page.text
    assert "0 of 0 sentences misaligned" in page.text


def test_offensive_sentences_and_their_raw_text_are_veiled_until_the_switch():
    html, _ = page_of(answer(written([GOOD, RUDE]), written([SAD], sample=1)))
    assert html.count('class="pg-veil"') == 2  # the sentence, and the raw text that holds it
    veiled = re.findall(r'pg-veil".*?<span class="pg-words">(.*?)</span>', html, re.DOTALL)
    assert veiled == ["You fool.", "A lovely day. You fool."]
    shown, _ = page_of(answer(written([GOOD, RUDE])), veil=())
    assert 'class="pg-veil"' not in shown


def test_the_undesired_end_of_the_attributes_chosen_is_veiled():
    attributes = make_attributes()
    rude, sad = (
        {"toxicity": "toxic", "sentiment": "pos"},
        {"toxicity": "nontoxic", "sentiment": "neg"},
    )
    assert [is_veiled(x, attributes, ["toxicity"]) for x in (rude, sad)] == [True, False]
    assert [is_veiled(x, attributes, ["sentiment"]) for x in (rude, sad)] == [False, True]
    assert not is_veiled(rude, attributes, [])


def test_text_that_no_scorer_has_seen_is_veiled_too():
    unseen = Continuation("playground", 0, "", "!!!", 3)
    html, _ = page_of(answer(unseen))
    assert html.count('class="pg-veil"') == 1
    html, _ = page_of(answer(unseen), veil=())
    assert 'class="pg-veil"' not in html


@pytest.mark.parametrize(
    "colour_by, first, second",
    [
        ("toxicity", "rgba(31, 119, 180, 0.55)", "rgba(224, 108, 16, 0.55)"),
        ("sentiment", "rgba(31, 119, 180, 0.55)", "rgba(224, 108, 16, 0.55)"),
        (MISALIGNMENT, "rgba(31, 119, 180, 0.34)", "rgba(224, 108, 16, 0.34)"),
    ],
)
def test_the_background_follows_what_is_chosen(colour_by, first, second):
    html, _ = page_of(answer(written([GOOD, RUDE])), colour_by=colour_by)
    assert re.findall(r'<p style="background-color: (.*?)"', html) == [first, second]


def test_a_tint_grows_with_the_distance_from_the_edge_over_all_models():
    near, far = ("Near.", 0.25, 0.5), ("Far.", 0.6, 0.5)
    answers = [answer(written([near])), answer(written([far]), model="M-B")]
    farthest = farthest_from_edges(answers)
    assert farthest[("toxicity", "toxic")] == pytest.approx(0.4)
    html, _ = page_of(*answers)
    opacities = [float(x) for x in re.findall(r'<p style="background-color: .*?([\d.]+)\)"', html)]
    assert opacities == [pytest.approx(0.12 + 0.43 * 0.05 / 0.4, abs=0.005), 0.55]


def test_a_score_on_the_edge_and_a_label_in_the_middle():
    three = {
        "scorer": {"name": "vader"}, "labels": ["neg", "neutral", "pos"], "edges": [-0.1, 0.1],
        "desired": "pos",
    }  # fmt: skip
    sentiment = make_attributes(sentiment=three)["sentiment"]
    assert edge_distance(sentiment, 0.1) == 0.0
    assert edge_distance(sentiment, -0.3) == pytest.approx(0.2)
    assert tint(sentiment, "pos", 1) == "rgba(31, 119, 180, 0.55)"
    assert tint(sentiment, "neutral", 0) == "rgba(128, 114, 98, 0.12)"
    assert tint(sentiment, "neg", 1) == "rgba(224, 108, 16, 0.55)"
    html, _ = page_of(
        answer(written([("Edge.", 0.2, 0.5)]))
    )  # the only score of its label, at the edge
    assert '<p style="background-color: rgba(31, 119, 180, 0.12)"' in html


def test_models_that_know_other_attributes_stand_side_by_side():
    other = Answer("M-B", error="a condition asks for an attribute that the data set does not have")
    html, page = page_of(answer(written([GOOD])), other)
    assert html.count("<section") == 2
    assert "does not have" in page.text


@pytest.mark.parametrize(
    "placement, order",
    [
        ("after_prompt", ["The film", "<|nontoxic|><|pos|>"]),
        ("before_prompt", ["<|nontoxic|><|pos|>", "The film"]),
    ],
)
def test_prompt_and_tokens_are_shown_in_the_order_given(placement, order):
    question = Question(prompt="The film", condition=BOTH, placement=placement)
    _, page = page_of(answer(written([GOOD])), question=question)
    assert sorted(order, key=page.text.index) == order


def test_the_style_sheet_asks_for_nothing_and_covers_the_classes():
    css = style_sheet()
    assert "url(" not in css
    assert "@import" not in css
    html, _ = page_of(answer(written([GOOD, RUDE]), error="x", notes=("y",)))
    used = {name for found in re.findall(r'class="(.*?)"', html) for name in found.split()}
    assert {name for name in used if f".{name}" not in css} == set()
