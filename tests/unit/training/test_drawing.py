"""Which sentences are drawn: as they come, or equally from the combinations of labels."""

import json
from collections import Counter

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from src.config.training import OptimisationArgs
from src.errors import UserError
from src.published.data_set import rows_of
from src.training.drawing import Drawn, count_combinations, plan_drawing, share_equally
from src.training.run import train
from tests.unit.training.small_data import rows, small_attributes, training_args

BOTH = ("nontoxic", "pos")


@pytest.fixture(scope="module")
def attributes():
    return small_attributes()


@pytest.fixture(scope="module")
def skewed(tmp_path_factory):
    """200 sentences in two shards: 12 nontoxic + pos, the rest of the other three combinations."""
    folder = tmp_path_factory.mktemp("skewed")
    made = [
        row
        for row in rows("train", 1000)
        if (row["labels"]["toxicity"], row["labels"]["sentiment"]) != BOTH
        or row["id"].endswith(("10", "50"))
    ][:200]
    for shard in (0, 1):
        table = pa.Table.from_pylist(made[shard::2])
        pq.write_table(table, folder / f"train-{shard:05d}.parquet", row_group_size=30)
    return folder


def wanted(**options):
    return OptimisationArgs(learning_rate=1e-3, **options)


def drawn(folder, attributes, seed=0, **options):
    """Times of each sentence that is drawn, and of each combination."""
    drawing = plan_drawing(folder, attributes, wanted(**options))
    draw = Drawn(folder, attributes, drawing, seed)
    found = {
        row["id"]: (draw.times(row), tuple(row["labels"].values()))
        for row in rows_of(folder, "train", ["id", "labels"])
    }
    by_combination = Counter()
    for times, combination in found.values():
        by_combination[combination] += times
    assert sum(by_combination.values()) == drawing.sentences
    return {name: times for name, (times, _) in found.items() if times}, by_combination


def test_combinations_are_counted_over_all_files(skewed, attributes):
    counts = count_combinations(skewed, attributes)
    labels = [tuple(row["labels"].values()) for row in rows_of(skewed, "train", ["labels"])]
    assert counts == Counter(labels)
    assert list(counts) == [("nontoxic", "neg"), BOTH, ("toxic", "neg"), ("toxic", "pos")]
    assert 0 < counts[BOTH] < 20


@pytest.mark.parametrize(
    "total, capacities, quotas",
    [
        (12, (9, 9, 9), (4, 4, 4)),
        (13, (9, 9, 9), (4, 4, 5)),
        (12, (2, 9, 9), (2, 5, 5)),
        (12, (9, 1, 3), (8, 1, 3)),
        (30, (9, 1, 3), (9, 1, 3)),
        (0, (9, 1), (0, 0)),
    ],
)
def test_what_one_cannot_give_the_others_do(total, capacities, quotas):
    assert (
        tuple(share_equally(total, {(str(i),): n for i, n in enumerate(capacities)}).values())
        == quotas
    )


def test_a_balanced_draw_has_as_many_of_each_repeated_no_more_than_allowed(skewed, attributes):
    have = count_combinations(skewed, attributes)[BOTH]
    times, by_combination = drawn(
        skewed, attributes, draw="balanced", max_sentences=80, most_repeats=4
    )
    assert sum(by_combination.values()) == 80
    assert max(by_combination.values()) - min(by_combination.values()) <= 1
    assert max(times.values()) == -(-20 // have)
    _, few = drawn(skewed, attributes, draw="balanced", max_sentences=80, most_repeats=1)
    assert few[BOTH] == have < 20
    assert sum(few.values()) == 80


def test_a_natural_draw_is_as_the_data_are(skewed, attributes):
    times, by_combination = drawn(skewed, attributes, max_sentences=80)
    assert set(times.values()) == {1}
    assert by_combination[BOTH] < 14
    every, _ = drawn(skewed, attributes)
    assert len(every) == 200
    more, _ = drawn(skewed, attributes, max_sentences=999)
    assert more == every


@pytest.mark.parametrize("draw", ["natural", "balanced"])
def test_a_larger_draw_holds_a_smaller_and_a_seed_draws_its_own(skewed, attributes, draw):
    small, large = (drawn(skewed, attributes, draw=draw, max_sentences=n)[0] for n in (40, 100))
    assert all(large.get(name, 0) >= times for name, times in small.items())
    assert drawn(skewed, attributes, draw=draw, max_sentences=40)[0] == small
    assert drawn(skewed, attributes, seed=1, draw=draw, max_sentences=40)[0] != small


def test_it_is_said_which_combination_is_too_rare(skewed, attributes):
    (said,) = plan_drawing(skewed, attributes, wanted()).describe()
    assert said.startswith("rare: nontoxic + pos is ")
    assert "draw=balanced" in said
    equally, *rare = plan_drawing(
        skewed, attributes, wanted(draw="balanced", max_sentences=80)
    ).describe()
    assert "nontoxic + pos 20 of " in equally
    assert rare == []
    _, rare = plan_drawing(
        skewed, attributes, wanted(draw="balanced", max_sentences=80, most_repeats=1)
    ).describe()
    assert "most_repeats" in rare


def test_models_from_before_there_was_a_draw_are_still_done(gpt2, tmp_path):
    natural = training_args(tmp_path / "run", gpt2[1], gpt2[0])
    assert not {"draw", "most_repeats"} & set(natural.what_is_trained()["optimisation"])
    options = {"learning_rate": 1e-3, "draw": "balanced"}
    balanced = training_args(tmp_path / "run", gpt2[1], gpt2[0], optimisation=options)
    assert balanced.what_is_trained()["optimisation"]["most_repeats"] == 4


def test_a_run_says_what_it_drew(gpt2, tmp_path):
    optimisation = {
        "learning_rate": 1e-3, "batch_sentences": 8, "max_steps": 2, "max_sentences": 40, "draw": "balanced",
    }  # fmt: skip
    args = training_args(tmp_path / "run", gpt2[1], gpt2[0], optimisation=optimisation)
    assert "drawn equally: nontoxic + neg 10, " in train(args, dry_run=True)
    train(args)
    manifest = json.loads((tmp_path / "run/manifest.json").read_text())
    assert set(manifest["drawn"].values()) == {10}


# ------------------------------------------------------------------------------------------ hold out


def plan_without(folder, attributes, *hold_out, **options):
    return plan_drawing(folder, attributes, wanted(**options), hold_out)


@pytest.mark.parametrize("options", [{}, {"max_sentences": 60}, {"draw": "balanced"}])
def test_a_combination_held_out_is_never_drawn(skewed, attributes, options):
    held_out = {"toxicity": "toxic", "sentiment": "neg"}
    drawing = plan_without(skewed, attributes, held_out, **options)
    draw = Drawn(skewed, attributes, drawing, seed=0)
    times = Counter()
    for row in rows_of(skewed, "train", ["id", "labels"]):
        times[tuple(row["labels"].values())] += draw.times(row)
    assert times["toxic", "neg"] == 0
    assert sum(times.values()) == drawing.sentences
    assert set(drawing.available) == {
        ("nontoxic", "neg"), ("nontoxic", "pos"), ("toxic", "pos"),
    }  # fmt: skip
    n = count_combinations(skewed, attributes)["toxic", "neg"]
    assert drawing.describe()[0] == f"held out: toxic + neg ({n} sentences)"


def test_one_label_holds_out_all_its_combinations(skewed, attributes):
    drawing = plan_without(skewed, attributes, {"toxicity": "toxic"})
    assert [c[0] for c in drawing.available] == ["nontoxic", "nontoxic"]


def test_the_manifest_says_what_was_held_out_and_a_wrong_label_is_an_error(gpt2, tmp_path):
    base, data = gpt2
    asked = {"toxicity": "toxic", "sentiment": "pos"}
    short = {"learning_rate": 1e-3, "max_steps": 2}
    train(training_args(tmp_path / "m", data, base, hold_out=(asked,), optimisation=short))
    assert json.loads((tmp_path / "m/manifest.json").read_text())["hold_out"] == [asked]
    with pytest.raises(UserError, match="Did you mean 'toxic'"):
        train(training_args(tmp_path / "n", data, base, hold_out=({"toxicity": "toxc"},)))
    with pytest.raises(ValueError, match="would hold out every sentence"):
        training_args(tmp_path / "n", data, base, hold_out=({},))
