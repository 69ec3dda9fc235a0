from src.evaluation.plan.conditions import all_conditions, with_all_conditions
from tests.unit.evaluation.conftest import make_attributes
from tests.unit.evaluation.plan.test_cells import args


def test_every_combination_of_labels_and_of_not_asking():
    found = all_conditions(make_attributes(), ["sentiment", "toxicity"])
    assert found == (
        {},
        {"sentiment": "neg"},
        {"sentiment": "pos"},
        {"toxicity": "nontoxic"},
        {"toxicity": "toxic"},
        {"toxicity": "nontoxic", "sentiment": "neg"},
        {"toxicity": "nontoxic", "sentiment": "pos"},
        {"toxicity": "toxic", "sentiment": "neg"},
        {"toxicity": "toxic", "sentiment": "pos"},
    )
    assert list(found[-1]) == ["toxicity", "sentiment"]


def test_only_what_the_model_was_trained_with_is_asked_for():
    assert all_conditions(make_attributes(), ["toxicity"]) == (
        {},
        {"toxicity": "nontoxic"},
        {"toxicity": "toxic"},
    )
    assert all_conditions(make_attributes(), []) == ({},)


def test_all_is_written_out_per_model_and_lists_stay():
    models = {
        "M-B": {"path": "b", "conditions": "all"},
        "M-T": {"path": "t", "conditions": "all"},
        "M-TS": {"path": "ts", "conditions": [{}]},
    }
    given = args(models=models)
    trained_on = {"M-B": [], "M-T": ["toxicity"], "M-TS": ["toxicity", "sentiment"]}
    found, whole = with_all_conditions(given, make_attributes(), trained_on)
    assert whole
    assert [len(entry.conditions) for entry in found.models.values()] == [1, 3, 1]
    assert given.models["M-T"].conditions == "all"


def test_what_cannot_be_read_asks_nothing_until_its_problem_is_mended():
    given = args(models={"M": {"path": "m", "conditions": "all"}})
    for attributes, trained_on in ((None, {"M": ["toxicity"]}), (make_attributes(), {})):
        found, whole = with_all_conditions(given, attributes, trained_on)
        assert not whole
        assert found.models["M"].conditions == ({},)
