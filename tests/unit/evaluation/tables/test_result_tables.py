import csv
import io
import itertools

import pytest

from src.evaluation.tables.formats import to_csv, to_latex, to_markdown
from src.evaluation.tables.result_tables import build_tables
from src.evaluation.tables.sweep_tables import sweep_tables
from src.evaluation.tables.table import Table
from tests.evaluation_folder import selected, sweep

ATTRIBUTES = {"toxicity": {"desired": "nontoxic"}, "sentiment": {"desired": "pos"}}
BOTH = {"toxicity": "nontoxic", "sentiment": "pos"}


def rows(model, condition, shares, decoding="sample", prompts="validation", **changes):
    """One row per attribute and joint."""
    return [
        {
            "model": model,
            "condition": condition,
            "decoding": decoding,
            "prompts": prompts,
            "attribute": attribute,
            "n_prompts": 400,
            "n_trainings": 1,
            "n_continuations": 400,
            "n_sentences": 700,
            "n_empty": 3,
            "misalignment": share,
            "ci_low": share - 0.03,
            "ci_high": share + 0.03,
            "aligned": 0.75 * (1 - share),
            "neither": 0.25 * (1 - share),
            "contradiction": share,
            "contradiction_ci_low": share - 0.02,
            "contradiction_ci_high": share + 0.02,
            "perplexity": 98.76,
            "perplexity_ci_low": 90.04,
            "perplexity_ci_high": 108.2,
            "mean_words": 31.4,
            "distinct_2": 0.875,
            "distinct_2_ci_low": 0.85,
            "distinct_2_ci_high": 0.9,
            "self_bleu": 0.12,
            "k": 1,
            "expected_max": None if attribute == "joint" else 0.5,
            "probability": 0.25,
        }
        | changes
        for attribute, share in zip((*ATTRIBUTES, "joint"), shares, strict=True)
    ]


def paper():
    """The rows of the paper's three tables (its tables 2, 4 and 5)."""
    return {
        "attributes": ATTRIBUTES,
        "rows": [
            *rows("M-B", {}, (0.345, 0.561, 0.673)),
            *rows("M-B", {"toxicity": "nontoxic"}, (0.322, 0.5, 0.6)),
            *rows("M-B", {"sentiment": "pos"}, (0.3, 0.546, 0.6)),
            *rows("M-B", BOTH, (0.3, 0.5, 0.683)),
            *rows("M-T", {}, (0.261, 0.5, 0.643)),
            *rows("M-T", {"toxicity": "nontoxic"}, (0.235, 0.5, 0.664)),
            *rows("M-TS", {}, (0.374, 0.564, 0.712)),
            *rows("M-TS", BOTH, (0.26, 0.419, 0.524)),
        ],
    }


def test_the_papers_table_2():
    table = build_tables(paper())[0]
    assert table.title == "Misalignment, toxicity (validation prompts, 400)"
    assert table.header == ("model", "no condition", "nontoxic", "nontoxic + pos")
    assert table.rows == (
        ("M-B", "34.5 [31.5, 37.5]", "32.2 [29.2, 35.2]", "30.0 [27.0, 33.0]"),
        ("M-T", "26.1 [23.1, 29.1]", "23.5 [20.5, 26.5]", ""),
        ("M-TS", "37.4 [34.4, 40.4]", "", "26.0 [23.0, 29.0]"),
    )


def test_the_papers_tables_4_and_5():
    _, sentiment, joint, text, _ = build_tables(paper())
    assert sentiment.header == ("model", "no condition", "pos", "nontoxic + pos")
    assert sentiment.rows[0][1:3] == ("56.1 [53.1, 59.1]", "54.6 [51.6, 57.6]")
    assert joint.header == ("model", "no condition", "nontoxic", "pos", "nontoxic + pos")
    assert joint.rows[2][4] == "52.4 [49.4, 55.4]"
    assert text.rows[0] == (
        "M-B",
        "no condition",
        "98.8 [90.0, 108.2]",
        "0.88 [0.85, 0.90]",
        "31.4",
        "0.12",
        "700",
        "3 of 400",
    )
    assert len(text.rows) == 8


def test_decodings_are_lines_and_prompts_are_tables_of_their_own():
    metrics = {
        "attributes": ATTRIBUTES,
        "rows": [
            *rows("M-TS", BOTH, (0.2, 0.3, 0.4)),
            *rows("M-TS", BOTH, (0.1, 0.1, 0.1), decoding="contrast"),
            *rows("M-TS", BOTH, (0.2, 0.3, 0.4), prompts="unprompted"),
        ],
    }
    tables = build_tables(metrics)
    assert [line[0] for line in tables[0].rows] == ["M-TS, sample", "M-TS, contrast"]
    assert len(tables) == 10
    assert tables[5].title == "Misalignment, toxicity (unprompted, 400 samples)"
    assert [line[0] for line in tables[5].rows] == ["M-TS"]


def test_one_attribute_has_no_joint_table():
    metrics = {
        "attributes": {"toxicity": {"desired": "nontoxic"}},
        "rows": [row for row in rows("M", {}, (0.2, 0.3, 0.2)) if row["attribute"] != "sentiment"],
    }
    assert [table.title.split(" (")[0] for table in build_tables(metrics)] == [
        "Misalignment, toxicity",
        "Text",
        "Worst of 1",
    ]


def test_no_sentence_is_a_dash_and_never_zero():
    nothing = dict.fromkeys(
        (
            "misalignment",
            "ci_low",
            "ci_high",
            "perplexity",
            "perplexity_ci_low",
            "perplexity_ci_high",
        )
    )
    metrics = {"attributes": ATTRIBUTES, "rows": rows("M", {}, (1, 1, 1), **nothing)}
    tables = build_tables(metrics)
    assert tables[0].rows == (("M", "–"),)
    assert tables[3].rows[0][2] == "–"


def test_markdown_has_as_many_cells_in_every_line():
    document = to_markdown(build_tables(paper()))
    for block in document.split("\n\n"):
        lines = [line for line in block.splitlines() if line.startswith("|")]
        assert len({line.count("|") for line in lines}) <= 1
    assert "| M-T | 26.1 [23.1, 29.1] | 23.5 [20.5, 26.5] |  |" in document
    assert document.count("## ") == 5


def test_the_csv_holds_every_figure():
    lines = list(csv.DictReader(io.StringIO(to_csv(paper()))))
    assert len(lines) == 3 * 3
    joint = next(x for x in lines if (x["model"], x["attribute"]) == ("M-TS", "joint"))
    assert float(joint["nontoxic + pos: misalignment"]) == 0.524
    assert float(joint["nontoxic + pos: ci_low"]) == pytest.approx(0.494)
    assert joint["nontoxic: misalignment"] == ""
    assert joint["nontoxic + pos: self_bleu"] == "0.12"
    assert joint["nontoxic + pos: p_holm baseline"] == ""


def comparison(
    model, condition, attribute, p_holm, *roles, detectable=0.08, measure="misalignment"
):
    def cell(name, asked):
        return {"model": name, "condition": asked, "decoding": "sample", "prompts": "validation"}

    return {
        "a": cell(model, condition),
        "b": cell("M-B" if "baseline" in roles else model, {}),
        "roles": list(roles),
        "attribute": attribute,
        "measure": measure,
        "p_holm": p_holm,
        "ratio": 0.781,
        "ratio_ci_low": 0.7,
        "ratio_ci_high": 0.88,
        "minimum_detectable_difference": detectable,
        "perplexity_ratio": 1.234,
        "perplexity_ratio_ci_low": 1.1,
        "perplexity_ratio_ci_high": 1.4,
        "distinct_2_ratio": 0.96,
        "distinct_2_ratio_ci_low": 0.9,
        "distinct_2_ratio_ci_high": 1.02,
    }


def compared():
    own = "own unconditioned"
    return paper() | {
        "comparisons": [
            comparison("M-T", {}, "joint", 0.3, "baseline"),
            comparison("M-TS", {}, "joint", 0.06, "baseline"),
            comparison("M-TS", BOTH, "joint", 0.001, "baseline", detectable=0.102),
            comparison("M-TS", BOTH, "joint", 0.0499, own),
            comparison("M-TS", BOTH, "sentiment", 0.001, own),
            comparison("M-TS", BOTH, "toxicity", None, "baseline", detectable=None),
            comparison("M-B", BOTH, "joint", 0.01, "baseline", own),
        ]
    }


def test_marks_stand_where_a_figure_differs_after_holm():
    toxicity, sentiment, joint, *_ = build_tables(compared())
    assert joint.rows[2] == ("M-TS", "71.2 [68.2, 74.2]", "", "", "52.4 [49.4, 55.4] *†")
    assert joint.rows[0][4] == "68.3 [65.3, 71.3] *†"
    assert sentiment.rows[2][3] == "41.9 [38.9, 44.9] †"
    assert not any("*" in text for line in toxicity.rows for text in line)


def test_the_legend_tells_of_the_marks_that_a_table_can_have():
    toxicity, sentiment, joint, text, _ = build_tables(compared())
    assert (
        "*: differs from M-B without a condition; †: differs from the same model" in joint.caption
    )
    assert "both measured against what the marked one was asked for" in joint.caption
    assert joint.note == (
        "Smallest detectable difference of one comparison (80 % power): 8 to 10 points."
    )
    assert "*:" not in sentiment.caption
    assert "†:" in sentiment.caption
    assert sentiment.note.startswith(
        "Smallest detectable difference of one comparison (80 % power): 8 points"
    )
    assert toxicity.note == ""
    assert text.note == ""
    assert "*:" not in build_tables(paper())[0].caption


def test_the_ratio_of_perplexities_stands_where_a_cell_is_compared_with_the_first():
    text = build_tables(compared())[3]
    assert text.header[2:7] == (
        "misaligned × first", "perplexity", "× first", "distinct-2", "× first",
    )  # fmt: skip
    ratios = {line[:2]: line[2:7] for line in text.rows}
    assert ratios["M-TS", "nontoxic + pos"] == (
        "0.78 [0.70, 0.88]", "98.8 [90.0, 108.2]", "1.23 [1.10, 1.40]", "0.88 [0.85, 0.90]",
        "0.96 [0.90, 1.02]",
    )  # fmt: skip
    assert ratios["M-B", "no condition"][0] == ratios["M-B", "no condition"][2] == ""
    assert "× first" not in build_tables(paper())[3].header


def test_what_is_neither_aligned_nor_contradicting_has_a_table_of_its_own():
    metrics = compared()
    contradictions = [
        comparison("M-TS", {}, "sentiment", 0.5, "baseline", measure="contradiction"),
        comparison("M-TS", BOTH, "sentiment", 0.01, "baseline", measure="contradiction"),
        comparison("M-TS", BOTH, "sentiment", 0.02, "own sampling", measure="contradiction"),
    ]
    tables = build_tables(metrics | {"comparisons": metrics["comparisons"] + contradictions})
    assert len(tables) == len(build_tables(metrics)) + 1
    table = tables[3]
    assert table.title == "Aligned, neither, contradicting (validation prompts, 400)"
    lines = {line[:2]: line[2:] for line in table.rows}
    assert lines["M-TS", "nontoxic + pos (sentiment)"] == (
        "43.6", "14.5", "41.9 [39.9, 43.9] *‡", "0.78 [0.70, 0.88]",
    )  # fmt: skip
    assert lines["M-B", "no condition (sentiment)"][3] == ""
    # The marks of the other tables are those of misalignment.
    assert tables[:3] == build_tables(metrics)[:3]


def test_the_caption_says_whom_the_figures_speak_of():
    def caption(*trainings):
        given = paper()
        for row, n in zip(given["rows"], itertools.cycle(trainings)):
            row["n_trainings"] = n
        return build_tables(given)[2].caption

    assert "Of these checkpoints: another training may" in caption(1)
    assert "Over 5 trainings a model." in caption(5)
    assert "Over 3 to 5 trainings a model." in caption(3, 5)
    assert "where it is one, figures and comparisons are of that checkpoint" in caption(1, 5)
    assert "the primary one" in caption(1)


def test_marks_in_every_format():
    document = to_markdown(build_tables(compared()))
    assert "52.4 [49.4, 55.4] \\*† |" in document
    assert "| M-T | 26.1 [23.1, 29.1] | 23.5 [20.5, 26.5] |  |" in document
    assert (
        "\nSmallest detectable difference of one comparison (80 % power): 8 to 10 points"
        in document
    )
    lines = list(csv.DictReader(io.StringIO(to_csv(compared()))))
    joint = next(x for x in lines if (x["model"], x["attribute"]) == ("M-TS", "joint"))
    assert joint["nontoxic + pos: p_holm baseline"] == "0.001"
    assert joint["nontoxic + pos: p_holm own unconditioned"] == "0.0499"
    assert joint["no condition: p_holm baseline"] == "0.06"


def test_worst_of_k_per_attribute():
    table = build_tables(paper())[4]
    assert table.title == "Worst of 1 (validation prompts, 400)"
    assert table.header == (
        "model", "asked", "toxicity: worst", "sentiment: worst", "toxicity: past edge",
        "sentiment: past edge", "joint: past edge",
    )  # fmt: skip
    assert table.rows[0] == ("M-B", "no condition", "0.500", "0.500", "25.0", "25.0", "25.0")


def test_latex_is_escaped_and_whole():
    hostile = r"50 % & $x_1$ #2 {y} ~ ^ \ <|toxic|> [a] – †"
    table = Table("Title_1", "Caption: 5 %.", ("model", hostile), (("M&B", hostile), ("M_T", "")))
    document = to_latex([table, *build_tables(compared())])
    assert document.startswith("% ")
    assert document.count(r"\begin{table}") == document.count(r"\end{table}") == 6
    assert document.count(r"\toprule") == document.count(r"\bottomrule") == 6
    assert (
        r"50 \% \& \$x\_1\$ \#2 \{y\} \textasciitilde{} \textasciicircum{} \textbackslash{} "
        r"\textless{}\textbar{}toxic\textbar{}\textgreater{} {[}a{]} -- \textsuperscript{\textdagger}"
    ) in document
    assert r"\caption{Title\_1. Caption: 5 \%.}" in document
    assert r"52.4 {[}49.4, 55.4{]} \textsuperscript{*}\textsuperscript{\textdagger} \\" in document
    body = document.split(r"\midrule")[1].split(r"\bottomrule")[0]
    assert [line.count(" & ") for line in body.strip().splitlines()] == [1, 1]
    for line in document.splitlines()[1:]:
        assert line.count("{") == line.count("}") or "{%" in line or line.endswith("tabular}}")


def test_what_was_tried_is_a_table():
    checkpoints, by_loss, tried = sweep_tables({"sweep": sweep(), "selected": selected()})
    assert checkpoints.rows == (
        ("step-000004", "0.562 [0.438, 0.662]", "within error"),
        ("final", "0.438 [0.312, 0.537]", "chosen"),
    )
    assert by_loss.title == "Checkpoints of M-B, chosen by lowest_loss"
    assert by_loss.rows == (("final", "2.125", "chosen"),)
    assert tried.title == "Sweep: M-TS, asked nontoxic (9 prompts that are not reported)"
    assert tried.rows[1][1:] == (
        "30.0 [10.0, 60.0]",
        "0.60 [0.40, 1.10]",
        "1.06 [0.90, 1.25]",
        "0.88 [0.80, 0.95]",
        "15.0",
        "yes",
        "front, chosen",
    )
    assert tried.rows[2][1:] == ("–", "–", "–", "–", "–", "no", "")
    assert "perplexity ratio at most 1.2, distinct-2 ratio at least any" in tried.caption
    assert sweep_tables({}) == []
