from pathlib import Path

import pytest

from src.config.evaluation import EvaluationArgs
from src.config.loading import load_args
from src.evaluation.plan.cells import build_cells, condition_title
from src.evaluation.plan.conditions import with_all_conditions
from tests.unit.evaluation.conftest import make_attributes

ARGS = Path(__file__).resolve().parents[3] / "args"
SHIPPED = sorted(ARGS.glob("args_evaluate_*.yaml"))


def cells_of(name):
    args = load_args(EvaluationArgs, ARGS / name)
    trained_on = dict.fromkeys(args.models, ("toxicity", "sentiment"))
    args, _ = with_all_conditions(args, make_attributes(), trained_on)
    sources = {source.name: source.kind for source in args.prompts}
    known = {name: entry.trainings for name, entry in args.models.items()}
    known = {name: list(map(str, paths)) for name, paths in known.items()}
    return build_cells(args, ("toxicity", "sentiment"), known, sources)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_file_opens_with_its_command_and_uses_all_it_names(path):
    first = path.read_text(encoding="utf-8").splitlines()[0]
    assert first == f"# python main_evaluate.py args/{path.stem}"
    args, cells = load_args(EvaluationArgs, path), cells_of(path.name)
    assert {cell.decoding for cell in cells} == set(args.decodings)
    assert {cell.model for cell in cells} == set(args.models)


def test_the_papers_settings():
    main1 = load_args(EvaluationArgs, ARGS / "args_evaluate_main1")
    main2 = load_args(EvaluationArgs, ARGS / "args_evaluate_main2")
    sample = main1.decodings["sample"]
    assert (sample.top_p, sample.top_k, sample.temperature) == (0.7, 0, 1.0)
    assert (sample.min_length, sample.max_length) == (40, 70)
    assert main1.prompts[0].count == 400
    assert main1.placement == "after_prompt"
    changed = {"output": main1.output, "decodings": main1.decodings}
    assert main2.decodings["sample"].top_p == 0.99
    assert main2.model_copy(update=changed) == main1


def test_main1_has_every_cell_of_the_papers_tables():
    asked = {
        (cell.model, condition_title(cell.condition)) for cell in cells_of("args_evaluate_main1")
    }
    table_2 = {("M-B", "nontoxic"), ("M-T", "nontoxic"), ("M-TS", "nontoxic")}
    table_4 = {("M-B", "pos"), ("M-S", "pos"), ("M-TS", "pos")}
    table_5 = {(model, "nontoxic + pos") for model in ("M-B", "M-T", "M-S", "M-TS")}
    plain = {(model, "no condition") for model in ("M-B", "M-T", "M-S", "M-TS")}
    assert table_2 | table_4 | table_5 | plain <= asked
