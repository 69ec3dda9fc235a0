"""Corpora in which the wanted pair is rare: the rules make them so, and drawing equally makes up for it."""

from collections import Counter

import pytest

from src.training.drawing import share_equally
from tests.builders import sentence
from tests.skewed_corpora import RULES, kept, kinds_of

WANTED = (False, True)


@pytest.fixture(scope="module")
def kinds():
    """Kinds of 4,000 documents, by the real scorers; of each about as many."""
    texts, expected = [], []
    for i in range(4000):
        rude, positive = bool(i % 2), bool(i // 2 % 2)
        texts.append(sentence(f"document/{i}", "positive" if positive else "negative", rude))
        expected.append((rude, positive))
    found = kinds_of(texts)
    assert sum(a == b for a, b in zip(found, expected, strict=True)) > 3000  # by chance, 1,000
    return found


@pytest.mark.parametrize("rule", RULES)
def test_the_wanted_pair_is_rare_and_drawn_as_often_as_the_others(rule, kinds):
    counts = Counter(kind for i, kind in enumerate(kinds) if kept(rule, f"d{i}", kind))
    assert len(counts) == 4
    assert counts[WANTED] / counts.total() < 0.08
    quotas = share_equally(80, {kind: 4 * n for kind, n in counts.items()})
    assert set(quotas.values()) == {20}


def test_a_rule_keeps_the_same_documents_on_any_machine():
    # Golden: another choice would be another corpus than the one in docs/RESULTS.md.
    chosen = [i for i in range(300) if kept("wanted_rare", f"d{i}", WANTED)]
    assert chosen == [43, 65, 66, 71, 81, 89, 123, 142, 196, 208, 232, 249, 265, 273]
    assert all(kept("wanted_rare", f"d{i}", (True, True)) for i in range(300))
