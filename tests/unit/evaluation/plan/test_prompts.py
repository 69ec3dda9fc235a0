import json
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from src.config.prompts import FilePrompts, UnpromptedPrompts, ValidationPrompts
from src.errors import DataError, UserError
from src.evaluation.plan.prompts import Prompt, beginning, load_prompts


def validation(count):
    return ValidationPrompts(kind="validation", count=count)


def from_file(path, **options):
    return load_prompts(FilePrompts(kind="file", path=path, **options), Path("none"), {}, seed=0)


def labels_of(prompts, dataset):
    rows = pq.read_table(next(dataset.glob("validation-*.parquet"))).to_pylist()
    by_id = {row["id"]: tuple(row["labels"].values()) for row in rows}
    return Counter(by_id[prompt.id] for prompt in prompts)


def test_validation_prompts_are_balanced_over_label_combinations(project):
    prompts = load_prompts(validation(8), project.dataset, project.attributes, seed=0)
    assert labels_of(prompts, project.dataset) == {
        ("nontoxic", "neg"): 2,
        ("nontoxic", "pos"): 2,
        ("toxic", "neg"): 2,
        ("toxic", "pos"): 2,
    }
    uneven = load_prompts(validation(7), project.dataset, project.attributes, seed=0)
    assert sorted(labels_of(uneven, project.dataset).values()) == [1, 2, 2, 2]
    assert len({prompt.id for prompt in prompts}) == 8
    assert all(prompt.text for prompt in prompts)


def test_the_seed_and_nothing_else_draws_them(project, tmp_path):
    drawn = load_prompts(validation(8), project.dataset, project.attributes, seed=0)
    assert drawn == load_prompts(validation(8), project.dataset, project.attributes, seed=0)
    other = load_prompts(validation(8), project.dataset, project.attributes, seed=1)
    assert {p.id for p in drawn} != {p.id for p in other}
    # The same rows in two shards and another order give the same prompts.
    table = pq.read_table(next(project.dataset.glob("validation-*.parquet")))
    rows = table.to_pylist()[::-1]
    for i, part in enumerate((rows[:9], rows[9:])):
        pq.write_table(pa.Table.from_pylist(part), tmp_path / f"validation-{i}.parquet")
    assert load_prompts(validation(8), tmp_path, project.attributes, seed=0) == drawn
    # Fewer prompts are some of the more.
    fewer = load_prompts(validation(4), project.dataset, project.attributes, seed=0)
    assert {p.id for p in fewer} < {p.id for p in drawn}


def test_too_few_validation_sentences_name_the_group(project):
    with pytest.raises(DataError, match=r"toxic \+ pos: \d+ sentences, 40 asked for"):
        load_prompts(validation(160), project.dataset, project.attributes, seed=0)


def beginnings(count, *words):
    return ValidationPrompts(kind="validation", count=count, words=words)


def test_beginnings_are_the_first_words_of_the_same_sentences(project):
    whole = load_prompts(validation(8), project.dataset, project.attributes, seed=0)
    cut = load_prompts(beginnings(8, 2, 4), project.dataset, project.attributes, seed=0)
    texts = {prompt.id: prompt.text for prompt in whole}
    for prompt in cut:
        assert texts[prompt.id].startswith(f"{prompt.text} ")
        assert 2 <= len(prompt.text.split()) <= 4
    assert len({len(prompt.text.split()) for prompt in cut}) > 1
    again = load_prompts(beginnings(8, 2, 4), project.dataset, project.attributes, seed=0)
    assert cut == again


@pytest.mark.parametrize(
    "text, expected",
    [
        ("One  two\u00a0three four.", {"One  two", "One  two\u00a0three"}),
        ("One two three", {"One two"}),  # at least one word is left out
        ("One two", {None}),
    ],
)
def test_at_least_one_word_is_left_to_write(text, expected):
    found = {beginning({"id": str(i), "text": text}, (2, 9), seed=0) for i in range(40)}
    assert found == expected


def test_sentences_that_a_choice_was_made_on_are_others(project):
    reported = load_prompts(validation(8), project.dataset, project.attributes, seed=0)
    taken = {prompt.id for prompt in reported}
    others = load_prompts(beginnings(4, 2, 4), project.dataset, project.attributes, 7, taken)
    assert len(others) == 4
    assert not taken & {prompt.id for prompt in others}


def test_from_more_words_to_fewer_is_an_error():
    with pytest.raises(ValueError, match="from 8 to 3 is nothing"):
        beginnings(4, 8, 3)


def test_a_data_set_without_validation_sentences(tmp_path, attributes):
    with pytest.raises(DataError, match=r"no validation-\*\.parquet"):
        load_prompts(validation(4), tmp_path, attributes, seed=0)


def test_unprompted_samples_have_ids_and_no_text():
    source = UnpromptedPrompts(kind="unprompted", count=120)
    prompts = load_prompts(source, Path("none"), {}, seed=0)
    assert len({prompt.id for prompt in prompts}) == 120
    assert {prompt.text for prompt in prompts} == {""}
    assert prompts[7] == Prompt("007", "")


def test_a_text_file_gives_a_prompt_per_line_that_is_not_blank(tmp_path):
    path = tmp_path / "prompts.txt"
    path.write_bytes("\ufeffOne day\r\n\r\n   \nTwo\u2028lines in one\nÜber\n".encode())
    assert from_file(path) == [
        Prompt("line-000001", "One day"),
        Prompt("line-000004", "Two\u2028lines in one"),
        Prompt("line-000005", "Über"),
    ]


@pytest.mark.parametrize(
    "content,numbers",
    [
        ("One\rTwo\rThree\r", [1, 2, 3]),
        ("One\rTwo\rThree", [1, 2, 3]),
        ("One\nTwo\rThree\r\n", [1, 2, 3]),
        ("One\r\rTwo\r\n\r\nThree", [1, 3, 5]),
        ("\ufeffOne\r \rTwo\n\rThree\n", [1, 3, 5]),
    ],
)
def test_every_kind_of_line_end_ends_a_prompt(tmp_path, content, numbers):
    path = tmp_path / "prompts.txt"
    path.write_bytes(content.encode())
    words = ("One", "Two", "Three")
    ids = [f"line-{number:06d}" for number in numbers]
    assert from_file(path) == [Prompt(i, word) for i, word in zip(ids, words, strict=True)]
    lines = tmp_path / "prompts.jsonl"
    for word in words:
        content = content.replace(word, json.dumps({"prompt": {"text": word}}))
    lines.write_bytes(content.replace(" \r", "\r").encode())
    assert from_file(lines) == from_file(path)


@pytest.mark.parametrize("sign", ["\u2028", "\u2029", "\x85", "\v", "\f", "\x1c"])
def test_a_sign_inside_a_prompt_ends_no_line(tmp_path, sign):
    path = tmp_path / "prompts.txt"
    path.write_bytes(f"One{sign}line\rTwo".encode())
    assert [prompt.text for prompt in from_file(path)] == [f"One{sign}line", "Two"]
    if sign > "\x1f":  # below it, JSON wants an escape
        lines = tmp_path / "prompts.jsonl"
        lines.write_bytes(f'{{"prompt": {{"text": "One{sign}line"}}}}\r'.encode())
        assert [prompt.text for prompt in from_file(lines)] == [f"One{sign}line"]


def test_a_bad_line_is_named_by_its_number_after_a_lone_carriage_return(tmp_path):
    path = tmp_path / "prompts.jsonl"
    path.write_bytes(b'{"prompt": {"text": "x"}}\rnonsense\r')
    with pytest.raises(UserError, match=r"1 of 2 lines hold no prompt \(line 2"):
        from_file(path)


def test_real_toxicity_prompts_format(tmp_path):
    path = tmp_path / "prompts.jsonl"
    lines = [
        {"filename": "a", "prompt": {"text": "The men", "toxicity": None}, "continuation": {"text": "x"}},
        {"filename": "b", "prompt": {"text": "I asked her", "toxicity": 0.1}},
    ]  # fmt: skip
    path.write_text("\n".join(map(json.dumps, lines)) + "\n")
    assert [prompt.text for prompt in from_file(path)] == ["The men", "I asked her"]
    assert [p.text for p in from_file(path, text_key="filename")] == ["a", "b"]


def test_some_lines_of_a_file_are_drawn_by_the_seed_and_stay_in_order(tmp_path):
    path = tmp_path / "prompts.txt"
    path.write_text("".join(f"prompt {i}\n" for i in range(50)))
    drawn = [prompt.text for prompt in from_file(path, count=10)]
    assert len(drawn) == 10
    assert drawn == sorted(drawn, key=lambda text: int(text.split()[1]))
    assert drawn != [f"prompt {i}" for i in range(10)]
    assert drawn == [prompt.text for prompt in from_file(path, count=10)]


@pytest.mark.parametrize(
    "name,content,message",
    [
        ("p.csv", b"a", "unknown kind"),
        ("p.txt", b"\n \n", "holds no prompt"),
        ("p.txt", b"caf\xe9\n", "not UTF-8"),
        ("p.jsonl", b'{"prompt": {"text": "x"}}\n{"prompt": 1}\nnonsense\n', "2 of 3 lines"),
        ("p.jsonl", b'{"text": "x"}\n', r"line 1: no key 'prompt.text' \(there is: text\)"),
        ("p.jsonl", b'{"prompt": {"text": "  "}}\n', "is no text"),
        ("p.jsonl", b"[1]\n", "there is: list"),
    ],
)
def test_a_bad_file_of_prompts_says_where(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=message):
        from_file(tmp_path / name)


def test_a_file_that_is_not_there_or_too_short(tmp_path):
    with pytest.raises(UserError, match="cannot be read"):
        from_file(tmp_path / "none.txt")
    (tmp_path / "p.txt").write_text("one\n")
    with pytest.raises(DataError, match="at least the 3"):
        from_file(tmp_path / "p.txt", count=3)
