"""Offensive words are masked where the attribute of offence finds the sentence undesired."""

import pytest

from src.attributes.offence import masked, of_offence
from src.attributes.scorer import cached_scorer
from tests.unit.evaluation.conftest import LABELS, make_attributes


@pytest.fixture(scope="module")
def attributes():
    return make_attributes(toxicity=LABELS["toxicity"] | {"scorer": {"name": "profanity_check"}})


def shown(text, attributes):
    scores = {n: float(cached_scorer(one.scorer).score([text])[0]) for n, one in attributes.items()}
    return masked(text, scores, attributes)


def test_offence_is_known_by_its_scorer_or_its_name(attributes):
    assert of_offence(attributes) == ["toxicity"]
    assert of_offence({"tone": attributes["toxicity"], "mood": attributes["sentiment"]}) == ["tone"]


@pytest.mark.parametrize(
    "text, expected",
    [("You stupid old fool.", "You s***** old f***."), ("A fine old hotel.", "A fine old hotel."),
     ("What an idiot's tale, idiot!", "What an i****** tale, i****!")],
)  # fmt: skip
def test_words_that_offend_are_masked_and_others_stay(attributes, text, expected):
    assert shown(text, attributes) == expected


def test_a_sentence_that_offends_as_a_whole_is_hidden(attributes):
    scores = {"toxicity": 0.83, "sentiment": 0.0}
    assert masked("Nobody wants them here.", scores, attributes) == "[hidden: toxicity 0.83]"
