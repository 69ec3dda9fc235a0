"""The audit's statistics against scipy's and scikit-learn's, on numbers written here."""

import math

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import cohen_kappa_score, confusion_matrix, roc_auc_score

from src.dataset.audit.agreement import (
    DocumentBootstrap,
    Estimate,
    Ranks,
    area_under_curve,
    cohens_kappa,
    confusion,
    rank_correlation,
)

N = 400


@pytest.fixture(scope="module")
def numbers():
    """Two correlated scores with many ties, and two correlated sets of three labels."""
    generator = np.random.Generator(np.random.PCG64(5))
    base = generator.normal(size=N)
    one, other = (np.round(base + generator.normal(size=N), 1) for _ in range(2))
    labels = [np.digitize(values, (-0.5, 0.8)) for values in (one, other)]
    return one, other, *labels


@pytest.fixture(scope="module")
def weights():
    return np.random.Generator(np.random.PCG64(6)).integers(0, 4, N).astype(float)


def test_without_weights_the_statistics_are_the_libraries(numbers):
    one, other, a, b = numbers
    ones = np.ones(N)
    assert rank_correlation(one, other)(ones) == pytest.approx(spearmanr(one, other).statistic)
    assert area_under_curve(one, b == 2)(ones) == pytest.approx(roc_auc_score(b == 2, one))
    assert cohens_kappa(a, b, 3)(ones) == pytest.approx(cohen_kappa_score(a, b))
    assert confusion(a, b, 3).tolist() == confusion_matrix(a, b).tolist()


def test_a_weight_is_the_sentence_repeated_that_often(numbers, weights):
    one, other, a, b = (np.repeat(values, weights.astype(int)) for values in numbers)
    mine = numbers
    assert rank_correlation(mine[0], mine[1])(weights) == pytest.approx(
        spearmanr(one, other).statistic
    )
    assert area_under_curve(mine[0], mine[3] == 2)(weights) == pytest.approx(
        roc_auc_score(b == 2, one)
    )
    assert cohens_kappa(mine[2], mine[3], 3)(weights) == pytest.approx(cohen_kappa_score(a, b))


def test_ranks_of_ties_are_their_mean():
    ranks = Ranks(np.array([3.0, 1.0, 3.0, 2.0]))
    assert ranks.of(np.ones(4)).tolist() == [3.5, 1.0, 3.5, 2.0]


def test_what_is_not_defined_is_no_number(numbers):
    one = numbers[0]
    ones, constant = np.ones(N), np.zeros(N, dtype=int)
    assert math.isnan(rank_correlation(one, constant.astype(float))(ones))
    assert math.isnan(area_under_curve(one, constant.astype(bool))(ones))
    assert math.isnan(cohens_kappa(constant, constant, 2)(ones))
    found = DocumentBootstrap([], 0, 100).share(constant[:0], constant[:0])
    assert found == Estimate(None)
    single = DocumentBootstrap(["a"] * N, 0, 100).estimates({"x": lambda w: float(w.sum())})
    assert single == {"x": Estimate(float(N))}


def test_intervals_are_as_wide_as_theory_says(numbers):
    """Each sentence its own document: kappa's and the share's large-sample standard errors, Fisher's z."""
    one, other, a, b = numbers
    bootstrap = DocumentBootstrap([str(i) for i in range(N)], 3, 1500)
    found = bootstrap.estimates(
        {
            "kappa": cohens_kappa(a, b, 3),
            "rho": rank_correlation(one, other),
        }
    )
    found["share"] = bootstrap.share(a, b)
    share, rho = found["share"].value, found["rho"].value
    table = confusion_matrix(a, b) / N
    chance = (table.sum(0) * table.sum(1)).sum()
    errors = {
        "share": math.sqrt(share * (1 - share) / N),
        # Cohen 1960, equation 7
        "kappa": math.sqrt(share * (1 - share) / (N * (1 - chance) ** 2)),
        # Bonett and Wright 2000, with the derivative of tanh
        "rho": math.sqrt((1 + rho**2 / 2) / (N - 3)) * (1 - rho**2),
    }
    for name, error in errors.items():
        width = found[name].high - found[name].low
        assert width == pytest.approx(2 * 1.96 * error, rel=0.12), name
        assert found[name].low < found[name].value < found[name].high


def test_sentences_of_one_document_are_no_independent_evidence(numbers):
    _, _, a, b = numbers
    same = np.repeat(np.arange(N // 8), 8)  # eight equal sentences a document
    a, b = a[same], b[same]
    alone, together = (
        DocumentBootstrap(names, 3, 500).share(a, b)
        for names in ([str(i) for i in range(len(a))], [str(i) for i in same])
    )
    assert together.high - together.low > 2 * (alone.high - alone.low)


def test_a_share_of_all_has_an_interval_too():
    labels = np.arange(30) % 2
    found = DocumentBootstrap([str(i) for i in range(30)], 0, 200).share(labels, labels)
    assert (found.value, found.high) == (1.0, 1.0)
    assert found.low == pytest.approx(30 / (30 + 1.959964**2), abs=1e-4)  # Wilson's for 30 of 30


def test_a_kappa_of_few_that_all_agree_is_not_certain():
    labels = np.arange(10) % 2
    found = DocumentBootstrap([str(i) for i in range(10)], 0, 200).kappa(labels, labels, 2)
    assert (found.value, found.high) == (1.0, 1.0)
    assert found.low == pytest.approx(2 * 10 / (10 + 1.959964**2) - 1, abs=1e-4)


def test_kappas_of_few_documents_are_held():
    """Fifty sentences with a rare label, where percentiles of resamples hold the truth in 85 %."""
    generator = np.random.default_rng(0)
    shares = np.array([[0.85, 0.05], [0.05, 0.05]])
    chance = (shares.sum(0) * shares.sum(1)).sum()
    truth = (np.trace(shares) - chance) / (1 - chance)
    names = [str(i) for i in range(50)]
    held = {"resamples": 0, "here": 0}
    for i in range(150):
        pairs = generator.choice(4, 50, p=shares.ravel())
        one, other = pairs // 2, pairs % 2
        bootstrap = DocumentBootstrap(names, i, 200)
        for name, found in (
            ("here", bootstrap.kappa(one, other, 2)),
            ("resamples", bootstrap.estimates({"k": cohens_kappa(one, other, 2)})["k"]),
        ):
            held[name] += found.low is not None and found.low <= truth <= found.high
    assert held["here"] >= 0.92 * 150
    assert held["resamples"] < 0.92 * 150
