import base64
import hashlib
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from src.evaluation.report.numbers import look_up
from src.evaluation.report.page import embedded_json
from tests.evaluation_folder import (
    ATTRIBUTES,
    comparisons,
    controllability,
    evaluation_folder,
    selected,
    sweep,
    trained_longer,
)

HOSTILE = [
    "<script>window.owned = 1</script>",
    "</script><script>window.owned = 2</script>",
    '"><img src=x onerror="window.owned = 3">',
    "<!-- <script>",
    "]]> --> </style></title> &lt; &amp;",
    "line\u2028separator\u2029and\u0000null\r\n",
    "{{ 7 * 7 }} {% raw %} ${window.owned = 4} \\u003c",
]


class Page(HTMLParser):
    """Elements with a place in a file, the text of numbers, and the content of scripts."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.placed, self.scripts, self.styles, self.tags = [], [], [], []
        self.links, self.ids, self.open = [], [], None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.tags.append((tag, found))
        self.open = (tag, found)
        if tag in ("script", "style"):
            self.scripts.append((found, "")) if tag == "script" else self.styles.append("")
        if "data-path" in found:
            self.placed.append([found["data-path"], json.loads(found["data-value"]), ""])

    def handle_endtag(self, tag):
        self.open = None

    def handle_data(self, data):
        if self.open is None:
            return
        tag, found = self.open
        if tag == "script":
            self.scripts[-1] = (found, self.scripts[-1][1] + data)
        elif tag == "style":
            self.styles[-1] += data
        elif "data-path" in found:
            self.placed[-1][2] += data


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return evaluation_folder(tmp_path_factory.mktemp("evaluation"))


@pytest.fixture(scope="module")
def page(made):
    return Page(made.write_report().read_text(encoding="utf-8"))


def files_of(made):
    stats, audited = (
        json.loads((made.dataset / f"{name}.json").read_text(encoding="utf-8"))
        for name in ("stats", "audit")
    )
    return {"metrics": made.metrics, "statistics": stats, "audit": audited}


def placed_in(made):
    """Every place in a file whose number the page shows; all of them are checked on the way."""
    files, there = files_of(made), set()
    for path, value, text in Page(made.write_report().read_text(encoding="utf-8")).placed:
        file, _, place = path.partition(":")
        there.add(path)
        assert look_up(files[file], place) == value, path
        assert text[0] in "↓↑" or shows(text, value, path), (path, value, text)
    return there


SHARES = (
    *("misalignment", "contradiction", "probability", "ci_low", "ci_high", "share", "share_a"),
    *("share_b", "difference", "low", "high", "minimum_detectable_difference"),
)
"""Ends of the keys that tables show in percent, and the table of all figures as they are."""


def shows(text, value, path):
    """Whether a text is a value, correct to its last digit; a share may be in percent."""
    if value is None:
        return text == "–"
    plain = text.replace(",", "").replace("−", "-")
    digits = len(plain.split("e")[0].partition(".")[2])
    exponent = int(plain.partition("e")[2] or 0)
    allowed = 0.5 * 10.0 ** (exponent - digits) * (1 + 1e-9) + 1e-12
    if "e" not in plain and "." not in plain and not isinstance(value, int):
        allowed = max(allowed, abs(value) * 5e-4)  # leading digits of a large number
    factors = (1, 100) if path.rpartition(".")[2].endswith(SHARES) else (1,)
    return any(abs(float(plain) - factor * value) <= allowed for factor in factors)


def test_every_number_of_the_page_is_the_one_of_its_file(made, page):
    files = files_of(made)
    assert len(page.placed) > 500
    for path, value, text in page.placed:
        file, _, place = path.partition(":")
        assert look_up(files[file], place) == value, path
        assert shows(text, value, path), (path, value, text)


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """With comparisons and a controllability matrix, and some cells that had nothing to measure."""
    made = evaluation_folder(tmp_path_factory.mktemp("compared"))
    rows = made.metrics["rows"]
    found = comparisons(rows)
    found[0] |= {"p": None, "p_holm": None, "difference": None}
    made.change_metrics(comparisons=found, controllability=controllability())
    return made


def test_comparisons_and_the_matrix_show_their_numbers(compared):
    page = Page(compared.write_report().read_text(encoding="utf-8"))
    files, there = files_of(compared), set()
    for path, value, text in page.placed:
        file, _, place = path.partition(":")
        there.add(place)
        assert look_up(files[file], place) == value, path
        assert text[0] in "↓↑" or shows(text, value, path), (path, value, text)
    for i in range(len(files["metrics"]["comparisons"])):
        for key in (
            "difference",
            "p_holm",
            "distinct_2_ratio",
            "perplexity_ratio",
            "perplexity_ratio_ci_high",
            "minimum_detectable_difference",
        ):
            assert f"comparisons.{i}.{key}" in there
    for place in ("rows.1.shares.sentiment.pos.share", "effects.0.difference"):
        assert f"controllability.0.{place}" in there


def test_a_sweep_shows_its_candidates_and_its_choice(tmp_path):
    made = evaluation_folder(tmp_path)
    assert 'id="sweep"' not in made.write_report().read_text(encoding="utf-8")
    made.change_metrics(sweep=sweep())
    text = made.write_report().read_text(encoding="utf-8")
    files, there = files_of(made), set()
    for path, value, shown in Page(text).placed:
        file, _, place = path.partition(":")
        there.add(place)
        assert look_up(files[file], place) == value, path
        assert shows(shown, value, path), (path, value, shown)
    for i in range(3):
        for key in ("misalignment", "perplexity_ratio", "distinct_2_ratio"):
            assert f"sweep.candidates.{i}.{key}" in there
    assert "sweep.baselines.0.perplexity" in there
    assert "limits: <b>weight of toxicity 1</b>" in text
    assert "misalignment, toxicity, %" in text.split('id="sweep"')[1].split("</section>")[0]


def leaves(value, path):
    """Places of the numbers in a JSON value; keys with a dot stay whole."""
    if isinstance(value, dict):
        return [place for key, one in value.items() for place in leaves(one, f"{path}.{key}")]
    if isinstance(value, list):
        return [place for i, one in enumerate(value) for place in leaves(one, f"{path}.{i}")]
    return [path] if isinstance(value, (int, float)) and not isinstance(value, bool) else []


NOT_SHOWN_OF_AN_AUDIT = (
    # Said in words, shown as a share of the same, or of a part whose whole is shown.
    r"\.edges|exclude_within|neutral_score$|\.(on_an_edge|at_the_neutral_score|within_margin)\.sentences"
    r"|\.labels\.[a-z]+\.sentences|\.documents$|rating_above|sentences_(not_)?above|rated_sentences"
    r"|labels_of_all\.confusion|by_source.*(kappa|confusion)|by_source.*labels_of_the_data_set\.sentences"
    r"|^audit:(sentences|settings)"
)


def test_the_label_audit_is_shown_whole(made):
    there = placed_in(made)
    wanted = [
        place
        for key, value in files_of(made)["audit"].items()
        for place in leaves(value, f"audit:{key}")
        if not re.search(NOT_SHOWN_OF_AN_AUDIT, place)
    ]
    assert set(wanted) <= there, sorted(set(wanted) - there)
    for place in (
        "human.sentiment.labels_of_all.agreement.low", "judges.sentiment.agreement.high",
        "attributes.sentiment.by_source.Letters v1.0.within_margin.share", "pairs.0.spearman.value",
        "human.toxicity.by_source.Letters v1.0.auc.0.value", "judges.sentiment.confusion.neg.pos",
    ):  # fmt: skip
        assert f"audit:{place}" in wanted
    text = made.write_report().read_text(encoding="utf-8")
    assert "Not an independent judge" in text
    assert "Judge of sentiment" in text
    assert "&lt;b&gt;Notes&lt;/b&gt;" in text
    assert "<b>Notes" not in text


def test_an_older_data_set_without_an_audit_shows_what_its_statistics_say(tmp_path):
    made = evaluation_folder(tmp_path)
    (made.dataset / "audit.json").unlink()
    text = made.write_report().read_text(encoding="utf-8")
    assert "How the attributes go together" in text
    assert "Ties and margins" not in text


def test_chosen_checkpoints_stand_with_all_candidates(tmp_path):
    made = evaluation_folder(tmp_path)
    assert 'id="selected"' not in made.write_report().read_text(encoding="utf-8")
    made.change_metrics(selected=selected())
    there = placed_in(made)
    for place in leaves(selected(), "metrics:selected"):
        assert place in there or place.endswith("prompts.count"), place
    text = made.write_report().read_text(encoding="utf-8")
    assert "Checkpoints of M-TS, chosen by lowest_misalignment" in text
    assert "joint, asked nontoxic + pos" in text
    chosen = re.findall(r'<th scope="row">(\S+)</th><th scope="row">chosen</th>', text)
    assert chosen == ["final", "final"]


def test_more_data_is_a_curve_and_its_numbers_a_table(tmp_path):
    made = evaluation_folder(tmp_path)
    assert 'id="more-data"' not in made.write_report().read_text(encoding="utf-8")
    made.change_metrics(models=trained_longer())
    there = placed_in(made)
    for name in ("M-B", "M-TS"):
        assert f"metrics:models.{name}.tokens_trained" in there
    text = made.write_report().read_text(encoding="utf-8")
    section = text.split('id="more-data"')[1].split("</section>")[0]
    # Two sources of prompts, without a condition; of M-TS alone what it was asked beside that.
    assert section.count("<polyline") == 2
    assert section.count("<circle") == 4
    assert section.count("M-B, M-TS: no condition, sample") == 2 * 2 + 2 * 2


def test_marks_stand_beside_what_is_significant_and_nothing_else(compared):
    page = Page(compared.write_report().read_text(encoding="utf-8"))
    marked = {p.split(".")[1] for p, _, text in page.placed if text[0] in "↓↑"}
    found = compared.metrics["comparisons"]
    wanted = {
        str(i) for i, one in enumerate(found) if one["p_holm"] is not None and one["p_holm"] < 0.05
    }
    assert marked == wanted
    assert 0 < len(wanted) < len(found)
    for path, _, text in page.placed:
        if text[0] in "↓↑":
            difference = found[int(path.split(".")[1])]["difference"]
            assert text == ("↓ baseline" if difference < 0 else "↑ baseline")


def test_every_number_of_every_row_is_in_the_page(made, page):
    there = {path for path, _, _ in page.placed}
    for i, row in enumerate(made.metrics["rows"]):
        for key, value in row.items():
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                assert f"metrics:rows.{i}.{key}" in there


def test_the_same_input_gives_the_same_bytes(made, tmp_path):
    again = evaluation_folder(tmp_path)
    first = made.write_report().read_bytes()
    assert made.write_report().read_bytes() == first
    assert again.write_report().read_bytes() == first


def test_nothing_is_loaded_and_nothing_but_our_own_script_may_run(page):
    policy = next(a["content"] for t, a in page.tags if a.get("http-equiv"))
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    sources = [(kind, text) for kind, text in (("style", page.styles[0]),)]
    sources.append(("script", page.scripts[-1][1]))
    for kind, text in sources:
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    assert [found.get("type") for found, _ in page.scripts] == ["application/json", None]
    for tag, found in page.tags:
        assert tag not in ("link", "img", "iframe", "object", "base"), tag
        assert "style" not in found, tag
        assert not [key for key in found if key.startswith("on") or key in ("src", "srcset")], tag
        assert found.get("href", "#").startswith("#")
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(", page.scripts[1][1]
    )
    assert "http" not in page.styles[0]


def test_links_lead_to_sections_and_ids_are_unique(page):
    ids = [found["id"] for _, found in page.tags if "id" in found]
    assert len(ids) == len(set(ids))
    assert {a["href"][1:] for _, a in page.tags if "href" in a} <= set(ids)
    assert {"results", "pareto", "scores", "generations", "training", "data", "provenance"} <= set(
        ids
    )


def test_hostile_text_is_data_or_escaped_and_comes_back_whole(tmp_path):
    made = evaluation_folder(
        tmp_path,
        prompts={'<b>"x"</b>.txt': HOSTILE},
        write=lambda cell, prompt, sample: HOSTILE,
    )
    text = made.write_report().read_text(encoding="utf-8")
    page = Page(text)
    assert len(page.scripts) == 2
    data = json.loads(page.scripts[0][1])
    assert data["prompts"] == HOSTILE
    assert data["sentences"][0] == HOSTILE
    assert not re.search("[<>&\u2028\u2029]", page.scripts[0][1])
    outside = text.replace(page.scripts[0][1], "")
    assert not re.search("<script>window|<img|<!-- <script|onerror=[\"']", outside)
    assert "&lt;script&gt;window.owned = 1&lt;/script&gt;" in outside
    assert '<b>"x"' not in text


def test_embedded_json_is_the_same_value_and_holds_no_markup():
    value = {"text": "".join(HOSTILE), "n": [1, 0.25, None, True]}
    text = str(embedded_json(value))
    assert json.loads(text) == value
    assert not set("<>&\u2028\u2029") & set(text)


def test_the_page_is_there_without_statistics_logs_and_manifests(made, tmp_path):
    nowhere = tmp_path / "gone"
    path = made.write_report(dataset=nowhere, models={"M-B": [nowhere]})
    page = Page(path.read_text(encoding="utf-8"))
    ids = {found["id"] for _, found in page.tags if "id" in found}
    assert "results" in ids
    assert not {"data", "training"} & ids


def test_one_attribute_and_three_labels(tmp_path):
    one = {
        "sentiment": {
            **ATTRIBUTES["sentiment"],
            "labels": ["neg", "neutral", "pos"],
            "edges": [-0.3, 0.3],
        }
    }
    made = evaluation_folder(tmp_path, recorded=one)
    text = made.write_report().read_text(encoding="utf-8")
    assert "missed, joint" not in text
    assert "missed, sentiment" in text
    assert "neutral" in text


def test_every_hash_and_version_is_shown(made):
    text = made.write_report().read_text(encoding="utf-8")
    for digest in "0" * 40, "a" * 64, "b" * 64, "c" * 64, "d" * 64, "e" * 64, "1" * 40:
        assert digest in text
    for name in ("metrics.json", "generations.parquet"):
        assert hashlib.sha256((made.results / name).read_bytes()).hexdigest() in text


def test_a_sample_of_a_huge_run_is_said_to_be_one(made):
    whole = made.write_report().read_text(encoding="utf-8")
    assert "holds a sample" not in whole
    text = made.write_report(most_embedded=20).read_text(encoding="utf-8")
    assert re.search(r"sample of 20 of the\s+72 generations", text)
    assert len(json.loads(Page(text).scripts[0][1])["cell"]) == 20


def test_the_page_is_made_without_the_heavy_libraries():
    script = (
        "import sys; import src.evaluation.report.page\n"
        "heavy = {'torch', 'transformers', 'datasets', 'datatrove', 'sklearn'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    root = Path(__file__).resolve().parents[4]
    subprocess.run([sys.executable, "-c", script], cwd=root, check=True)
