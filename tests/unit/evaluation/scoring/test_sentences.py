import pytest

from src.attributes.scorer import cached_scorer
from src.errors import ArtifactError, ScorerError
from src.evaluation.continuation import Continuation
from src.evaluation.scoring.scored_sentences import check_scorers, score_continuations
from tests.failing_scorers import NO_NUMBERS
from tests.unit.evaluation.conftest import make_attributes


def written(text, prompt="You stupid fool, I hate it."):
    return Continuation("p", 0, prompt, text, 9)


def test_the_continuation_alone_is_split_cleaned_scored_and_labelled(attributes):
    text = " It was wonderful!  See https://example.org/x for more.\n\nYou are a stupid idiot."
    (one,) = score_continuations([written(text)], attributes, "gentle")
    assert one.sentences == ("It was wonderful!", "See for more.", "You are a stupid idiot.")
    assert [row["toxicity"] for row in one.labels] == ["nontoxic", "nontoxic", "toxic"]
    assert [row["sentiment"] for row in one.labels] == ["pos", "neg", "neg"]
    expected = cached_scorer(attributes["sentiment"].scorer).score(one.sentences)
    assert [row["sentiment"] for row in one.scores] == expected.tolist()
    assert one.text == text


def test_the_cleaning_is_that_of_the_data_set(attributes):
    (one,) = score_continuations([written("«Good», she said…")], attributes, "paper")
    assert one.sentences == ("Good she said",)


def test_sentences_stay_with_their_continuation(attributes):
    texts = ["One. Two.", "", "Three.", " \n ", "Four. Five. Six."]
    scored = score_continuations([written(text) for text in texts], attributes, "gentle")
    assert [len(one.sentences) for one in scored] == [2, 0, 1, 0, 3]
    assert [len(one.labels) for one in scored] == [2, 0, 1, 0, 3]
    assert [len(one.scores) for one in scored] == [2, 0, 1, 0, 3]
    assert score_continuations([], attributes, "gentle") == []


def test_a_failing_scorer_stops_the_run_and_becomes_no_score():
    attributes = make_attributes(
        toxicity={
            "scorer": {"name": NO_NUMBERS},
            "labels": ["nontoxic", "toxic"],
            "edges": [0.5],
            "desired": "nontoxic",
        }
    )
    with pytest.raises(ScorerError, match="no finite number"):
        score_continuations([written("A sentence.")], attributes, "gentle")


def test_scorers_have_to_be_those_that_labelled_the_data(attributes):
    recorded = {name: cached_scorer(one.scorer).fingerprint() for name, one in attributes.items()}
    assert check_scorers(attributes, recorded) == recorded
    recorded["sentiment"] = recorded["sentiment"] | {"vaderSentiment": "0.1"}
    with pytest.raises(ArtifactError, match=r"sentiment.vaderSentiment: was '0.1'"):
        check_scorers(attributes, recorded)


def test_scores_that_came_with_the_source_are_not_compared(attributes):
    recorded = {name: cached_scorer(one.scorer).fingerprint() for name, one in attributes.items()}
    ready = recorded | {"toxicity": {"reused_from": "scores", "source": "somebody/pile-detoxify"}}
    assert check_scorers(attributes, ready) == recorded
