from pathlib import Path

from src.config.evaluation import DecodingArgs, EvaluationArgs
from src.evaluation.plan.cells import build_cells, condition_title, has_cells, samples_of

BOTH = {"sentiment": "pos", "toxicity": "nontoxic"}
ORDER = ("toxicity", "sentiment")


def args(**changes):
    content = {
        "output": "results/x",
        "dataset": "data/x",
        "models": {
            "M-B": {"path": "models/b", "decodings": ["sample"]},
            "M-TS": {"path": "models/ts", "conditions": [{}, BOTH]},
        },
        "prompts": [{"kind": "unprompted", "count": 3}, {"kind": "validation", "count": 3}],
        "decodings": {"sample": {}, "contrast": {"contrast_weights": {"toxicity": 2}}},
    }
    return EvaluationArgs.model_validate(content | changes)


def cells(args, models=None):
    models = models or {
        name: [{"path": str(path)} for path in entry.trainings]
        for name, entry in args.models.items()
    }
    return build_cells(args, ORDER, models, {"unprompted": "u", "validation": "v"})


def test_the_grid_in_the_order_of_the_args():
    found = [
        (cell.model, condition_title(cell.condition), cell.decoding, cell.prompts)
        for cell in cells(args())
    ]
    assert found == [
        ("M-B", "no condition", "sample", "unprompted"),
        ("M-B", "no condition", "sample", "validation"),
        ("M-TS", "no condition", "sample", "unprompted"),
        ("M-TS", "no condition", "sample", "validation"),
        ("M-TS", "nontoxic + pos", "sample", "unprompted"),
        ("M-TS", "nontoxic + pos", "sample", "validation"),
        ("M-TS", "nontoxic + pos", "contrast", "unprompted"),
        ("M-TS", "nontoxic + pos", "contrast", "validation"),
    ]


def test_contrast_without_anything_to_contrast_is_no_cell():
    dial = DecodingArgs(contrast_weights={"toxicity": 2.0})
    assert has_cells(dial, BOTH)
    assert not has_cells(dial, {})
    assert not has_cells(dial, {"sentiment": "pos"})
    assert has_cells(DecodingArgs(), {})


def test_a_condition_that_is_named_twice_is_one_cell():
    twice = {"M": {"path": "m", "conditions": [BOTH, dict(reversed(BOTH.items()))]}}
    assert len(cells(args(models=twice, decodings={"sample": {}}))) == 2


def test_cells_that_write_the_same_share_their_work():
    decodings = {
        "sample": {},
        "the same": {},
        "no weight that acts": {"contrast_weights": {"toxicity": 1, "sentiment": 0}},
        "as above": {"contrast_weights": {"toxicity": 1}},
        "longer": {"max_length": 41},
    }
    both = {"M": {"path": "m", "conditions": [BOTH]}, "again": {"path": "m", "conditions": [BOTH]}}
    found = cells(args(models=both, decodings=decodings))
    assert len(found) == 2 * 5 * 2
    assert len({cell.work_keys for cell in found}) == 3 * 2


def test_the_work_of_a_cell_is_known_by_all_that_decides_about_it():
    def keys(models=None, **changes):
        return {key for cell in cells(args(**changes), models) for key in cell.work_keys}

    base = keys()
    assert keys() == base
    for change in ({"seed": 1}, {"batch_size": 7}, {"placement": "after_prompt"}):
        assert not keys(**change) & base
    retrained = {"M-B": [{"manifest_sha256": "1"}], "M-TS": [{"manifest_sha256": "2"}]}
    assert not keys(models=retrained) & base
    # Another training is written beside what is there, with draws of its own.
    twice = {name: [{"path": str(entry.path)}] * 2 for name, entry in args().models.items()}
    assert keys(models=twice) > base
    assert len(keys(models=twice)) == 2 * len(base)
    # What does not decide about the text does not.
    assert keys(output=Path("elsewhere"), model_cards=True) == base


def test_unprompted_samples_are_prompts_of_their_own():
    many = args(samples_per_prompt=5)
    assert samples_of("unprompted", many) == 1
    assert samples_of("validation", many) == 5
