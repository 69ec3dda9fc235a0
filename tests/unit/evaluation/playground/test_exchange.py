import pytest

from src.config.evaluation import DecodingArgs
from src.errors import UserError
from src.evaluation.playground.exchange import Question


def test_a_question_decodes_as_an_evaluation_does():
    question = Question(
        weights={"toxicity": 0, "sentiment": 1.5},
        top_p=0.7,
        temperature=0.8,
        min_length=3,
        max_length=9,
    )
    assert question.decoding == DecodingArgs(
        top_p=0.7, temperature=0.8, min_length=3, max_length=9, contrast_weights={"sentiment": 1.5}
    )


@pytest.mark.parametrize(
    "wrong, said",
    [
        ({"prompt": "half \ud83d"}, "lone surrogate"),
        ({"samples": 0}, "samples is out of range; got 0; allowed: 1 to 16"),
        ({"samples": 17}, "samples is out of range"),
        ({"max_length": 401}, "max_length is out of range"),
        ({"min_length": 50, "max_length": 40}, "min_length 50 is above max_length 40"),
        ({"seed": -1}, "seed is out of range"),
        ({"weights": {"toxicity": 12.5}}, "contrast weight of toxicity is out of range"),
        ({"weights": {"toxicity": float("nan")}}, "contrast weight of toxicity is out of range"),
        ({"top_p": 0}, "top_p"),
        ({"temperature": 0}, "temperature"),
        ({"placement": "inside"}, "no such placement"),
    ],
)
def test_what_a_browser_should_not_send_is_refused_in_one_line(wrong, said):
    with pytest.raises(UserError, match=said) as caught:
        Question(**wrong)
    assert "\n" not in str(caught.value)
