import re

import pyarrow.parquet as pq
import pytest

from src.evaluation.report.forest import LENGTH, build_forests, cut_at, first_texts
from src.evaluation.report.score_axis import is_hidden
from src.evaluation.report.sources import cell_of
from tests.evaluation_folder import attributes, evaluation_folder

KNOWN = attributes()
LONG = "A sentence of many words that goes on and on without an end. " * 2
PROMPTS = {"validation": ["I must say that"] * 6, "unprompted": [""] * 4}


def write(cell, prompt, sample):
    return [] if prompt == "00000" and sample == 0 else [f"{prompt} {sample}.", LONG.strip(), LONG]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("forest")
    return evaluation_folder(folder, prompts=PROMPTS, write=write, samples=2)


@pytest.fixture(scope="module")
def table(made):
    return pq.read_table(made.results / "generations.parquet")


def test_a_line_per_cell_at_the_place_of_its_figures(made, table):
    forests = build_forests(made.metrics, table, KNOWN)
    assert [forest.title for forest in forests] == [
        "Unprompted, 4 samples",
        "Validation prompts, 6",
    ]
    rows = made.metrics["rows"]
    lines = [line for forest in forests for line in forest.lines]
    assert sorted(line.row for line in lines) == [
        i for i, row in enumerate(rows) if row["attribute"] == "joint"
    ]
    for line in lines:
        row = rows[line.row]
        assert line.figure.value.path == f"metrics:rows.{line.row}.misalignment"
        assert (line.dot, line.low, line.high) == pytest.approx(
            [100 * row[key] for key in ("misalignment", "ci_low", "ci_high")], abs=0.006
        )
    for forest in forests:
        assert [line.is_baseline for line in forest.lines] == [True, False, False, False]
        assert forest.baseline == forest.lines[0].dot


def test_a_cell_without_a_sentence_has_neither_dot_nor_texts(made, table):
    rows = made.metrics["rows"]
    nothing = dict.fromkeys(("misalignment", "ci_low", "ci_high"))
    metrics = made.metrics | {"rows": [{**row, **nothing} for row in rows]}
    for forest in build_forests(metrics, table.slice(0, 0), KNOWN):
        assert forest.baseline is None
        assert {(line.dot, line.figure.text, line.texts) for line in forest.lines} == {
            (None, "–", ())
        }


def test_three_texts_of_each_cell_are_those_of_the_first_prompts_with_a_sentence(table):
    found = first_texts(table, KNOWN)
    assert set(found) == {cell_of(row) for row in table.to_pylist()}
    for texts in found.values():
        starts = [text.sentences[0].text for text in texts]
        assert starts == ["00001 0.", "00002 0.", "00003 0."]
        for text in texts:
            shown = " ".join(one.text for one in text.sentences)
            assert text.cut
            assert LENGTH - 10 < len(shown) <= LENGTH
            assert f"{starts[0][5:]} {LONG.strip()} {LONG}".find(shown[5:]) == 0
            assert shown.split()[-1] in LONG.split()


def test_what_a_sentence_misses_and_what_it_is_blurred_for(table):
    rows = {
        (cell_of(row), row["sentences"][0]): row for row in table.to_pylist() if row["sentences"]
    }
    seen = set()
    for cell, texts in first_texts(table, KNOWN).items():
        for text in texts:
            labels = rows[cell, text.sentences[0].text]["labels"]
            for one, own in zip(text.sentences, labels, strict=False):
                wrong = [label for label in own.values() if label not in ("nontoxic", "pos")]
                assert one.missed == one.hidden == ", ".join(wrong)
                hidden = [str(i) for i, a in enumerate(KNOWN) if is_hidden(KNOWN[a], own[a])]
                assert one.boxes == " ".join(hidden)
                assert one.veiled == (own["toxicity"] == "toxic")  # offence, at first
                seen.add(one.boxes)
    assert seen == {"", "0", "1", "0 1"}


def test_a_text_is_cut_before_a_space_or_where_it_must():
    assert cut_at("one two", 7) == 7
    assert cut_at("one two three", 7) == 7
    assert cut_at("one two three", 6) == 3
    assert cut_at("x" * 20, 7) == 7
    assert cut_at(" " + "x" * 20, 7) == 7


def test_the_page_opens_with_every_line_and_says_nothing_twice(made):
    text = made.write_report().read_text(encoding="utf-8")
    assert text.index('id="summary"') < text.index('id="misses"') < text.index('id="results"')
    section, rest = text.split('id="misses"')[1].split("</section>", 1)
    results = rest.split("</section>")[0].split("<details>")[0]
    for i, row in enumerate(made.metrics["rows"]):
        for key in ("misalignment", "ci_low", "ci_high"):
            place = f'data-path="metrics:rows.{i}.{key}"'
            assert section.count(place) == (row["attribute"] == "joint")
            assert row["attribute"] != "joint" or place not in results
    assert section.count("<tr>") == 8 + 2
    assert section.count('class="hollow"') == 2
    assert len(re.findall(r"00001 0\.|00002 0\.|00003 0\.", section)) == 3 * 8
