import numpy as np
import pytest
import torch
from transformers import (
    LogitsProcessorList,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from src.config.evaluation import DecodingArgs
from src.evaluation.generation.sampling import (
    candidates,
    contrast,
    draw_for_groups,
    draw_tokens,
    nucleus,
    uniforms,
)

VOCABULARY = 3000
SETTINGS = [
    {"top_p": 0.7},
    {"top_p": 0.99},
    {"top_p": 1.0},
    {"top_p": 0.9, "temperature": 0.5},
    {"top_p": 0.9, "temperature": 1.7},
    {"top_p": 1.0, "top_k": 40},
    {"top_p": 0.8, "top_k": 5, "temperature": 1.3},
    {"top_p": 0.0001},
]


def logits(rows=8):
    """From nearly flat to nearly certain, with some tokens banned."""
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(rows, VOCABULARY, generator=generator)
    values *= torch.linspace(0.1, 8.0, rows).unsqueeze(1)
    values[:, 17] = -torch.inf
    return values


def transformers_probabilities(values, decoding):
    warpers = LogitsProcessorList([TemperatureLogitsWarper(decoding.temperature)])
    if decoding.top_k:
        warpers.append(TopKLogitsWarper(decoding.top_k))
    warpers.append(TopPLogitsWarper(decoding.top_p))
    return warpers(torch.zeros(len(values), 1, dtype=torch.long), values.clone()).softmax(-1)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_the_distribution_is_that_of_transformers_own_warpers(settings):
    decoding, values = DecodingArgs(**settings), logits()
    ids, weights, held = nucleus(values, decoding, largest=VOCABULARY)
    assert held.all()
    ours = torch.zeros(values.shape, dtype=torch.float64).scatter(1, ids, weights)
    ours /= ours.sum(-1, keepdim=True)
    theirs = transformers_probabilities(values, decoding).double()
    assert ((ours > 0) == (theirs > 0)).all()
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_the_shortcut_draws_the_same_tokens_as_the_full_sort(settings):
    decoding, values = DecodingArgs(**settings), logits(40)
    generator = torch.Generator().manual_seed(1)
    for _ in range(20):
        numbers = torch.rand(40, generator=generator, dtype=torch.float64)
        short = draw_tokens(values, numbers, decoding, largest=(16, 200))
        assert torch.equal(short, draw_tokens(values, numbers, decoding, largest=()))


def test_rows_that_the_shortcut_cannot_do_are_known():
    flat, sharp = torch.zeros(1, VOCABULARY), torch.zeros(1, VOCABULARY)
    sharp[0, 5] = 20.0
    held = nucleus(torch.cat([flat, sharp]), DecodingArgs(top_p=0.9), largest=16)[2]
    assert held.tolist() == [False, True]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_drawn_frequencies_are_the_probabilities(settings):
    decoding, row, n = DecodingArgs(**settings), logits()[4:5], 1000
    numbers = (torch.arange(n, dtype=torch.float64) + 0.5) / n
    drawn = draw_tokens(row.expand(n, -1), numbers, decoding)
    frequencies = torch.bincount(drawn, minlength=VOCABULARY).double() / n
    expected = transformers_probabilities(row, decoding)[0].double()
    assert (frequencies - expected).abs().max() <= 1.01 / n


@pytest.mark.parametrize("number", [0.0, 1 - 2.0**-53])
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_the_ends_of_the_unit_interval_draw_a_token_that_is_possible(settings, number):
    decoding, values = DecodingArgs(**settings), logits()
    values[:, 0] = values[:, -1] = -torch.inf
    drawn = draw_tokens(values, torch.full((8,), number, dtype=torch.float64), decoding)
    probabilities = transformers_probabilities(values, decoding)
    assert (probabilities.gather(1, drawn.unsqueeze(1)) > 0).all()


def test_random_numbers_belong_to_prompt_and_sample():
    both = uniforms(3, "validation", [("a", 0), ("b", 1)], 40)
    assert both.shape == (2, 40)
    assert both.min() >= 0
    assert both.max() < 1
    assert np.array_equal(both[1], uniforms(3, "validation", [("b", 1)], 40)[0])
    assert np.array_equal(both[:, :7], uniforms(3, "validation", [("a", 0), ("b", 1)], 7))
    others = [
        uniforms(4, "validation", [("a", 0)], 40),
        uniforms(3, "unprompted", [("a", 0)], 40),
        uniforms(3, "validation", [("a", 1)], 40),
    ]
    assert all(not np.isin(other, both).any() for other in others)


def test_contrast_is_the_formula_over_log_probabilities():
    generator = torch.Generator().manual_seed(2)
    variants = torch.randn(3, 4, 50, generator=generator)
    log_p = variants.log_softmax(-1)
    formula = variants[0] + 2.0 * (log_p[0] - log_p[1]) + 0.5 * (log_p[0] - log_p[2])
    ours = contrast(variants, [2.0, 0.5])
    torch.testing.assert_close(ours.softmax(-1), formula.softmax(-1))
    assert torch.equal(contrast(variants[:1], []), variants[0])


def test_contrast_keeps_bans_and_makes_no_nan_of_them():
    variants = torch.randn(2, 3, 20, generator=torch.Generator().manual_seed(3))
    variants[:, :, 4] = -torch.inf
    variants[1, 0, 6] = -torch.inf
    combined = contrast(variants, [2.0])
    assert not combined.isnan().any()
    assert (combined[:, 4] == -torch.inf).all()
    assert combined[0, 6] == variants[0, 0, 6]


@pytest.mark.parametrize("vocabulary,top_p", [(30, 0.5), (30, 0.95), (700, 0.9), (3000, 0.99)])
def test_contrast_may_draw_from_the_nucleus_of_the_condition_itself(vocabulary, top_p):
    logits = 3 * torch.randn(5, vocabulary, generator=torch.Generator().manual_seed(6))
    warped = TopPLogitsWarper(top_p)(None, logits)
    assert torch.equal(candidates(logits, top_p), warped.isfinite())


def test_a_token_that_nobody_would_write_does_not_win_by_its_contrast():
    own = torch.tensor([[5.0, 4.0, -9.0]])
    flipped = torch.tensor([[5.0, 5.0, -60.0]])
    scores = torch.cat([own, flipped])
    numbers = torch.tensor([[0.999]], dtype=torch.float64)

    def drawn(contrast_top_p):
        decoding = DecodingArgs(top_p=1.0, contrast_top_p=contrast_top_p)
        return draw_for_groups(scores, numbers[:, 0], decoding, [1.0]).tolist()

    assert drawn(1.0) == [2]
    assert drawn(0.9) == [1]


def test_one_token_is_drawn_per_group_of_rows():
    scores = torch.randn(6, 30, generator=torch.Generator().manual_seed(4))
    numbers = torch.rand(2, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    decoding = DecodingArgs(top_p=1.0, contrast_top_p=1.0)
    tokens = draw_for_groups(scores, numbers, decoding, [1.0, 2.0])
    expected = contrast(scores.view(3, 2, 30), [1.0, 2.0])
    assert torch.equal(tokens, draw_tokens(expected, numbers, decoding))
