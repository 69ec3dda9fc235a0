import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.config.attributes import ScorerArgs
from src.dataset.pass_one import steps
from src.dataset.pass_one.steps import (
    ChooseSources,
    CleanSentences,
    CountTokens,
    CountWords,
    SampleDocuments,
    ScoreSentences,
    SplitIntoSentences,
    in_chunks,
)
from src.dataset.records import (
    bad_document,
    is_left_out,
    leave_out,
    raw_document,
    sentence_of,
)
from src.dataset.tally import Tally
from src.errors import ProgramError
from src.models.control_tokens import load_tokenizer
from src.models.token_counts import TokenCounter, sentence_length
from tests.unit import strange_tokenizers


def document(text="Some text.", i=1, source="Pile-CC"):
    return raw_document(text, f"a:{i}", i, source, f"a:{i}")


def sentences(*texts):
    whole = document()
    made = [sentence_of(whole, i, text) for i, text in enumerate(texts, 1)]
    for sentence in made:
        sentence.metadata["scores"] = {}
    return made


def reasons(records):
    return [record.metadata.get("reason") for record in records]


def test_the_sample_is_a_share_of_documents_and_depends_on_nothing_but_ids():
    documents = [document(i=i) for i in range(4000)]
    tally = Tally()
    chosen = [d.id for d in SampleDocuments(0.2, 1, tally).run(documents)]
    assert 700 < len(chosen) < 900
    assert tally.excluded_documents == {"not_sampled": 4000 - len(chosen)}
    again = {d.id for d in SampleDocuments(0.2, 1, Tally()).run(reversed(documents))}
    assert again == set(chosen)
    other_seed = {d.id for d in SampleDocuments(0.2, 2, Tally()).run(documents)}
    assert other_seed != again
    larger = {d.id for d in SampleDocuments(0.5, 1, Tally()).run(documents)}
    assert again < larger


def test_bad_documents_stay_in_the_stream_whatever_the_sample():
    tally = Tally()
    assert (
        len(list(SampleDocuments(1e-9, 0, tally).run([bad_document("missing_text", "a:1", 1)])))
        == 1
    )
    assert not tally.excluded_documents


def test_sources_are_left_out_by_their_whole_name():
    documents = [document(source=source) for source in ("Github", "Github2", "github", "ArXiv")]
    found = list(ChooseSources(["Github", "ArXiv"]).run(documents))
    assert reasons(found) == ["excluded_source", None, None, "excluded_source"]


def test_a_document_becomes_its_sentences_in_order():
    tally = Tally()
    found = list(
        SplitIntoSentences(tally).run([document("One is here. Two is there."), document("  ")])
    )
    assert [(s.id, s.text) for s in found[:2]] == [
        ("a:1:1", "One is here."),
        ("a:1:2", "Two is there."),
    ]
    assert reasons(found) == [None, None, "empty_text"]
    assert (tally.documents_split, tally.sentences_made) == (1, 2)


def test_ready_sentences_are_not_split_and_keep_their_scores():
    ready = document("")
    ready.metadata |= {"sentences": ["One. Two.", ""], "ready_scores": {"toxicity": [0.25, 0.5]}}
    found = list(SplitIntoSentences(Tally()).run([ready]))
    assert [s.text for s in found] == ["One. Two.", ""]
    assert [s.metadata["scores"] for s in found] == [{"toxicity": 0.25}, {"toxicity": 0.5}]


def test_a_rating_is_of_a_sentence_only_where_the_row_is_one_sentence():
    rows = [document("One is here. Two is there."), document("Three is everywhere.")]
    for row in rows:
        row.metadata["human"] = {"mood": 1.0}
    found = list(SplitIntoSentences(Tally()).run(rows))
    assert [s.metadata.get("human") for s in found] == [None, None, {"mood": 1.0}]


def test_cleaning_is_the_one_asked_for():
    text = 'She said: "see http://example.org/x – café" @you!'
    [paper] = CleanSentences("paper").run(sentences(text))
    [gentle] = CleanSentences("gentle").run(sentences(text))
    assert paper.text == "She said see   caf you!"
    assert gentle.text == 'She said: "see – café" @you!'
    assert reasons(CleanSentences("paper").run(sentences("¡¿§", "…", "a"))) == [
        "empty_after_cleaning",
        "empty_after_cleaning",
        None,
    ]


def test_words_are_what_stands_between_white_space():
    found = list(CountWords(3).run(sentences("a b", "a b c", "a   b\tc d", "a-b c")))
    assert reasons(found) == ["too_short", None, None, "too_short"]
    assert [s.metadata["n_words"] for s in found] == [2, 3, 4, 2]


def test_the_context_holds_text_end_of_text_and_a_control_token_per_attribute(tokenizer_folder):
    tokenizer = load_tokenizer(str(tokenizer_folder))
    text = "the old gardener opened the window"
    n = len(tokenizer(text)["input_ids"])
    for context_length, reason in ((n + 4, None), (n + 3, "too_long")):
        step = CountTokens(str(tokenizer_folder), 2, context_length)
        [found] = step.run(sentences(text))
        assert found.metadata["n_tokens"] == n + 1
        assert found.metadata.get("reason") == reason


@pytest.mark.parametrize("keeps_to_words", [True, False])
def test_what_is_too_long_by_its_words_alone_is_too_long_by_its_tokens(
    tokenizer_folder, monkeypatch, keeps_to_words
):
    name = str(tokenizer_folder)
    tokenizer = load_tokenizer(name)
    monkeypatch.setattr(
        steps, "_counter", lambda _: (TokenCounter(tokenizer), keeps_to_words, True)
    )
    texts = [" ".join(["a"] * n) for n in range(1, 20)] + ["a  b " * 9, "a" * 40, "naïve"]
    found = list(CountTokens(name, 2, 12).run(sentences(*texts)))
    lengths = sentence_length(tokenizer, texts)
    assert [is_left_out(one) for one in found] == [2 + n >= 12 for n in lengths]


@pytest.mark.parametrize(
    "text,lost",
    [
        ("The old gardener opened the window", False),
        ("Старый садовник открыл окно", True),
        ("The old gardener ж opened the window", True),
        ("老园丁打开了窗户", True),
        ("The old gardener paid 5 € for it", True),
        ("The old  gardener opened the window", False),
    ],
)
def test_sentences_that_the_tokenizer_cannot_spell_are_left_out_with_a_reason(tmp_path, text, lost):
    strange_tokenizers.byte_level(alphabet=False).save_pretrained(tmp_path)
    [found] = CountTokens(str(tmp_path), 1, 500).run(sentences(text))
    assert found.metadata.get("reason") == ("not_encodable" if lost else None)


@pytest.mark.parametrize("make", ["byte_level", "llama2", "metaspace"])
def test_what_has_all_bytes_or_an_unknown_token_spells_everything(tmp_path, make):
    getattr(strange_tokenizers, make)().save_pretrained(tmp_path)
    for text in ("Старый садовник", "老园丁 😀 café"):
        [found] = CountTokens(str(tmp_path), 1, 500).run(sentences(text))
        assert not is_left_out(found)


def test_a_text_that_spells_a_special_token_is_counted_as_text(tokenizer_folder):
    [found] = CountTokens(str(tokenizer_folder), 1, 500).run(sentences("<|endoftext|>"))
    assert found.metadata["n_tokens"] > 2


def test_every_attribute_is_scored_and_nothing_that_is_left_out():
    scorers = {
        "sentiment": ScorerArgs(name="vader"),
        "toxicity": ScorerArgs(name="profanity_check"),
    }
    records = sentences("I love it, it is wonderful.", "gone", "You stupid idiot, I hate it.")
    leave_out(records[1], "too_short")
    good, gone, bad = ScoreSentences(scorers).run(records)
    assert good.metadata["scores"]["sentiment"] > 0.5 > 0 > bad.metadata["scores"]["sentiment"]
    assert bad.metadata["scores"]["toxicity"] > 0.9 > 0.2 > good.metadata["scores"]["toxicity"]
    assert gone.metadata["scores"] == {}


def test_a_ready_score_stays():
    [sentence] = sentences("fine")
    sentence.metadata["scores"]["toxicity"] = 0.125
    [found] = ScoreSentences({"sentiment": ScorerArgs(name="vader")}).run([sentence])
    assert found.metadata["scores"]["toxicity"] == 0.125


@given(st.lists(st.booleans(), max_size=200), st.integers(1, 7))
def test_chunks_hold_every_record_in_order_and_are_bounded(left_out, size):
    records = sentences(*(str(i) for i in range(len(left_out))))
    for record, out in zip(records, left_out, strict=True):
        if out:
            leave_out(record, "too_short")
    chunks = list(in_chunks(iter(records), size))
    assert [r.id for chunk, _ in chunks for r in chunk] == [r.id for r in records]
    for chunk, kept in chunks:
        assert kept == [r for r in chunk if not is_left_out(r)]
        assert len(kept) <= size
        assert len(chunk) <= 16 * size


def test_a_tally_that_lost_a_record_is_refused():
    tally = Tally()
    whole = document("One is here. Two is there.")
    tally.count_read(whole)
    one, two = SplitIntoSentences(tally).run([whole])
    tally.count_written(one)
    with pytest.raises(ProgramError, match="does not hold"):
        tally.check()
    tally.count_written(leave_out(two, "too_short"))
    tally.check()
    assert Tally.from_json(tally.to_json()) == tally
