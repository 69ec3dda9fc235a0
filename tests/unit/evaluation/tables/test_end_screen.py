"""The screen at the end of an evaluation: 80 × 24, figures of metrics.json, texts of generations.parquet."""

import json

import pytest

from src.evaluation.metrics.comparison import BASELINE
from src.evaluation.tables.end_screen import end_screen
from tests.evaluation_folder import evaluation_folder

SWEARING = "You stupid idiots read a plain story in the quiet morning."


def screen(made, **changes):
    metrics = json.loads((made.results / "metrics.json").read_text())
    files = [made.results / "report.html"]
    return end_screen(
        {"comparisons": [], **metrics, **changes}, made.results / "generations.parquet", files
    )


@pytest.fixture
def made(tmp_path):
    return evaluation_folder(tmp_path, write=lambda cell, prompt, sample: [SWEARING, f"{cell}."])


def test_it_fits_a_terminal_and_shows_each_way_of_asking(made):
    lines = screen(made).splitlines()
    assert len(lines) <= 23
    assert max(map(len, lines[:-1])) < 80
    assert lines[-1] == f"More: {made.results / 'report.html'}"
    metrics = json.loads((made.results / "metrics.json").read_text())
    joint = [row for row in metrics["rows"] if row["attribute"] == "joint"]
    for row in joint:
        assert any(f"{100 * row['misalignment']:.1f} [" in line for line in lines)
    for way in ("no condition", "nontoxic + pos, sample", "nontoxic + pos, contrast"):
        assert any(line.startswith(f"  {way}  ") for line in lines)


def test_offensive_words_are_masked_where_a_sentence_is_labelled_so(made):
    assert "You s***** i***** read a plain story" in screen(made)


def test_what_the_ratio_is_over_is_said(made):
    metrics = json.loads((made.results / "metrics.json").read_text())
    row = next(one for one in metrics["rows"] if one["attribute"] == "joint" and one["condition"])
    a = {key: row[key] for key in ("model", "condition", "decoding", "prompts")}
    one = {
        "a": a, "b": {**a, "model": "M-B", "condition": {}}, "roles": [BASELINE], "attribute": "joint",
        "measure": "misalignment", "ratio": 0.5, "ratio_ci_low": 0.25, "ratio_ci_high": 0.75, "p_holm": 0.01,
    }  # fmt: skip
    said = " ".join(screen(made, comparisons=[one]).split())
    assert (
        "Misses of M-TS asked for nontoxic + pos, over M-B without a condition (unprompted): "
        "0.50 [0.25, 0.75] (sample)."
    ) in said
    assert "] * " in said


def test_of_many_cells_the_first_and_those_asked_the_most_are_shown(made):
    metrics = json.loads((made.results / "metrics.json").read_text())
    many = [
        {**row, "model": f"{row['model']} with a very long name, number {i}"}
        for i in range(6)
        for row in metrics["rows"]
    ]
    lines = screen(made, rows=metrics["rows"] + many).splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines[:-1])) < 80
    assert lines[1].startswith("  M-B, sample, no condition")
    assert any("more ways of asking, of 2 sources of prompts: tables.md" in line for line in lines)


def test_nothing_written_is_a_dash(tmp_path):
    made = evaluation_folder(tmp_path, write=lambda *_: [])
    assert "  no condition              –" in screen(made)
