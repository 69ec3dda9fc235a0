"""From args files to typed args: what wins, and what a person reads when something is wrong."""

import contextlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.config.dataset import DatasetArgs
from src.config.evaluation import EvaluationArgs
from src.config.loading import load_args, merged
from src.config.training import TrainingArgs
from src.errors import ArgsError

TRAIN = """\
output: models/x
dataset: data/x
model: {name: gpt2}
condition_on: [toxicity]
optimisation:
  learning_rate: 5e-4
"""


def write(folder, name, text):
    path = folder / f"{name}.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def problems(model, file, overrides=()):
    with pytest.raises(ArgsError) as raised:
        load_args(model, file, overrides)
    return "\n".join(raised.value.problems)


def test_the_ending_may_be_left_out_and_numbers_are_numbers(tmp_path):
    write(tmp_path, "run", TRAIN)
    args = load_args(TrainingArgs, tmp_path / "run")
    assert args == load_args(TrainingArgs, tmp_path / "run.yaml")
    assert args.optimisation.learning_rate == 5e-4
    assert args.condition_on == ("toxicity",)


def test_later_wins_defaults_extends_file_command_line(tmp_path):
    write(tmp_path, "base", TRAIN + "  epochs: 2\n  weight_decay: 0.3\nseed: 1\n")
    write(tmp_path, "child", "extends: base\nseed: 2\noptimisation:\n  epochs: 3\n")
    args = load_args(TrainingArgs, tmp_path / "child", ["optimisation.epochs=4.5", "seed=7"])
    assert args.optimisation.warmup_ratio == 0.01  # default
    assert args.optimisation.weight_decay == 0.3  # extends
    assert load_args(TrainingArgs, tmp_path / "child").optimisation.epochs == 3  # file
    assert (args.optimisation.epochs, args.seed) == (4.5, 7)  # command line


def test_extends_several_and_chains_and_circles(tmp_path):
    write(tmp_path, "a", TRAIN)
    write(tmp_path, "b", "seed: 5\n")
    write(tmp_path, "c", "extends: [a, b.yaml]\n")
    write(tmp_path, "d", "extends: c\n")
    assert load_args(TrainingArgs, tmp_path / "d").seed == 5
    write(tmp_path, "x", "extends: y\n")
    write(tmp_path, "y", "extends: x\n")
    assert "extends itself" in problems(TrainingArgs, tmp_path / "x")
    write(tmp_path, "z", "extends: aa\n" + TRAIN)
    text = problems(TrainingArgs, tmp_path / "z")
    assert "z.yaml:1" in text
    assert "no such args file" in text


def test_all_problems_at_once_with_file_line_key_and_suggestion(tmp_path):
    text = (
        TRAIN.replace("condition_on", "conditon_on")
        + "  epochs: -1\n  lr_scheduler: cosin\nseed: '3'\n"
    )
    found = problems(TrainingArgs, write(tmp_path, "run", text))
    assert "run.yaml:4: conditon_on: unknown key" in found
    assert "Did you mean 'condition_on'?" in found
    assert "condition_on: missing (attributes whose tokens stand before the sentences" in found
    assert "run.yaml:7: optimisation.epochs" in found
    assert "got -1" in found
    assert "run.yaml:8: optimisation.lr_scheduler" in found
    assert "Did you mean 'cosine'?" in found
    assert "run.yaml:9: seed" in found
    assert "got '3'" in found
    assert len(found.splitlines()) == 5


def test_a_duplicate_key_is_listed_beside_the_other_problems(tmp_path):
    found = problems(TrainingArgs, write(tmp_path, "run", TRAIN + "seed: 1\nseed: 2\nsed: 3\n"))
    assert "run.yaml:8: seed: duplicate key, already set in line 7" in found
    assert "run.yaml:9: sed: unknown key" in found


@pytest.mark.parametrize(
    "override,part",
    [
        ("optimisation.learning_rat=1", "command line: optimisation.learning_rat: unknown key"),
        ("seed", "not of the form key.sub=value"),
        ("seed.x=1", "command line: seed.x=1: seed is 3 and holds no keys"),
        ("condition_on.7=a", "is a list of 1"),
        ("seed=[1", "not valid YAML"),
        ("optimisation=3", "optimisation: input should be an object"),
        ("seed=.nan", "seed"),
        ("optimisation.learning_rate=.nan", "optimisation.learning_rate: input should be"),
        ("optimisation.learning_rate=.inf", "optimisation.learning_rate: input should be"),
        ("optimisation.learning_rate=true", "optimisation.learning_rate: input should be"),
    ],
)
def test_bad_overrides_name_the_command_line(tmp_path, override, part):
    file = write(tmp_path, "run", TRAIN + "seed: 3\n")
    assert part in problems(TrainingArgs, file, [override])


def test_overrides_reach_into_lists_and_new_sections(tmp_path):
    file = write(tmp_path, "run", TRAIN)
    args = load_args(TrainingArgs, file, ["condition_on.0=sentiment", "checkpoints.keep=2"])
    assert args.condition_on == ("sentiment",)
    assert args.checkpoints.keep == 2


def test_a_null_takes_a_mapping_away_on_the_command_line_as_in_a_file():
    demo = "args/args_dataset_demo.yaml"
    assert load_args(DatasetArgs, demo).source.human_ratings
    without = load_args(DatasetArgs, demo, ["source.human_ratings=null"])
    assert without.source.human_ratings == {}
    one = load_args(DatasetArgs, demo, ["source.human_ratings=null", "attributes.sentiment=null"])
    assert list(one.attributes) == ["toxicity"]
    with pytest.raises(ArgsError, match="output"):
        load_args(DatasetArgs, demo, ["output=null"])


@pytest.mark.parametrize(
    "url", ["s3://bucket/run", "hf://datasets/a/b", "memory://x", "file:///tmp/x"]
)
def test_an_output_that_is_a_url_is_refused_and_never_a_local_folder_of_that_name(url):
    with pytest.raises(ArgsError, match=r"output.*is a URL.*set a local or mounted folder"):
        load_args(DatasetArgs, "args/args_dataset_demo.yaml", [f"output={url}"])


def test_a_file_that_is_not_there_names_the_nearest(tmp_path):
    write(tmp_path, "args_train_tox", TRAIN)
    assert "did you mean" in problems(TrainingArgs, tmp_path / "args_train_txo")
    assert "args_train_tox" in problems(TrainingArgs, tmp_path / "qqq")
    assert "holds no args file" in problems(TrainingArgs, tmp_path / "nowhere" / "x")


@pytest.mark.parametrize("text", ["", "# nothing\n", "- a\n", "just words\n", "\xff\xfe"])
def test_an_empty_or_shapeless_file_is_an_error_with_lines(tmp_path, text):
    path = tmp_path / "run.yaml"
    path.write_bytes(text.encode("latin-1"))
    assert "run.yaml" in problems(TrainingArgs, path) or "missing" in problems(TrainingArgs, path)


DATASET = """\
output: data/x
source: {kind: files, path: corpus}
tokenizer: {base: gpt2}
validation: {document_share: 0.1, sentences: 40}
attributes:
  toxicity:
    scorer: {name: profanity_check}
    labels: [nontoxic, toxic]
    edges: [0.1]
    desired: nontoxic
"""


@pytest.mark.parametrize(
    "override,part",
    [
        ("attributes.toxicity.labels=[a]", "at least 2"),
        ("attributes.toxicity.labels=[nontoxic, nontoxic]", "labels must differ"),
        ("attributes.toxicity.labels=['non toxic', toxic]", "no spaces"),
        ("attributes.toxicity.edges=[0.1, 0.2]", "2 labels need 1 edges, got 2"),
        ("attributes.toxicity.quantiles=[0.5]", "either edges or quantiles"),
        ("attributes.toxicity.edges=null", "either edges or quantiles"),
        ("attributes.toxicity.desired=pos", "desired 'pos' is not one of the labels"),
        ("attributes.toxicity.scorer.name=detoxfy", "Did you mean 'detoxify'?"),
        ("attributes.toxicity.scorer.head=x", "has no option 'head'"),
        (
            "attributes.joint={scorer: {name: vader}, labels: [x, y], edges: [0], desired: x}",
            "joint",
        ),
        (
            "attributes.b={scorer: {name: vader}, labels: [toxic, y], edges: [0], desired: y}",
            "both",
        ),
        ("source={kind: fils, path: x}", "Did you mean 'files'?"),
        ("source={kind: hub, path: x, sentences_key: texts}", "exactly one of text_key"),
        ("source.patern=x", "Did you mean 'pattern'?"),
        ("validation.min_words=30", "min_words 30 is above max_words 16"),
        ("cleaning=papr", "Did you mean 'paper'?"),
    ],
)
def test_what_does_not_fit_together_in_a_data_set(tmp_path, override, part):
    file = write(tmp_path, "run", DATASET)
    assert load_args(DatasetArgs, file).attributes["toxicity"].edges == (0.1,)
    assert part in problems(DatasetArgs, file, [override])


def test_another_kind_of_source_replaces_the_whole_source():
    files = {"source": {"kind": "files", "path": "x", "pattern": "*"}, "seed": 1}
    hub = {"source": {"kind": "hub", "path": "y"}}
    assert merged(files, hub) == {"source": {"kind": "hub", "path": "y"}, "seed": 1}
    assert merged(files, {"source": {"path": "z"}})["source"]["pattern"] == "*"
    assert merged(files, {"source": None, "seed": None}) == {"seed": None}


EVALUATION = """\
output: results/x
dataset: data/x
models: {M-B: {path: models/x}}
prompts: [{kind: unprompted, count: 5}]
decodings: {sample: {top_p: 0.9}}
"""


@pytest.mark.parametrize(
    "override,part",
    [
        ("models.M-B.decodings=[smple]", "'smple' is not one of ['sample']"),
        ("prompts.0.kind=unpromptd", "Did you mean 'unprompted'?"),
        ("prompts.0.cont=3", "Did you mean 'count'?"),
        ("prompts=[{kind: unprompted, count: 1}, {kind: unprompted, count: 2}]", "same name"),
        ("decodings.sample.top_p=0", "greater than 0"),
        ("decodings.sample.min_length=50", "min_length 50 is above max_length 40"),
        ("models={}", "models"),
        ("models.a/b={path: x}", "name 'a/b'"),
    ],
)
def test_what_does_not_fit_together_in_an_evaluation(tmp_path, override, part):
    file = write(tmp_path, "run", EVALUATION)
    assert load_args(EvaluationArgs, file).batch_size == 50
    assert part in problems(EvaluationArgs, file, [override])


@settings(max_examples=60, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
        ),
        max_leaves=8,
    ),
    st.sampled_from(
        ["source", "attributes", "validation", "seed", "attributes.toxicity.scorer", "executor"]
    ),
)
def test_any_value_anywhere_is_used_or_refused_with_one_kind_of_error(tmp_path_factory, value, key):
    file = write(tmp_path_factory.mktemp("fuzz"), "run", DATASET)
    # Anything but ArgsError would fail the test.
    with contextlib.suppress(ArgsError):
        load_args(DatasetArgs, file, [f"{key}={json.dumps(value)}"])


EVALUATE = """\
output: results/x
dataset: data/x
prompts: [{kind: unprompted, count: 3}]
decodings: {sample: {}}
models:
  M-TS:
    path: models/x
"""


def test_conditions_are_a_list_or_all(tmp_path):
    write(tmp_path, "all", EVALUATE + "    conditions: all\n")
    args = load_args(EvaluationArgs, tmp_path / "all")
    assert args.models["M-TS"].conditions == "all"
    assert EvaluationArgs.model_validate_json(args.model_dump_json()) == args
    write(tmp_path, "some", EVALUATE + "    conditions: [{}, {toxicity: nontoxic}]\n")
    some = load_args(EvaluationArgs, tmp_path / "some")
    assert some.models["M-TS"].conditions == ({}, {"toxicity": "nontoxic"})
    overridden = load_args(EvaluationArgs, tmp_path / "some", ["models.M-TS.conditions=all"])
    assert overridden == args


def test_a_mistake_in_conditions_is_told_once(tmp_path):
    write(tmp_path, "near", EVALUATE + "    conditions: al\n")
    said = problems(EvaluationArgs, tmp_path / "near")
    assert said.endswith(
        "near.yaml:8: models.M-TS.conditions: not one of the values; got 'al'; allowed: all. "
        "Did you mean 'all'?"
    )
    write(tmp_path, "number", EVALUATE + "    conditions: [{toxicity: 1}]\n")
    said = problems(EvaluationArgs, tmp_path / "number")
    assert said.count("models.M-TS.conditions.0.toxicity: ") == 1
    assert said.count("\n") == 0


STAGES = {
    "dataset": (DatasetArgs, DATASET),
    "train": (TrainingArgs, TRAIN),
    "evaluate": (EvaluationArgs, EVALUATION),
}
# Stage, what is typed, and what is asked back.
MISPLACED = [
    ("train", "learning_rate=1e-4", "optimisation.learning_rate? Or control_tokens.learning_rate?"),
    ("train", "precision=bf16", "optimisation.precision?"),
    ("train", "optimisation.seed=1", "seed at the top level?"),
    ("train", "optimisation.model.name=x", "model at the top level?"),
    ("train", "model.learning_rate=1", "optimisation.learning_rate? Or control_tokens"),
    ("train", "training.max_steps=3", "optimisation.max_steps?"),
    ("dataset", "document_share=0.1", "validation.document_share?"),
    ("dataset", "source.cleaning=paper", "cleaning at the top level?"),
    ("dataset", "source.labels=[a, b]", "attributes.<name>.labels?"),
    ("dataset", "partition=gpu", "executor.slurm.partition?"),
    ("dataset", "source.split=test", "'split' of kind 'hub'?"),
    ("dataset", "attributes.labels=[a, b]", "attributes.<name>.labels?"),
    ("evaluate", "checkpoint=final", "models.<name>.checkpoint?"),
    ("evaluate", "prompts.0.top_p=1", "decodings.<name>.top_p? Or sweep.top_p?"),
    ("evaluate", "models.M-B.text_key=x", "prompts.<n>.text_key? Or selection_prompts.text_key?"),
    ("evaluate", "models.M-B.batch_size=3", "batch_size at the top level?"),
    ("evaluate", "decodings.top_p=0.5", "decodings.<name>.top_p?"),
    ("evaluate", "model=x", "'models'?"),  # nearer than sweep.model, which has the very name
]
MISSPELT = [
    ("train", "lerning_rate=1", "optimisation.learning_rate? Or control_tokens.learning_rate?"),
    ("train", "lr=1", "optimisation.learning_rate? Or control_tokens.learning_rate?"),
    ("train", "control_tokens.lerning_rate=1", "'learning_rate'?"),
    ("train", "optimizer.x=1", "'optimisation'?"),
    ("train", "model.sed=1", "seed at the top level?"),
    ("dataset", "source.text_ky=x", "'text_key'?"),
    ("dataset", "document_shares=0.1", "validation.document_share?"),
    ("evaluate", "models.M-B.top_pp=1", "decodings.<name>.top_p? Or sweep.top_p?"),
    ("evaluate", "selection_prompts={kind: validation, cont: 3}", "'count'?"),
    ("evaluate", "choose.againts=M-B", "'against'?"),
    ("evaluate", "sweep.condtion={}", "'condition'?"),
]


@pytest.mark.parametrize("stage,override,hint", MISPLACED + MISSPELT)
def test_a_key_at_the_wrong_level_is_told_its_place(tmp_path, stage, override, hint):
    model, text = STAGES[stage]
    said = problems(model, write(tmp_path, "run", text), [override])
    assert f" Did you mean {hint}" in said
    assert [line for line in said.splitlines() if "missing" not in line] == [
        line for line in said.splitlines() if "Did you mean" in line
    ]


@pytest.mark.parametrize(
    "stage,line,hint",
    [
        ("train", "learning_rate: 1e-4", "7: learning_rate: unknown key. Did you mean optimisation."),
        ("train", "  seed: 1", "7: optimisation.seed: unknown key. Did you mean seed at the top"),
        ("dataset", "    seed: 1", "11: attributes.toxicity.seed: unknown key. Did you mean seed at"),
        ("evaluate", "top_k: 4", "6: top_k: unknown key. Did you mean decodings.<name>.top_k?"),
        ("train", "model.name: x", "7: model.name: unknown key. In a file, write model: {name: …}"),
    ],
)  # fmt: skip
def test_so_is_one_in_a_file(tmp_path, stage, line, hint):
    model, text = STAGES[stage]
    assert f"run.yaml:{hint}" in problems(model, write(tmp_path, "run", f"{text}{line}\n"))


def test_the_keys_allowed_are_listed_where_one_of_them_may_be_meant(tmp_path):
    file = write(tmp_path, "run", TRAIN)
    for elsewhere in ("learning_rate", "lerning_rate"):
        assert "llowed" not in problems(TrainingArgs, file, [f"{elsewhere}=1"])
    said = problems(TrainingArgs, file, ["model.revison=1"])
    assert said.endswith("Did you mean 'revision'? Allowed: name, revision, from_scratch.")
    said = problems(TrainingArgs, file, ["model.zzz=1"])
    assert said.endswith("model.zzz: unknown key; allowed: name, revision, from_scratch.")
    file = write(tmp_path, "sweep", EVALUATION)
    assert "sweep.zzz: unknown key; allowed: model, condition" in problems(
        EvaluationArgs, file, ["sweep.zzz=1"]
    )


def test_a_list_says_how_its_items_are_named(tmp_path):
    file = write(tmp_path, "run", EVALUATION)
    assert "the first is prompts.0" in problems(EvaluationArgs, file, ["prompts.count=3"])


@pytest.mark.parametrize(
    "override,near",
    [
        ("optimisation.precision=bfloat16", "bf16"),
        ("optimisation.precision=torch.bfloat16", "bf16"),
        ("optimisation.precision=BF16", "bf16"),
        ("optimisation.precision=float16", "fp16"),
        ("optimisation.precision=half", "fp16"),
        ("optimisation.precision=float32", "fp32"),
        ("optimisation.precision=float", "fp32"),
        ("parallel.strategy=ddp", "data_parallel"),
        ("parallel.strategy=FSDP", "fsdp"),
        ("optimisation.precision=int8", None),
        ("optimisation.precision=float64", None),
        ("optimisation.precision=double", None),
        ("optimisation.lr_scheduler=polynomial", None),
        ("foo=1", None),
        ("model.temperature=1", None),
        ("optimisation.beta1=1", None),
        ("verbose=1", None),
        ("workers=1", None),
    ],
)
def test_hints_of_values_and_no_silly_ones(tmp_path, override, near):
    said = problems(TrainingArgs, write(tmp_path, "run", TRAIN), [override])
    assert said.partition("Did you mean ")[2] == (f"{near!r}?" if near else "")
