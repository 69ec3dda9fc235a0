"""The dials: candidates, the Pareto front, the choice, and what is written of it."""

import json

import pytest

from src.config.evaluation import EvaluationArgs
from src.config.loading import load_args
from src.errors import UserError
from src.evaluation.choosing.sweep import candidates, judged, trial_args, with_chosen
from src.evaluation.choosing.trials import check_trials
from src.evaluation.measuring import finish_cells
from src.evaluation.plan.inputs import find_inputs
from src.evaluation.run import evaluate
from tests.demo_attributes import BOTH

SWEEP = {
    "model": "M-TS",
    "condition": BOTH,
    "decoding": "contrast",
    "contrast_weights": {"toxicity": [0.0, 1.0], "sentiment": [0.0, 3.0]},
    "top_p": [0.5, 0.9],
    "prompts": {"kind": "unprompted", "count": 6},
}


def point(misalignment, perplexity, distinct_2=0.5):
    """A candidate as measured, against a baseline with misalignment .5, perplexity 100 and distinct-2 .5."""
    return {
        "misalignment": misalignment,
        "perplexity": perplexity,
        "distinct_2": distinct_2,
        "perplexity_ratio": perplexity and perplexity / 100,
        "distinct_2_ratio": distinct_2 and distinct_2 / 0.5,
    }


def result_of(args, *figures):
    points, chosen = judged([point(*one) for one in figures], args)
    tried = candidates(args, ["final"])
    for one, candidate in zip(points, tried, strict=False):
        one |= {"checkpoint": "final", "decoding": candidate.decoding.model_dump(mode="json")}
    return {"candidates": points, "chosen": chosen}


def test_every_combination_is_a_candidate(project):
    args = project.args(sweep=SWEEP)
    tried = candidates(args, ["step-000001", "final"])
    assert len({one.name for one in tried}) == len(tried) == 2 * 2 * 2 * 2
    assert tried[0].decoding.contrast_weights == {}
    assert tried[-1].decoding.contrast_weights == {"toxicity": 1.0, "sentiment": 3.0}
    assert {one.decoding.max_length for one in tried} == {8}


def test_candidates_are_tried_on_texts_that_are_not_reported(project):
    args = project.args(sweep=SWEEP)
    inside = trial_args(args, candidates(args, ["final"]))
    assert inside.seed != args.seed
    assert [source.kind for source in inside.prompts] == ["unprompted"]
    assert inside.sweep is None


def test_the_front_holds_what_nothing_beats(project):
    figures = [(0.4, 100.0), (0.3, 120.0), (0.3, 130.0), (0.2, 90.0, 0.4), (0.4, 100.0)]
    points = result_of(project.args(sweep=SWEEP), *figures)["candidates"]
    assert [point["on_front"] for point in points] == [True, True, False, True, True]


def test_the_lowest_misalignment_within_the_limits_is_chosen(project):
    figures = [(0.4, 100.0), (0.1, 121.0), (0.2, 119.0, 0.3), (0.3, 110.0)]
    args = project.args(sweep=SWEEP)
    assert result_of(args, *figures)["chosen"] == 2
    strict = project.args(sweep=SWEEP, choose={"distinct_2_ratio_at_least": 1.0})
    assert result_of(strict, *figures)["chosen"] == 3
    free = project.args(sweep=SWEEP, choose={"perplexity_ratio_at_most": None})
    assert result_of(free, *figures)["chosen"] == 1


def test_without_a_candidate_within_the_limits_none_is_chosen(project):
    args = project.args(sweep=SWEEP)
    result = result_of(args, (0.1, 500.0), (None, None, None))
    assert result["chosen"] is None
    assert with_chosen(args, result).decodings == args.decodings


def test_the_whole_run_tries_chooses_reports_and_writes_args(project):
    args = project.args("swept", sweep=SWEEP, choose={"perplexity_ratio_at_most": 1000.0})
    said = evaluate(args)
    folder = project.folder / "swept"
    assert str(folder / "chosen_args.yaml") in said
    assert (folder / "sweep.png").read_bytes()[1:4] == b"PNG"
    metrics = json.loads((folder / "metrics.json").read_text())
    found = metrics["sweep"]
    assert len(found["candidates"]) == 8
    chosen = found["candidates"][found["chosen"]]
    assert metrics["decodings"]["chosen"] == chosen["decoding"]
    for point in found["candidates"]:
        baseline = found["baselines"][point["baseline"]]
        for figure in ("perplexity", "distinct_2"):
            ratio = point[figure] / baseline[figure]
            name = f"{figure}_ratio"
            assert point[name] == pytest.approx(ratio)
            assert point[f"{name}_ci_low"] <= ratio <= point[f"{name}_ci_high"]
        top_p = point["decoding"]["top_p"]
        bounds = [top_p, point["decoding"]["contrast_top_p"]]
        contrast = point["decoding"]["contrast_weights"]
        assert baseline["decoding"]["top_p"] == (min(bounds) if contrast else top_p)
    assert {one["decoding"]["top_p"] for one in found["baselines"]} == {0.5, 0.9}
    assert found["reference"] == metrics["reference"]
    reported = {(r["model"], r["decoding"]) for r in metrics["rows"]}
    assert ("M-TS chosen", "chosen") in reported
    assert {model for model, _ in reported} == {"M-TS", "M-TS chosen"}
    again = load_args(EvaluationArgs, folder / "chosen_args.yaml")
    assert again.sweep is None
    assert again.decodings["chosen"].model_dump(mode="json") == chosen["decoding"]
    evaluate(project.args("swept-again", sweep=SWEEP, choose={"perplexity_ratio_at_most": 1000.0}))
    pictures = {
        (project.folder / one / "sweep.png").read_bytes() for one in ("swept", "swept-again")
    }
    assert len(pictures) == 1
    assert json.loads((project.folder / "swept-again/metrics.json").read_text()) == metrics


def test_what_one_reference_judged_is_not_read_for_another(project, bases, tmp_path):
    def nats(reference, work):
        args = project.args(
            prompts=[{"kind": "unprompted", "count": 3}],
            decodings={"sample": {"max_length": 5}},
            perplexity={"reference": str(bases[reference])},
        )
        finished, facts = finish_cells(args, find_inputs(args, hash_files=False), work)
        assert facts["name"] == str(bases[reference])
        return [one.reference_nll for _, written in finished for one in written]

    shared = tmp_path / "work"
    first, second = (nats(reference, shared) for reference in ("gpt2", "llama"))
    assert first != second
    assert second == nats("llama", tmp_path / "own")
    assert first == nats("gpt2", shared)
    assert len(list((shared / "written").iterdir())) == 2  # written once for both


def test_a_sweep_takes_validation_sentences_that_are_not_reported(project):
    both = {"kind": "validation", "count": 8}
    sweep = SWEEP | {"prompts": {**both, "words": [2, 5]}}
    args = project.args(sweep=sweep, prompts=[both])
    reported = find_inputs(args, hash_files=False).prompts
    [trial] = check_trials(args, reported)
    tried = {prompt.id for prompt in trial.prompts["beginnings"]}
    assert len(tried) == 8
    assert not tried & {prompt.id for prompt in reported["validation"]}


def test_a_dry_run_counts_the_candidates(project):
    said = evaluate(project.args("planned", sweep=SWEEP), dry_run=True)
    assert "before them, to choose: 60 continuations" in said
    assert not (project.folder / "planned").exists()


@pytest.mark.parametrize(
    "change, part",
    [
        ({"model": "M-X"}, "sweep.model: 'M-X' is not one of"),
        ({"decoding": "beam"}, "sweep.decoding: 'beam' is not one of"),
        ({"condition": {}}, "contrast decoding needs a label to ask for"),
        ({"contrast_weights": {"toxicity": []}}, "no weight to try for toxicity"),
        ({"contrast_weights": {}, "top_p": [0.5]}, "one candidate only"),
    ],
)
def test_what_does_not_fit_together(project, change, part):
    with pytest.raises(ValueError, match=part):
        project.args(sweep=SWEEP | change)


def test_a_decoding_may_be_there_for_the_sweep_alone(project, problems_of):
    entry = {"path": project.model, "conditions": [{}, BOTH], "decodings": ["sample"]}
    args = project.args(
        "alone", models={"M-TS": entry}, sweep=SWEEP, prompts=[{"kind": "unprompted", "count": 3}]
    )
    assert problems_of(args) == ""
    evaluate(args)
    metrics = json.loads((project.folder / "alone/metrics.json").read_text())
    assert set(metrics["decodings"]) <= {"sample", "chosen"}
    again = load_args(EvaluationArgs, project.folder / "alone/chosen_args.yaml")
    assert problems_of(again) == ""
    assert "decodings.contrast is used by no model" in problems_of(
        project.args(models={"M-TS": entry})
    )


def test_a_sweep_of_what_the_data_set_does_not_have(project, problems_of):
    asked = SWEEP | {"condition": {"sentiment": "happy"}, "contrast_weights": {"toxcity": [1.0]}}
    said = problems_of(project.args(sweep=asked))
    assert "sweep.condition: " in said
    assert "sweep.contrast_weights names an attribute that the data set does not have" in said
    assert "Did you mean 'toxicity'?" in said


def test_prompts_of_a_file_that_are_reported_under_another_name(project, tmp_path):
    for name, lines in (("a.txt", "One\nTwo\n"), ("b.txt", "Two\nThree\n")):
        (tmp_path / name).write_text(lines, encoding="utf-8")
    sweep = SWEEP | {"prompts": {"kind": "file", "path": tmp_path / "a.txt"}}
    args = project.args(sweep=sweep, prompts=[{"kind": "file", "path": tmp_path / "b.txt"}])
    with pytest.raises(UserError, match="prompts to choose on are reported as well"):
        evaluate(args, dry_run=True)
