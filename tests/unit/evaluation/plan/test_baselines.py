"""Every decoding is compared with plain sampling that is truncated as it is."""

import pytest

from src.config.evaluation import DecodingArgs
from src.evaluation.plan.baselines import plain, with_baselines
from src.evaluation.plan.inputs import find_inputs
from tests.demo_attributes import BOTH

WEIGHTS = {"toxicity": 2.0}


@pytest.mark.parametrize(
    "settings, top_p",
    [
        ({"top_p": 0.7}, 0.7),
        ({"top_p": 0.7, "contrast_top_p": 0.5}, 0.7),  # without weights it means nothing
        ({"top_p": 0.7, "contrast_top_p": 0.9, "contrast_weights": WEIGHTS}, 0.7),
        ({"top_p": 1.0, "contrast_top_p": 0.5, "contrast_weights": WEIGHTS}, 0.5),
    ],
)
def test_the_plain_decoding_keeps_the_narrower_nucleus(settings, top_p):
    found = plain(DecodingArgs(**settings, temperature=0.8, max_length=9))
    assert found == DecodingArgs(top_p=top_p, temperature=0.8, max_length=9)


def test_a_temperature_that_contrasts_need_does_not_spoil_their_baseline():
    assert plain(DecodingArgs(temperature=1.5)).temperature == 1.5
    assert plain(DecodingArgs(temperature=1.5, contrast_weights=WEIGHTS)).temperature == 1.0


def args_of(project, **decodings):
    models = {
        "M-B": {"path": project.model, "decodings": ["sample"]},
        "M-TS": {"path": project.model, "conditions": [{}, BOTH]},
    }
    return project.args(models=models, decodings=decodings)


def test_where_all_is_there_nothing_is_added(project):
    args = args_of(
        project,
        sample={"top_p": 0.7},
        contrast={"top_p": 0.7, "contrast_top_p": 0.9, "contrast_weights": WEIGHTS},
    )
    assert with_baselines(args) == args


def test_a_baseline_of_the_same_truncation_is_drawn_for_both_models(project):
    args = with_baselines(
        args_of(
            project,
            sample={"top_p": 0.7},
            contrast={"top_p": 0.7, "contrast_top_p": 0.5, "contrast_weights": WEIGHTS},
        )
    )
    assert args.decodings["plain top_p=0.5"] == DecodingArgs(top_p=0.5)
    assert args.models["M-B"].decodings == ("sample", "plain top_p=0.5")
    assert args.models["M-TS"].decodings == ("sample", "contrast", "plain top_p=0.5")
    cells = find_inputs(args, hash_files=False).cells
    drawn = {(cell.model, len(cell.condition)) for cell in cells if "plain" in cell.decoding}
    assert drawn == {("M-B", 0), ("M-TS", 0), ("M-TS", 2)}


def test_another_models_sampling_has_its_baseline_too(project):
    models = {
        "M-B": {"path": project.model, "decodings": ["narrow"]},
        "M-TS": {"path": project.model, "conditions": [BOTH], "decodings": ["wide"]},
    }
    decodings = {"narrow": {"top_p": 0.5}, "wide": {"top_p": 0.9}}
    given = project.args(models=models, decodings=decodings)
    args = with_baselines(given)
    assert args.decodings == given.decodings
    assert args.models["M-B"].decodings == ("narrow", "wide")
    assert args.models["M-TS"].decodings == ("wide",)


def test_a_first_model_that_is_always_asked_for_something_is_no_baseline(project):
    models = {
        "M-B": {"path": project.model, "conditions": [BOTH], "decodings": ["narrow"]},
        "M-TS": {"path": project.model, "conditions": [BOTH], "decodings": ["wide"]},
    }
    given = project.args(
        models=models, decodings={"narrow": {"top_p": 0.5}, "wide": {"top_p": 0.9}}
    )
    assert with_baselines(given) == given
