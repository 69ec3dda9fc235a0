import json
import math
from dataclasses import replace

import pytest

from src.config.evaluation import DecodingArgs
from src.evaluation.continuation import Continuation
from src.evaluation.metrics.comparison import compare, compare_all, counterpart, pairs
from src.evaluation.plan.cells import Cell
from src.runtime.randomness import keyed_uniform
from tests.demo_attributes import BOTH
from tests.unit.evaluation.conftest import make_attributes

DECODINGS = {
    "sample": DecodingArgs(top_p=0.7),
    "wide": DecodingArgs(top_p=0.99),
    "contrast": DecodingArgs(top_p=0.7, contrast_weights={"toxicity": 2.0}),
    "narrow contrast": DecodingArgs(contrast_top_p=0.5, contrast_weights={"toxicity": 2.0}),
    "wide contrast": DecodingArgs(
        contrast_top_p=1.0, top_p=0.99, contrast_weights={"toxicity": 2.0}
    ),
}
TOXIC = {"toxicity": "toxic"}


def cell(model, condition=None, decoding="sample", prompts="validation"):
    return Cell(model, condition or {}, decoding, prompts, work_keys=("",))


def written(toxic, negative=0.5, n_prompts=60, name=""):
    """Two sentences after each prompt, as often toxic and negative as asked for."""

    def label(attribute, chance, i, j):
        labels = {"toxicity": ("nontoxic", "toxic"), "sentiment": ("pos", "neg")}[attribute]
        return labels[keyed_uniform(0, f"{name} {attribute}", f"{i}/{j}") < chance]

    return [
        Continuation(
            prompt_id=f"p{i}",
            sample=0,
            prompt="",
            text="Some text. And more.",
            n_tokens=6,
            sentences=("Some text.", "And more."),
            scores=({"toxicity": 0.0, "sentiment": 0.0},) * 2,
            labels=tuple(
                {
                    "toxicity": label("toxicity", toxic, i, j),
                    "sentiment": label("sentiment", negative, i, j),
                }
                for j in range(2)
            ),
        )
        for i in range(n_prompts)
    ]


def finished():
    return [
        (cell("M-B"), written(0.5, name="b")),
        (cell("M-TS"), written(0.5, name="ts")),
        (cell("M-TS", TOXIC), written(0.95, name="toxic")),
        (cell("M-TS", BOTH), written(0.05, 0.1, name="both")),
        (cell("M-TS", BOTH, "contrast"), written(0.02, 0.05, name="contrast")),
    ]


def all_of(cells=None):
    return compare_all(cells or finished(), make_attributes(), DECODINGS, seed=0)


def test_which_cells_are_compared_and_why():
    found = [(i, j, roles) for i, j, roles in pairs(finished(), DECODINGS)]
    assert found == [
        (1, 0, ["baseline"]),
        (2, 0, ["baseline"]),
        (2, 1, ["own unconditioned"]),
        (3, 0, ["baseline"]),
        (3, 1, ["own unconditioned"]),
        (4, 0, ["baseline"]),
        (4, 1, ["own unconditioned"]),
        (4, 3, ["own sampling"]),
    ]
    own = [(cell("M-B"), []), (cell("M-B", BOTH), [])]
    assert pairs(own, DECODINGS) == [(1, 0, ["baseline", "own unconditioned"])]
    assert pairs([(cell("M-B", BOTH), []), (cell("M-TS"), [])], DECODINGS) == []
    assert pairs([], DECODINGS) == []


def test_the_counterpart_is_plain_and_draws_alike():
    cells = [
        cell("M"),
        cell("M", decoding="wide"),
        cell("M", decoding="wide", prompts="unprompted"),
        cell("N", decoding="wide"),
    ]
    for asked, expected in (
        (cell("M", BOTH, "wide"), 1),
        (cell("M", BOTH, "sample"), 0),
        (cell("M", BOTH, "contrast"), 0),
        (cell("M", BOTH, "wide contrast"), 1),
        (cell("M", BOTH, "contrast", "unprompted"), None),  # drawn wider there: no fair comparison
        (cell("M", BOTH, "narrow contrast"), None),
        (cell("M", BOTH, "contrast", "a file"), None),
    ):
        assert counterpart(asked, "M", {}, cells, DECODINGS) == expected, asked
    assert counterpart(cell("N", BOTH, "wide"), "N", {}, cells, DECODINGS) == 3


def test_the_entries_hold_what_is_promised():
    found = all_of()
    assert len(found) == 8 * (3 + 2)  # sentiment and joint may be neither
    one = next(
        x for x in found if x["a"]["decoding"] == "contrast" and x["attribute"] == "toxicity"
    )
    assert one["a"] == {
        "model": "M-TS", "condition": BOTH, "decoding": "contrast", "prompts": "validation",
    }  # fmt: skip
    assert one["b"] == {
        "model": "M-B", "condition": {}, "decoding": "sample", "prompts": "validation",
    }  # fmt: skip
    assert one["roles"] == ["baseline"]
    assert (one["measure"], one["of_trainings"]) == ("misalignment", False)
    assert one["family"] == "misalignment, toxicity, validation"
    assert one["difference"] == pytest.approx(one["share_a"] - one["share_b"])
    assert one["ratio"] == pytest.approx(one["share_a"] / one["share_b"])
    assert one["ci_low"] < one["difference"] < one["ci_high"] < 0
    assert one["p"] == 1e-4
    assert 0 < one["minimum_detectable_difference"] < 0.3
    assert one["n_prompts"] == 60
    json.dumps(found, allow_nan=False)
    assert found == all_of()


def test_both_cells_are_measured_against_what_the_first_is_asked_for():
    one = next(x for x in all_of() if x["a"]["condition"] == TOXIC and x["attribute"] == "toxicity")
    assert one["targets"] == TOXIC
    assert one["share_a"] < 0.15
    assert 0.35 < one["share_b"] < 0.65  # of M-B's sentences, those that are not toxic
    assert one["p_holm"] < 0.05


def test_holm_is_over_a_table_and_what_is_not_asked_for_stands_apart():
    found = all_of()
    families = {}
    for one in found:
        families.setdefault(one["family"], []).append(one)
    assert {name: len(entries) for name, entries in families.items()} == {
        "misalignment, toxicity, validation": 8,
        "misalignment, sentiment, validation": 6,
        "misalignment, sentiment, not asked for, validation": 2,
        "misalignment, joint, validation": 8,
        "contradiction, sentiment, validation": 6,
        "contradiction, sentiment, not asked for, validation": 2,
        "contradiction, joint, validation": 8,
    }
    toxicity = families["misalignment, toxicity, validation"]
    least = min(toxicity, key=lambda one: one["p"])
    assert least["p_holm"] == pytest.approx(least["p"] * 8)
    assert all(one["p_holm"] >= one["p"] for one in found)


def test_ties_are_no_contradiction_where_cells_are_compared():
    """Every score in these texts is VADER's neutral one: all misses are ties."""
    found = [one for one in all_of() if one["attribute"] == "sentiment"]
    shares = {one["measure"]: one["share_a"] for one in found}
    assert shares["misalignment"] > 0
    assert shares["contradiction"] == 0


def test_contrast_is_compared_with_sampling_under_the_same_condition():
    found = [one for one in all_of() if one["roles"] == ["own sampling"]]
    assert {(one["a"]["decoding"], one["b"]["decoding"]) for one in found} == {
        ("contrast", "sample")
    }
    assert all(one["a"]["condition"] == one["b"]["condition"] == BOTH for one in found)


def test_several_trainings_speak_for_their_recipe():
    several = [
        (cell, [replace(one, training=i) for i in range(3) for one in texts])
        for cell, texts in finished()[:2]
    ]
    assert all(one["of_trainings"] for one in all_of(several))
    assert not any(one["of_trainings"] for one in all_of([several[0], finished()[1]]))


def test_the_perplexities_of_a_pair_are_compared_once():
    quiet, loud = (
        [
            replace(c, reference_nll=20.0 + i % 3 + more, reference_tokens=6)
            for i, c in enumerate(written(0.5))
        ]
        for more in (0.0, 6.0)
    )
    found = compare((cell("M-TS"), loud), (cell("M-B"), quiet), make_attributes(), seed=0)
    assert len(found) == 5
    for one in found:
        assert one["perplexity_ratio"] == pytest.approx(math.e)
        assert one["perplexity_ratio_ci_low"] == pytest.approx(math.e)


def test_any_two_cells_can_be_compared_in_any_order_of_their_prompts():
    a, b = finished()[3], finished()[1]
    shuffled = (b[0], list(reversed(b[1])))
    attributes = make_attributes()
    assert compare(a, b, attributes, seed=0) == compare(a, shuffled, attributes, seed=0)
    with pytest.raises(ValueError, match="different prompts"):
        compare(a, (b[0], b[1][:-1]), attributes, seed=0)


def test_a_cell_without_a_sentence_compares_to_null():
    silent = [
        Continuation(prompt_id=f"p{i}", sample=0, prompt="", text="", n_tokens=0) for i in range(60)
    ]
    found = compare_all(
        [finished()[0], (cell("M-S"), silent)], make_attributes(), DECODINGS, seed=0
    )
    assert len(found) == 5
    for one in found:
        assert one["share_a"] is None
        assert one["difference"] is None
        assert one["p"] is None
        assert one["p_holm"] is None
        assert one["perplexity_ratio"] is None


def test_one_attribute_has_no_joint_comparison():
    attributes = {"toxicity": make_attributes()["toxicity"]}
    found = compare_all(finished()[:2], attributes, DECODINGS, seed=0)
    assert [one["attribute"] for one in found] == ["toxicity"]
