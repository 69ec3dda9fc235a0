"""The benchmark: its machinery on light work, and its parts on tiny models. No timing is asserted."""

from __future__ import annotations

import importlib
import itertools
import json
from types import SimpleNamespace

import pytest

from scripts import benchmark
from scripts.benchmark_parts import (
    contrast,
    generation,
    memory,
    pass_one,
    results_file,
    start_up,
    tagging,
    training,
)
from scripts.benchmark_parts.larger_corpus import write_copies
from scripts.benchmark_parts.pairs import pair_of, table
from scripts.benchmark_parts.part import Options, Part, require
from scripts.benchmark_parts.registry import PARTS
from scripts.benchmark_parts.turns import Readings, Side, interleave
from src.config.dataset import DatasetArgs
from src.config.loading import load_args
from src.config.training import TrainingArgs
from src.errors import ProjectError, UnavailableError
from tests.builders import sentences, tiny_gpt2
from tests.unit.evaluation.conftest import make_attributes, publish_dataset, publish_model
from tests.unit.training.small_data import small_data_set

SIDES = "tests.unit.scripts.benchmark_sides"
PAIR_KEYS = {"work", "against", "ratio", "floor", "repetitions", "device"}


def pair(work=(3.0, 9.0, 6.0), against=(2.0, 4.0, 3.0), *, better="more", floor=2.0, **changes):
    settings = {"unit": "tokens/s", "device": "cpu", "better": better, "floor": floor} | changes
    against = Readings(tuple(against)) if isinstance(against, tuple) else against
    return pair_of("a part", "some work", "a peer", Readings(tuple(work)), against, **settings)


# ------------------------------------------------------------------------------------------- turns


def test_sides_take_turns_in_processes_of_their_own(tmp_path):
    diary = tmp_path / "diary"
    sides = [
        Side(
            name, f"{SIDES}:notes_its_turns", {"name": name, "diary": str(diary), "values": values}
        )
        for name, values in (("work", [3.0, 9.0, 6.0]), ("peer", [2.0, 4.0, 3.0]))
    ]
    read = interleave(sides, 3)
    assert diary.read_text().split() == ["work", "peer"] * 3
    assert read["work"].values == (3.0, 9.0, 6.0)
    assert (read["work"].median, read["peer"].median) == (6.0, 3.0)
    processes = [{said["process"] for said in read[name].facts} for name in ("work", "peer")]
    assert all(len(one) == 1 for one in processes)
    assert processes[0] != processes[1]


def test_sides_of_a_tuple_take_their_turn_at_the_same_time(tmp_path):
    names = ["one", "other"]
    sides = [
        Side(name, f"{SIDES}:meets", {"own": str(tmp_path / name), "others": str(tmp_path / other)})
        for name, other in zip(names, reversed(names), strict=True)
    ]
    read = interleave([tuple(sides)], 1)
    assert [read[name].values for name in names] == [(1.0,), (1.0,)]


def test_a_side_that_fails_is_an_error_with_its_traceback():
    with pytest.raises(ProjectError, match=r"(?s)the work failed.*ValueError: the work went wrong"):
        interleave([Side("the work", f"{SIDES}:fails")], 1)


def test_a_side_whose_process_is_killed_is_an_error():
    with pytest.raises(UnavailableError, match="the work: its process ended before"):
        interleave([Side("the work", f"{SIDES}:ends_early")], 1)


# ------------------------------------------------------------------------------------------- pairs


def test_a_ratio_is_of_medians_and_larger_is_better():
    assert pair().ratio == 2.0
    assert pair(better="less").ratio == 0.5
    assert pair((0.4, 0.5, 0.8), 1.0, better="less").ratio == 2.0
    assert pair((0.4, 0.6)).work_figure == 0.5


@pytest.mark.parametrize("floor,missed", [(2.0, False), (2.01, True), (None, False)])
def test_a_floor_is_missed_below_it(floor, missed):
    one = pair(floor=floor)
    assert one.is_missed is missed
    assert ("MISSED" in table([one])) is missed
    assert "| some work | a peer | 6 tokens/s | 3 tokens/s | 2 |" in table([one])


# ----------------------------------------------------------------------------------- results file


def known(commit="abc", device="cpu"):
    return {**results_file.provenance(device), "commit": commit}


def save(folder, pairs, ran, **changes):
    path = results_file.save(folder, known(**changes), pairs, ran)
    return json.loads(path.read_text())


def test_the_file_says_what_ran_where(tmp_path):
    content = save(tmp_path, [pair(), pair(floor=None)], ["a part"])
    assert set(results_file.PROVENANCE) < set(content)
    assert content["versions"]["torch"]
    assert content["machine"]["cores"] >= 1
    first, second = content["pairs"]
    assert set(first) >= PAIR_KEYS | {"unit", "work_figure", "against_figure", "work_values"}
    assert (first["reached"], second["reached"], second["floor"]) == (True, None, None)
    results_file.draw(tmp_path / results_file.FILE, tmp_path / results_file.PICTURE)
    assert (tmp_path / results_file.PICTURE).read_bytes().startswith(b"\x89PNG")
    assert {p.name for p in tmp_path.iterdir()} == {results_file.FILE, results_file.PICTURE}


def other():
    return pair_of("another part", "w", "p", Readings((1.0,)), 1.0, unit="s", better="less",
                   floor=1.0, device="cpu")  # fmt: skip


@pytest.mark.parametrize(
    "changes,kept",
    [
        ({}, True),
        ({"commit": "another"}, False),
        ({"device": "a GPU"}, False),
        ({"commit": "abc+changes"}, False),
        ({"commit": "unknown"}, False),
    ],
)
def test_pairs_of_other_parts_stay_only_where_they_are_still_true(tmp_path, changes, kept):
    save(tmp_path, [other()], ["another part"])
    content = save(tmp_path, [pair()], ["a part"], **changes)
    names = [one["part"] for one in content["pairs"]]
    assert names == (["another part", "a part"] if kept else ["a part"])


def test_a_part_that_ran_again_or_failed_leaves_no_old_pair(tmp_path):
    save(tmp_path, [other(), pair()], ["another part", "a part"])
    content = save(tmp_path, [pair((1.0,))], ["a part", "another part"])
    assert [(one["part"], one["work_figure"]) for one in content["pairs"]] == [("a part", 1.0)]


# ---------------------------------------------------------------------------------- command line


def test_parts_are_chosen_by_name_in_the_order_of_the_table():
    names = [part.name for part in PARTS]
    assert len(set(names)) == len(names)
    assert [part.name for part in benchmark.chosen_parts([])] == names
    chosen = benchmark.chosen_parts(["generation", "training"])
    assert [part.name for part in chosen] == ["training", "generation"]


def test_a_misspelt_part_gets_a_suggestion(capsys):
    assert benchmark.main(["trainign"]) == 2
    assert "Did you mean 'training'?" in capsys.readouterr().err


def test_what_is_missing_is_said_before_any_work(tmp_path, monkeypatch, capsys):
    def never(_):
        raise AssertionError("work was begun")

    lacking = Part("a_part", "a title", (tmp_path / "assets",), never)
    monkeypatch.setattr(benchmark, "chosen_parts", lambda names: [lacking])
    assert benchmark.main(["--output", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert str(tmp_path / "assets") in said
    assert "bash scripts/quickstart.sh" in said
    assert not (tmp_path / "out").exists()
    (tmp_path / "assets").mkdir()
    require([lacking])


def test_the_list_names_every_part(capsys):
    assert benchmark.main(["--list"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in said] == [part.name for part in PARTS]


def test_no_repetition_is_refused(capsys):
    assert benchmark.main(["start_up", "--repetitions", "0"]) == 2
    assert "--repetitions" in capsys.readouterr().err


def test_a_miss_is_no_failure_and_a_failed_part_loses_no_other(tmp_path, monkeypatch, capsys):
    def breaks(_):
        raise ProjectError("it broke")

    made = [
        Part("fails", "t", (), breaks),
        Part("a part", "t", (), lambda options: [pair(floor=9.0)] * options.repetitions),
    ]
    monkeypatch.setattr(
        benchmark, "chosen_parts", lambda names: [p for p in made if p.name in names]
    )
    output = ["--output", str(tmp_path), "--repetitions", "2", "--device", "cpu"]
    assert benchmark.main(["a part", *output]) == 0
    assert "MISSED" in capsys.readouterr().out
    assert benchmark.main(["fails", "a part", *output]) == 1
    said = capsys.readouterr()
    assert "0 of 2 floors reached" in said.out
    assert "parts that failed: fails" in said.err
    assert len(json.loads((tmp_path / results_file.FILE).read_text())["pairs"]) == 2


# ------------------------------------------------------------------- parts, on tiny real things


class Rounds:
    """A turn without a process: so many rounds."""

    def __init__(self, rounds):
        self.left, self.values, self.facts = rounds, [], []

    def wait(self):
        self.left -= 1
        return self.left >= 0

    def done(self, value, **facts):
        self.values.append(float(value))
        self.facts.append(facts)


def in_this_process(sides, repetitions):
    """`interleave` without processes, which would each import torch."""
    read = {}
    for side in itertools.chain(*(one if isinstance(one, tuple) else (one,) for one in sides)):
        module, name = side.function.split(":")
        rounds = Rounds(repetitions)
        getattr(importlib.import_module(module), name)(rounds, **side.setting)
        read[side.name] = Readings(tuple(rounds.values), tuple(rounds.facts))
    return read


@pytest.fixture(autouse=True)
def here(monkeypatch):
    for module in (contrast, generation, memory, pass_one, start_up, tagging, training):
        monkeypatch.setattr(module, "interleave", in_this_process)
    # It is for a process of its own.
    monkeypatch.setattr("src.runtime.cpu_memory.keep_freed_memory", lambda: True)


def options(tmp_path, repetitions=2):
    return Options(repetitions, "cpu", "cpu, 2 threads", tmp_path)


def corpus(folder, n=240):
    import zstandard

    folder.mkdir()
    rows = [
        {"text": text, "meta": {"document_id": f"d{i}", "pile_set_name": "Tweets"}}
        for i, text in enumerate(dict.fromkeys(sentences(n)))
    ]
    data = "".join(json.dumps(row) + "\n" for row in rows).encode()
    (folder / "Tweets-00000.jsonl.zst").write_bytes(zstandard.ZstdCompressor().compress(data))
    return folder


SMALL_BERT = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "initializer_range": 0.5,  # else so small a model scores every text alike
}


def test_tagging_compares_speed_and_labels_with_detoxify(tmp_path, monkeypatch):
    monkeypatch.setattr(tagging.os, "sched_getaffinity", lambda _: {0}, raising=False)
    folder = corpus(tmp_path / "corpus")
    speed, labels = tagging.measure(options(tmp_path), folder, sentences_per_turn=60, **SMALL_BERT)
    assert (speed.floor, labels.floor, speed.repetitions) == (6.0, 1.0, 2)
    # Other texts each turn: sentences over seconds of all turns.
    assert speed.work_figure == pytest.approx(2 / sum(1 / one for one in speed.work_values))
    facts = speed.facts
    assert facts["sentences"] == 120
    assert (
        0.2 < facts["above_threshold"] < 0.8
    )  # a threshold on one side of all would flip no label
    assert facts["label_flips"] == 0
    assert 0 < facts["largest_difference"] < 0.1


def test_training_runs_all_four_sides_on_the_same_sentences(tmp_path):
    base = tiny_gpt2(tmp_path / "base")
    dataset = small_data_set(tmp_path / "data", base, train=200)
    shape = {"n_embd": 32, "n_layer": 2, "n_head": 2, "vocab_size": 900}
    sizes = {"steps_per_turn": 1, "batch_sentences": 8}
    pairs = training.measure(options(tmp_path), dataset, base, **sizes, **shape)
    assert [one.floor for one in pairs] == [7.0, 1.3, 0.65]
    assert all(one.repetitions == 2 and one.ratio > 0 for one in pairs)
    facts = pairs[2].facts
    assert facts["head_weights"] == 32 * 900
    assert facts["block_weights"] == facts["parameters"] - 32 * (900 + 1024)
    assert [turn["sentences"] for turn in facts["turns"]] == [8, 8]


def test_flops_are_counted_as_said():
    facts = {"block_weights": 1000, "head_weights": 50, "layers": 2, "width": 8}
    said = {"useful": 40, "read": 60, "sentences": 6}
    per_read = 6 * 1000 + 12 * 2 * 8 * 10
    assert training.flops_per_useful_token(said, facts) == per_read * 1.5 + 6 * 50


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """(data set, run): a tiny model with control tokens."""
    folder = tmp_path_factory.mktemp("trained")
    base, attributes = tiny_gpt2(folder / "base"), make_attributes()
    run = publish_model(folder / "run", base, attributes)
    manifest = json.loads((run / "manifest.json").read_text())
    dataset = publish_dataset(folder / "data", attributes, manifest["tokenizer"]["fingerprint"])
    return dataset, run


def test_generation_measures_generate_with_the_same_arguments(tmp_path, trained):
    pairs = generation.measure(options(tmp_path), *trained, n_prompts=4, new_tokens=5)
    assert [one.floor for one in pairs] == [2.5, 2.5, None]
    assert ["0.7" in one.work for one in pairs] == [True, False, False]
    assert all(0 < n <= 4 * 5 for one in pairs for n in one.facts["tokens"])


def test_contrast_is_measured_against_plain_sampling(tmp_path, trained):
    together, each = contrast.measure(options(tmp_path), *trained, n_prompts=4, new_tokens=3)
    assert (together.floor, each.floor) == (pytest.approx(1 / 2.2), None)
    assert together.facts["times_slower"] == pytest.approx(1 / together.ratio)


def overrides(tmp_path):
    tokenizer = tiny_gpt2(tmp_path / "tokenizer")
    return (f"tokenizer.base={tokenizer}", "context_length=64", "min_words=4", "executor.workers=1")


def test_pass_one_reports_where_the_time_goes(tmp_path, monkeypatch):
    monkeypatch.setattr(pass_one, "TASKS", 1)
    from src.attributes.scorer import Scorer
    from src.dataset.pass_one import steps

    for place, name in ((Scorer, "score"), (steps, "split_sentences")):
        monkeypatch.setattr(place, name, getattr(place, name))  # put back what the part replaces
    folder = corpus(tmp_path / "small corpus")
    two, both, outside = pass_one.measure(
        options(tmp_path), folder, times=2, overrides=overrides(tmp_path)
    )
    assert (two.floor, outside.floor, outside.against_figure) == (1.8, 1.0, 0.25)
    assert two.work_values == both.work_values
    facts = outside.facts
    assert facts["scorers"] > 0 < facts["splitting"]
    assert outside.work_values[0] == pytest.approx(1 - facts["scorers"] - facts["splitting"])


def test_what_two_runs_at_once_do_is_added_up():
    rates = {"two_workers": 8.0, "one_worker": 5.0, "one_run": 4.0, "another_run": 6.0}
    read = {name: Readings((rate,)) for name, rate in rates.items()}
    read["one_worker_watched"] = Readings((0.5,), ({"seconds": 1.0},))
    two, both, _ = pass_one._pairs(read)
    assert (two.ratio, both.against_values, both.ratio) == (1.6, (10.0,), 0.8)


def test_copies_have_document_ids_of_their_own(tmp_path):
    from scripts.benchmark_parts.corpus import corpus_texts

    folder = corpus(tmp_path / "corpus", 10)
    copies = write_copies(folder, tmp_path / "copies", 3)
    assert len(list(copies.iterdir())) == 3
    assert sorted(corpus_texts(copies)) == sorted(corpus_texts(folder) * 3)


def test_memory_is_of_the_whole_family_of_processes(tmp_path):
    child = "import time; x = b'1' * (60 << 20); time.sleep(0.5)"
    script = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    import sys

    alone = memory._peak_megabytes([sys.executable, "-c", "import time; time.sleep(0.3)"])
    assert memory._peak_megabytes([sys.executable, "-c", script]) > alone + 60
    with pytest.raises(ProjectError, match="no such thing"):
        memory._peak_megabytes([sys.executable, "-c", "raise SystemExit('no such thing')"])


def test_start_up_takes_the_slowest_main(tmp_path, monkeypatch):
    seconds = {"main_dataset_create.py": 0.2, "main_train.py": 0.5, "main_evaluate.py": 0.3}

    def fake(command, **_):
        return SimpleNamespace(returncode=0 if "--help" in command else 2, stderr="")

    monkeypatch.setattr(start_up.subprocess, "run", fake)
    monkeypatch.setattr(start_up, "_seconds", lambda command, _: seconds[command[1]])
    pairs = start_up.measure(options(tmp_path))
    assert ["main_train.py" in one.work for one in pairs] == [True, True]
    assert [one.ratio for one in pairs] == [2.0, 2.0]


def test_a_main_that_ends_otherwise_is_a_failure():
    import sys

    with pytest.raises(ProjectError, match="ended otherwise than expected"):
        start_up._seconds([sys.executable, "-c", "raise SystemExit(3)"], 0)


def test_what_the_parts_need_is_what_the_demo_makes():
    dataset = load_args(DatasetArgs, start_up.ROOT / "args/args_dataset_demo")
    training = load_args(TrainingArgs, start_up.ROOT / "args/args_train_demo_toxsen")
    made = {dataset.source.path, str(dataset.output), training.model.name, str(training.output)}
    assert {str(path) for part in PARTS for path in part.needs} == made
