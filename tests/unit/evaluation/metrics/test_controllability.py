import json

import pytest

from src.evaluation.metrics.controllability import controllability
from src.evaluation.tables.controllability_tables import controllability_tables
from tests.demo_attributes import BOTH
from tests.unit.evaluation.conftest import make_attributes
from tests.unit.evaluation.metrics.test_comparison import DECODINGS, cell, written

NONTOXIC, POS = {"toxicity": "nontoxic"}, {"sentiment": "pos"}


def matrix(finished):
    return controllability(finished, make_attributes(), DECODINGS, seed=0)


@pytest.fixture(scope="module")
def entry():
    finished = [
        (cell("M-B"), written(0.5, name="b")),
        (cell("M-TS"), written(0.5, 0.5, name="nothing")),
        (cell("M-TS", NONTOXIC), written(0.1, 0.3, name="nontoxic")),
        (cell("M-TS", POS), written(0.5, 0.1, name="pos")),
        (cell("M-TS", BOTH), written(0.1, 0.1, name="both")),
    ]
    found = matrix(finished)
    assert len(found) == 1  # M-B was asked one thing
    return found[0]


def test_a_row_per_condition_with_shares_that_sum_to_one(entry):
    assert (entry["model"], entry["decoding"], entry["prompts"]) == (
        "M-TS", "sample", "validation",
    )  # fmt: skip
    assert [row["condition"] for row in entry["rows"]] == [{}, NONTOXIC, POS, BOTH]
    for row in entry["rows"]:
        assert row["n_sentences"] == 120
        for labels in row["shares"].values():
            assert sum(one["share"] for one in labels.values()) == pytest.approx(1.0)
            for one in labels.values():
                assert one["ci_low"] <= one["share"] <= one["ci_high"]
    json.dumps(entry, allow_nan=False)


def effect(entry, asked, measured, label, **given):
    found = [
        one
        for one in entry["effects"]
        if one["attribute"] == asked
        and one["given"] == given
        and (one["measured"], one["measured_label"]) == (measured, label)
    ]
    assert len(found) == 1
    return found[0]


def test_leakage_is_what_asking_for_one_changes_of_another(entry):
    assert len(entry["effects"]) == 4 * 4  # four steps between conditions, four labels
    leak = effect(entry, "toxicity", "sentiment", "neg")
    shares = [entry["rows"][i]["shares"]["sentiment"]["neg"]["share"] for i in (0, 1)]
    assert leak["leakage"]
    assert leak["label"] == "nontoxic"
    assert leak["difference"] == pytest.approx(shares[1] - shares[0])
    assert leak["ci_low"] < leak["difference"] < leak["ci_high"] < 0
    none = effect(entry, "sentiment", "toxicity", "toxic")
    assert none["ci_low"] < 0 < none["ci_high"]
    own = effect(entry, "toxicity", "toxicity", "nontoxic")
    assert not own["leakage"]
    assert own["ci_low"] > 0.2
    assert own["p_holm"] < 0.05 < none["p_holm"]
    given = effect(entry, "toxicity", "toxicity", "nontoxic", sentiment="pos")
    assert given["ci_low"] > 0.2


def test_effects_are_corrected_over_the_table_and_one_test_counts_once(entry):
    tests = [one for one in entry["effects"] if one["measured_label"] in ("nontoxic", "neg")]
    assert len(tests) == len(entry["effects"]) / 2  # the other label's is the same test
    least = min(tests, key=lambda one: one["p"])
    assert least["p_holm"] == pytest.approx(min(1.0, least["p"] * len(tests)))
    for first, second in zip(entry["effects"][::2], entry["effects"][1::2], strict=True):
        assert first["p"] == pytest.approx(second["p"], abs=0.02)
        assert first["p_holm"] == second["p_holm"]


def test_contrast_decoding_is_measured_against_the_plain_cell_that_asks_nothing():
    found = matrix(
        [
            (cell("M-TS"), written(0.5, name="nothing")),
            (cell("M-TS", NONTOXIC, "contrast"), written(0.1, name="contrast")),
        ]
    )
    assert [(one["decoding"], one["unconditioned_decoding"]) for one in found] == [
        ("contrast", "sample")
    ]
    assert [row["condition"] for row in found[0]["rows"]] == [{}, NONTOXIC]
    assert len(found[0]["effects"]) == 4


def test_conditions_that_differ_in_two_labels_have_no_effect_of_one():
    found = matrix([(cell("M"), written(0.5)), (cell("M", BOTH), written(0.1))])
    assert len(found[0]["rows"]) == 2
    assert found[0]["effects"] == []
    toxic = matrix([(cell("M", NONTOXIC), written(0.1)), (cell("M", POS), written(0.5))])
    assert toxic[0]["unconditioned_decoding"] is None
    assert toxic[0]["effects"] == []


def tables_of(entries):
    attributes = {name: {"labels": list(one.labels)} for name, one in make_attributes().items()}
    return controllability_tables({"attributes": attributes, "controllability": entries})


def test_the_tables_show_the_matrix_and_the_effects(entry):
    shares, effects = tables_of([entry])
    assert shares.title == "Controllability (validation)"
    assert shares.header == ("model", "asked", "nontoxic", "toxic", "neg", "pos")
    assert [line[1] for line in shares.rows] == [
        "no condition", "nontoxic", "pos", "nontoxic + pos",
    ]  # fmt: skip
    first = entry["rows"][0]["shares"]["toxicity"]["nontoxic"]
    assert shares.rows[0][2] == (
        f"{100 * first['share']:.1f} [{100 * first['ci_low']:.1f}, {100 * first['ci_high']:.1f}]"
    )
    assert [line[1] for line in effects.rows] == [
        "nontoxic", "pos", "nontoxic, given pos", "pos, given nontoxic",
    ]  # fmt: skip
    assert effects.rows[0][2].startswith("+")
    assert effects.rows[0][4].startswith("−")


def test_the_table_says_where_the_row_without_a_condition_is_from():
    entries = matrix(
        [(cell("M"), written(0.5)), (cell("M", NONTOXIC, "contrast"), written(0.1, name="c"))]
    )
    assert tables_of(entries)[0].rows[0][:2] == ("M, contrast", "no condition (sample)")
    assert tables_of([]) == []


def test_combinations_held_out_are_told_from_those_trained_on():
    pairs = [{"toxicity": t, "sentiment": s} for t in ("nontoxic", "toxic") for s in ("neg", "pos")]
    # `written(toxic, neg)`: chances of each label; the last pair is not followed at all.
    chances = [(0.1, 0.9), (0.1, 0.1), (0.9, 0.9), (0.1, 0.9)]
    finished = [
        (cell("M-TS", pair), written(*how, name=str(i)))
        for i, (pair, how) in enumerate(zip(pairs, chances, strict=True))
    ]
    finished.append((cell("M-TS", NONTOXIC), written(0.5, 0.5, name="one")))
    held_out = {"M-TS": [pairs[-1]]}
    [entry] = controllability(finished, make_attributes(), DECODINGS, 0, held_out)
    seen, unseen = entry["combinations"]
    assert (seen["trained"], seen["conditions"]) == (True, 3), "of as many labels"
    assert (unseen["trained"], unseen["conditions"]) == (False, 1)
    by_hand = [
        row["shares"][name][label]["share"]
        for row in entry["rows"]
        if row["condition"] == pairs[-1]
        for name, label in pairs[-1].items()
    ]
    assert unseen["share"] == pytest.approx(sum(by_hand) / 2)
    assert unseen["ci_low"] < unseen["share"] < unseen["ci_high"] < seen["ci_low"]
    table = tables_of([entry])[-1]
    assert table.title == "Unseen combinations (validation)"
    assert table.header == ("model", "trained on", "held out")
    assert table.rows[0][2].startswith(f"{100 * unseen['share']:.1f} [")
    # Nothing was held out: no table.
    assert matrix(finished)[0]["combinations"] == []
