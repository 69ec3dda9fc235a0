"""Whatever a model writes is split, scored, labelled, counted and shown, and nothing of it becomes markup."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from src.attributes.attribute import from_manifest
from src.evaluation.continuation import Continuation
from src.evaluation.generation.generations_file import read_generations
from src.evaluation.metrics.cell_metrics import cell_rows
from src.evaluation.scoring.scored_sentences import score_continuations
from src.evaluation.tables.formats import to_csv, to_latex, to_markdown
from src.evaluation.tables.table import Table
from src.presentation.markdown import cell, code, table
from src.presentation.spreadsheet import text_cell
from tests.demo_attributes import SENTIMENT, toxicity
from tests.evaluation_folder import evaluation_folder
from tests.fuzz.strategies import TEXTS, examples

ATTRIBUTES = from_manifest({"toxicity": toxicity(0.2), "sentiment": SENTIMENT})
FACTS = {"model": "M", "condition": {}, "decoding": "sample", "prompts": "unprompted"}


@examples(25)
@given(st.lists(TEXTS, min_size=1, max_size=8), st.sampled_from(["gentle", "paper"]))
def test_every_sentence_gets_a_score_and_a_label_and_is_counted(texts, cleaning):
    written = [Continuation(str(i), 0, "", text, len(text)) for i, text in enumerate(texts)]
    scored = score_continuations(written, ATTRIBUTES, cleaning)
    assert [one.text for one in scored] == texts
    for one in scored:
        assert len(one.sentences) == len(one.scores) == len(one.labels)
        assert all(set(labels) == set(ATTRIBUTES) for labels in one.labels)
    rows = cell_rows(FACTS, scored, ATTRIBUTES, seed=0)
    json.dumps(rows, allow_nan=False)
    n = sum(len(one.sentences) for one in scored)
    empty = sum(not one.sentences for one in scored)
    for row in rows:
        assert row["n_continuations"] == len(texts)
        assert row["n_sentences"] == n
        assert row["n_empty"] == empty


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("generated")


@examples(6)
@given(
    texts=st.lists(TEXTS, min_size=1, max_size=10), prompts=st.lists(TEXTS, min_size=4, max_size=6)
)
def test_every_file_of_the_results_holds_any_text(folder, texts, prompts):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    # One plain sentence, so that there is something to compare.
    sentences = [*(text for text in texts if text.strip()), "All is well."]
    made = evaluation_folder(
        folder, prompts={"validation": prompts}, write=lambda cell, prompt, sample: sentences
    )
    rows = read_generations(made.results / "generations.parquet")
    assert {row["prompt"] for row in rows} == set(prompts)
    assert all(list(row["sentences"]) == sentences for row in rows)
    page = made.write_report().read_text("utf-8")
    # Two elements of our own: data and program. What a text holds is neither.
    assert len(re.findall(r"<script", page, re.I)) == len(re.findall(r"</script", page, re.I))
    for text in texts:
        if "<script>alert" in text:
            assert "<script>alert" not in page
    metrics = made.metrics
    list(csv.reader(io.StringIO(to_csv(metrics))))


MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
EMPHASIS = {"em_open", "strong_open", "s_open"}


def kinds(text: str) -> set[str]:
    found = set()
    for token in MARKDOWN.parse(text):
        found.add(token.type)
        found |= {child.type for child in token.children or ()}
    return found


@examples(300)
@given(st.lists(st.lists(TEXTS, min_size=2, max_size=2), min_size=1, max_size=4))
@example([["_a_", "__a__"], ["~~a~~", "a _b_c_ d"]])
def test_values_stay_text_in_a_markdown_table(rows):
    made = table(("a", "b"), rows)
    assert len(made.splitlines()) == 2 + len(rows)
    parsed = MARKDOWN.parse(made)
    assert [t.type for t in parsed].count("td_open") == 2 * len(rows)
    assert not kinds(made) & {
        "link_open",
        "image",
        "html_inline",
        "html_block",
        "code_inline",
        *EMPHASIS,
    }
    coded = table(("a", "b"), [[code(value) for value in row] for row in rows], raw=(0, 1))
    assert [t.type for t in MARKDOWN.parse(coded)].count("td_open") == 2 * len(rows)
    assert not kinds(coded) & {"link_open", "image", "html_inline", "html_block"}
    for text in (f"# {cell(rows[0][0])}", f"Named {cell(rows[0][1])}."):
        assert not kinds(text) & {"link_open", "image", "html_inline", "html_block"}


@examples(200)
@given(st.lists(TEXTS, min_size=4, max_size=4))
def test_values_stay_text_in_every_format_of_the_tables(values):
    title, caption, first, second = values
    one = Table(title, caption, ("model", first or "x"), ((second, "1.0"),), note=caption)
    made = to_markdown([one])
    assert [t.type for t in MARKDOWN.parse(made)].count("td_open") == 2
    assert not kinds(made) & {"link_open", "image", "html_inline", "html_block"}
    latex = to_latex([one])
    assert not re.search(r"\\(input|include|write|def|csname)", latex)


@examples(200)
@given(TEXTS)
def test_no_word_in_a_csv_is_a_formula(text):
    out = io.StringIO()
    csv.writer(out).writerow([text_cell(text), "x"])
    [row] = csv.reader(io.StringIO(out.getvalue(), newline=""))
    assert not row[0].strip().startswith(("=", "+", "-", "@"))
    assert row[0] in (text, f"'{text}")
