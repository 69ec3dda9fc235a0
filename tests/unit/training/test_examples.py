"""From rows to batches: what is rendered, what is drawn, in what order."""

from collections import Counter

import numpy as np
import pytest

from src.artifacts.manifest import Manifest, read_manifest
from src.errors import ArtifactError, DataError, UnavailableError
from src.models.control_tokens import load_tokenizer
from src.models.target_nll import NO_TARGET
from src.published.data_set import rows_of
from src.training.examples import Examples, order_of_epoch
from src.training.sentences import Sentences, open_sentences, write_sentences
from tests.unit.training.small_data import rows, small_attributes


@pytest.fixture(scope="module")
def attributes():
    return small_attributes()


@pytest.fixture(scope="module")
def tokenizer(gpt2, attributes):
    return load_tokenizer(str(gpt2[0]), attributes)


def once(row):
    return 1


def read(folder, dataset, tokenizer, attributes, times=once):
    """Written by one call and mapped by another, as the processes of a training do."""
    made = read_manifest(dataset, "dataset")
    write_sentences(folder, made, tokenizer, attributes, times)
    return open_sentences(folder)


def ids_of(sentences):
    return [sentences.id(row) for row in range(len(sentences))]


@pytest.fixture(scope="module")
def sentences(gpt2, tokenizer, attributes, tmp_path_factory):
    return read(tmp_path_factory.mktemp("read") / "s", gpt2[1], tokenizer, attributes)


def examples(
    sentences, tokenizer, attributes, condition_on=("toxicity", "sentiment"), dropout=None
):
    return Examples(sentences, tokenizer, attributes, condition_on, dropout or {}, seed=0)


def spelled(tokenizer, example):
    return tokenizer.decode(example["input_ids"])


def test_every_row_is_read_in_order_as_its_tokens(sentences, tokenizer):
    made = rows("train", 120)
    assert ids_of(sentences) == [row["id"] for row in made]
    for i in (0, 59, 60, 119):  # also across the two shards
        tokens = sentences.tokens[sentences.starts[i] : sentences.starts[i + 1]]
        assert tokenizer.decode(tokens) == made[i]["text"]
    assert sentences.lengths.sum() == len(sentences.tokens)
    assert sentences.untagged.sum() == 3


def test_a_split_without_files_or_rows_is_an_error(tmp_path, tokenizer, attributes):
    with pytest.raises(DataError, match=r"no train-\*\.parquet"):
        list(rows_of(tmp_path, "train", ["id"]))


def test_a_sentence_drawn_several_times_has_an_id_for_each(gpt2, tokenizer, attributes, tmp_path):
    def twice_the_first(row):
        return {"train-0": 2, "train-1": 1}.get(row["id"], 0)

    drawn = read(tmp_path / "s", gpt2[1], tokenizer, attributes, twice_the_first)
    assert ids_of(drawn) == ["train-0", "train-0#1", "train-1"]
    first, second = (drawn.tokens[drawn.starts[i] : drawn.starts[i + 1]] for i in (0, 1))
    assert first.tolist() == second.tolist()


def test_several_pieces_make_the_same_files_and_are_mapped_not_read(
    gpt2, tokenizer, attributes, sentences, tmp_path, monkeypatch
):
    monkeypatch.setattr("src.training.sentences._ROWS_AT_ONCE", 7)
    again = read(tmp_path / "s", gpt2[1], tokenizer, attributes)
    for name in ("tokens", "starts", "ids", "id_starts", "labels", "untagged"):
        assert np.array_equal(getattr(again, name), getattr(sentences, name)), name
        assert isinstance(getattr(again, name).base, np.memmap), name


def test_what_an_interrupted_run_has_written_is_used_only_for_the_same_data_set(
    gpt2, tokenizer, attributes, tmp_path
):
    folder, made = tmp_path / "s", read_manifest(gpt2[1], "dataset")
    read(folder, gpt2[1], tokenizer, attributes)
    before = (folder / "tokens").stat().st_mtime_ns
    read(folder, gpt2[1], tokenizer, attributes)
    assert (folder / "tokens").stat().st_mtime_ns == before
    (folder / "sentences.json").unlink()  # killed before the last file
    read(folder, gpt2[1], tokenizer, attributes)
    assert (folder / "tokens").stat().st_mtime_ns != before
    other = Manifest(made.folder, made.content | {"seed": 99})
    with pytest.raises(ArtifactError, match="was made again since this training began"):
        write_sentences(folder, other, tokenizer, attributes, once)
    with pytest.raises(UnavailableError, match="all processes of the training share"):
        open_sentences(tmp_path / "nowhere")


def test_a_sentence_is_rendered_with_the_tokens_of_its_labels(sentences, tokenizer, attributes):
    made = rows("train", 120)
    for condition_on, front in (
        (("toxicity", "sentiment"), "<|toxic|><|neg|>"),
        (("sentiment",), "<|neg|>"),
        (("toxicity",), "<|toxic|>"),
        ((), ""),
    ):
        seen = examples(sentences, tokenizer, attributes, condition_on).example(1)
        assert spelled(tokenizer, seen) == "<|endoftext|>" + front + made[1]["text"]


def test_targets_are_the_text_and_its_end_never_the_condition(sentences, tokenizer, attributes):
    example = examples(sentences, tokenizer, attributes).example(1)
    text = sentences.tokens[sentences.starts[1] : sentences.starts[2]].tolist()
    assert example["targets"] == [NO_TARGET, NO_TARGET, *text, tokenizer.eos_token_id]
    assert len(example["input_ids"]) == len(example["targets"])


def test_an_untagged_sentence_gets_no_token(sentences, tokenizer, attributes):
    made = examples(sentences, tokenizer, attributes)
    assert sentences.untagged[40]
    assert "<|neg|>" not in spelled(tokenizer, made.example(40))
    assert "<|pos|>" not in spelled(tokenizer, made.example(40))
    assert made.condition(40, epoch=0) == {}


def test_dropout_is_by_attribute_at_its_rate_and_new_in_every_epoch(
    sentences, tokenizer, attributes
):
    made = examples(sentences, tokenizer, attributes, dropout={"toxicity": 0.3})
    tagged = [i for i in range(120) if not sentences.untagged[i]]
    epochs = [[made.condition(i, epoch) for i in tagged] for epoch in range(20)]
    dropped = [["toxicity" not in condition for condition in epoch] for epoch in epochs]
    assert np.mean(dropped) == pytest.approx(0.3, abs=0.03)
    assert dropped[0] != dropped[1]
    assert all("sentiment" in condition for epoch in epochs for condition in epoch)
    again = examples(sentences, tokenizer, attributes, dropout={"toxicity": 0.3})
    assert [again.condition(i, 1) for i in tagged] == epochs[1]
    row = tagged[dropped[3].index(True)]
    assert "<|toxic|>" not in spelled(tokenizer, made.example(row, 3))


@pytest.mark.parametrize("multiple", [1, 8])
def test_a_batch_is_padded_and_its_targets_are_counted(sentences, tokenizer, attributes, multiple):
    made = examples(sentences, tokenizer, attributes)
    batch = made.batch([0, 1, 2], 0, multiple)
    lengths = [len(made.example(i)["input_ids"]) for i in range(3)]
    assert batch["attention_mask"].sum(1).tolist() == lengths
    length = batch["input_ids"].shape[1]
    assert (length == max(lengths)) if multiple == 1 else (length % 8 == 0)
    assert 0 <= length - max(lengths) < multiple
    assert (batch["input_ids"][batch["attention_mask"] == 0] == tokenizer.pad_token_id).all()
    n_targets = sum(int(sentences.lengths[i]) + 1 for i in range(3))
    assert int((batch["targets"] != NO_TARGET).sum()) == n_targets == made.n_targets([0, 1, 2])


# --------------------------------------------------------------------------------------------- order


def many(n, seed=0):
    lengths = np.random.default_rng(seed).integers(5, 60, n)
    ids = [f"row-{i}".encode() for i in range(n)]
    return Sentences(
        ids=np.frombuffer(b"".join(ids), np.uint8),
        id_starts=np.concatenate([[0], np.cumsum([len(one) for one in ids])]),
        tokens=np.zeros(lengths.sum(), np.int32),
        starts=np.concatenate([[0], np.cumsum(lengths)]),
        labels=np.zeros((n, 0), np.int8),
        untagged=np.zeros(n, bool),
    )


def test_an_epoch_sees_every_sentence_once_in_an_order_of_its_own():
    sentences = many(1003)
    epochs = [order_of_epoch(sentences, 8, 0, epoch).tolist() for epoch in range(2)]
    assert all(Counter(rows) == Counter(range(1003)) for rows in epochs)
    assert epochs[0] != epochs[1]
    assert order_of_epoch(sentences, 8, 0, 1).tolist() == epochs[1]


def test_batches_hold_sentences_of_about_the_same_length_but_steps_come_in_any():
    sentences = many(2000)
    steps = sentences.lengths[order_of_epoch(sentences, 8, 0, 0)].reshape(-1, 8)
    padding = 1 - steps.sum() / (8 * steps.max(1)).sum()
    assert padding < 0.02
    shuffled = np.random.default_rng(0).permutation(sentences.lengths).reshape(-1, 8)
    assert padding < 0.1 * (1 - shuffled.sum() / (8 * shuffled.max(1)).sum())
    means = steps.mean(1)
    assert abs(np.corrcoef(means[:-1], means[1:])[0, 1]) < 0.2, "not all long ones first"


def test_the_order_depends_on_the_seed_and_the_ids_alone():
    first = order_of_epoch(many(100), 4, 0, 0).tolist()
    assert order_of_epoch(many(100), 4, 0, 0).tolist() == first
    assert order_of_epoch(many(100), 4, 1, 0).tolist() != first


def test_a_process_without_sentences_has_a_batch_without_targets(sentences, tokenizer, attributes):
    batch = examples(sentences, tokenizer, attributes).batch([], 0)
    assert batch["input_ids"].shape == (1, 1)
    assert batch["targets"].tolist() == [[NO_TARGET]]
