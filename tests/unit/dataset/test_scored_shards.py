import pytest

from src.dataset.input.parts import portions_of, ranks_by_part
from src.dataset.records import bad_document, leave_out, raw_document, sentence_of
from src.dataset.scored_shards import ScoredShards, WriteScoredShard, shard_path
from src.dataset.tally import Tally
from src.errors import ProgramError
from src.runtime.randomness import keyed_hash

NAMES = ["a", "b"]
ROWS = 700


def records_of(name, number, tally):
    """The records of one row: none, one bad document, or up to 40 sentences."""
    document = raw_document("", f"{name}:{number}", number, "source", f"{name}:{number}")
    n = keyed_hash(0, name, str(number)) % 41
    if n == 0:
        bad = bad_document("missing_text", document.id, number)
        tally.count_read(bad)
        return [bad]
    tally.count_read(document)
    tally.count_split(document, n)
    made = []
    for i in range(1, n + 1):
        sentence = sentence_of(document, i, f"text {document.id} {i}")
        sentence.metadata |= {"n_words": 3, "n_tokens": 4, "scores": {"toxicity": n / 50}}
        made.append(leave_out(sentence, "too_short") if i % 5 == 0 else sentence)
    return made


def write(folder, tasks):
    folder.mkdir()
    for rank in range(tasks):
        tally = Tally()
        records = [
            record
            for portion in portions_of(NAMES, rank, tasks)
            for number in range(1, ROWS + 1)
            if (number - 1) % portion.shares == portion.share
            for record in records_of(portion.name, number, tally)
        ]
        list(WriteScoredShard(folder, ["toxicity"], tally).run(iter(records), rank, tasks))
    return ScoredShards(folder, ranks_by_part(len(NAMES), tasks))


@pytest.fixture(scope="module")
def by_tasks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards")
    return {tasks: write(folder / str(tasks), tasks) for tasks in (1, 2, 5, 8)}


COLUMNS = ["id", "source", "text", "n_tokens", "scores", "reason"]


@pytest.mark.parametrize("tasks", [2, 5, 8])
def test_the_stream_is_the_same_for_any_number_of_tasks(by_tasks, tasks):
    one, several = (list(by_tasks[n].batches(COLUMNS)) for n in (1, tasks))
    assert len(one) > 2
    assert [table.num_rows for table in several] == [table.num_rows for table in one]
    assert all(mine.equals(theirs) for mine, theirs in zip(one, several, strict=True))
    tallies = [by_tasks[n].tally().to_json() for n in (1, tasks)]
    for tally in tallies:
        assert len(tally.pop("bad_examples")["missing_text"]) == 3  # for messages: any three
    assert tallies[0] == tallies[1]


def test_the_stream_is_in_the_order_of_the_input_and_whole(by_tasks):
    expected = [
        r for name in NAMES for i in range(1, ROWS + 1) for r in records_of(name, i, Tally())
    ]
    found = [
        row for table in by_tasks[1].batches(["id", "reason", "text"]) for row in table.to_pylist()
    ]
    assert [row["id"] for row in found] == [record.id for record in expected]
    assert [row["reason"] for row in found] == [r.metadata.get("reason") for r in expected]
    assert all(row["text"] == "" for row in found if row["reason"])


def test_a_shard_has_its_name_only_when_it_is_whole(tmp_path):
    def broken():
        yield from records_of("a", 1, tally)
        raise OSError("the disk went away")

    tally = Tally()
    with pytest.raises(OSError, match="went away"):
        list(WriteScoredShard(tmp_path, ["toxicity"], tally).run(broken()))
    assert not shard_path(tmp_path, 0).exists()


def test_a_task_that_lost_a_record_leaves_no_shard(tmp_path):
    tally = Tally()
    records = records_of("a", 2, tally)
    with pytest.raises(ProgramError, match="read = used"):
        list(WriteScoredShard(tmp_path, ["toxicity"], tally).run(iter(records[:-1])))
    assert not shard_path(tmp_path, 0).exists()


def test_a_task_without_rows_leaves_an_empty_shard(tmp_path):
    list(WriteScoredShard(tmp_path, ["toxicity"], Tally()).run(iter(())))
    shards = ScoredShards(tmp_path, [[0]])
    assert list(shards.batches(["id"])) == []
    assert shards.tally() == Tally()


def test_human_ratings_have_a_column_where_there_are_any(tmp_path):
    tally = Tally()
    records = [r for r in records_of("a", 2, tally) if r.metadata.get("reason") is None]
    tally.sentences_made = len(records)
    records[0].metadata["human"] = {"toxicity": 0.75}
    list(WriteScoredShard(tmp_path, ["toxicity"], tally, ["toxicity"]).run(iter(records)))
    [table] = ScoredShards(tmp_path, [[0]]).batches(["human"])
    assert table["human"].to_pylist() == [{"toxicity": 0.75}] + [None] * (len(records) - 1)
