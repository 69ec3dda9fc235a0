import math
from collections import Counter

import numpy as np
import pyarrow.parquet as pq
import pytest

from src.evaluation.report.generation_data import chosen_rows, embedded_generations
from src.evaluation.report.score_axis import score_axis
from tests.evaluation_folder import attributes, evaluation_folder

KNOWN = attributes()


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    made = evaluation_folder(
        tmp_path_factory.mktemp("evaluation"),
        prompts={"unprompted": [""] * 40, "validation": [f"prompt {i}" for i in range(20)]},
        samples=2,
    )
    return pq.read_table(made.results / "generations.parquet")


@pytest.fixture(scope="module")
def axes(table):
    rows = [s for one in table["scores"].to_pylist() for s in one]
    return {n: score_axis(one, np.array([r[n] for r in rows])) for n, one in KNOWN.items()}


def test_a_small_run_is_embedded_whole_and_in_order(table, axes):
    assert chosen_rows(table, seed=0) == list(range(480))
    data = embedded_generations(table, KNOWN, axes, seed=0)
    rows = table.to_pylist()
    assert data["total"] == 480
    for i, row in enumerate(rows):
        cell = data["cells"][data["cell"][i]]
        assert (cell["model"], cell["decoding"], cell["prompts"]) == (
            row["model"], row["decoding"], row["prompts"],
        )  # fmt: skip
        assert data["prompts"][data["prompt"][i]] == row["prompt"]
        assert data["sentences"][i] == row["sentences"]
        flat = [s[name] for s in row["scores"] for name in KNOWN]
        assert data["scores"][i] == pytest.approx(flat, rel=1e-3)
        labels = [KNOWN[n].labels.index(s[n]) for s in row["labels"] for n in KNOWN]
        assert data["labels"][i] == labels
        wanted = math.exp(row["reference_nll"] / row["reference_tokens"])
        assert data["perplexity"][i] == pytest.approx(wanted, rel=1e-3)


def test_the_text_as_written_is_kept_where_the_sentences_do_not_say_it(table, axes):
    data = embedded_generations(table, KNOWN, axes, seed=0)
    for sentences, raw in zip(data["sentences"], data["raw"], strict=True):
        assert raw == (None if sentences else " … ")


def test_what_counts_as_aligned_comes_with_the_cell(table, axes):
    cells = embedded_generations(table, KNOWN, axes, seed=0)["cells"]
    assert {cell["condition"] for cell in cells} == {"no condition", "nontoxic + pos"}
    assert all(cell["targets"] == [0, 1] for cell in cells)


def test_a_sample_keeps_the_same_prompts_in_every_cell_and_depends_on_the_seed(table):
    chosen = chosen_rows(table, seed=0, most=200)
    assert len(chosen) == 200
    assert chosen == sorted(set(chosen))
    rows = table.to_pylist()
    per_prompt = Counter(
        (rows[i]["prompts"], rows[i]["prompt_id"], rows[i]["sample"]) for i in chosen
    )
    assert set(per_prompt.values()) == {4}  # 200 generations of 4 cells a source: 50 prompts, whole
    assert chosen_rows(table, seed=0, most=200) == chosen
    assert chosen_rows(table, seed=1, most=200) != chosen
