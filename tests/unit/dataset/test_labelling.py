import numpy as np
import pyarrow as pa
import pytest

from src.attributes.attribute import attributes_from_args
from src.config.attributes import AttributeArgs
from src.config.dataset import ValidationArgs
from src.dataset.labelling import (
    HoldOut,
    ValidationChoice,
    combinations_of,
    is_untagged,
    label_batch,
)
from src.errors import DataError


def attribute(labels, edges, exclude_within=0.0):
    return AttributeArgs.model_validate(
        {
            "scorer": {"name": "vader"},
            "labels": labels,
            "edges": edges,
            "desired": labels[-1],
            "exclude_within": exclude_within,
        }
    )


ATTRIBUTES = attributes_from_args(
    {
        "mood": attribute(("bad", "middling", "good"), (-0.5, 0.5), 0.1),
        "tone": attribute(("cold", "warm"), (0.0,), 1e-9),
    }
)


def test_labels_and_edges_are_those_of_the_attributes():
    grid = [-1.0, -0.6, -0.55, -0.5, -0.45, -0.4, 0.0, 1e-10, 0.4, 0.41, 0.5, 0.59, 0.6, 1.0]
    rows = [{"mood": a, "tone": b} for a in grid for b in grid]
    reasons = [None if i % 3 else "too_short" for i in range(len(rows))]
    scores = [row if reason is None else None for row, reason in zip(rows, reasons, strict=True)]
    batch = label_batch(pa.table({"scores": scores, "reason": reasons}), ATTRIBUTES)
    kept = [row for row, reason in zip(rows, reasons, strict=True) if reason is None]
    assert len(batch) == len(kept)
    for name, one in ATTRIBUTES.items():
        assert batch.labels[name] == [one.label_of(row[name]) for row in kept]
    near = [any(ATTRIBUTES[name].near_edge(row[name]) for name in row) for row in kept]
    assert batch.near_edge.tolist() == near
    assert set(near) == {True, False}
    assert batch.combinations()[0] == tuple(batch.labels[name][0] for name in ATTRIBUTES)


def test_whole_documents_are_held_out_by_their_id():
    held = HoldOut(0, 0.25)
    ids = [f"document {i}" for i in range(2000)]
    first = [name in held for name in ids for _ in range(3)]
    assert first == [name in held for name in ids for _ in range(3)]
    assert first[::3] == first[1::3] == first[2::3]
    assert 400 < sum(first[::3]) < 600
    assert [name in HoldOut(1, 0.25) for name in ids] != first[::3]


def test_the_untagged_share_is_what_is_asked_for():
    assert sum(is_untagged(0, 0.1, str(i)) for i in range(5000)) == pytest.approx(500, abs=80)
    assert not any(is_untagged(0, 0.0, str(i)) for i in range(100))
    assert all(is_untagged(0, 1.0, str(i)) for i in range(100))


def offered(choice, n=600, order=1):
    combinations = combinations_of(ATTRIBUTES)
    for i in list(range(n))[::order]:
        choice.offer(f"s{i}", 8 + i % 13, combinations[i % len(combinations)])
    return choice


def validation(sentences):
    return ValidationArgs(document_share=0.1, sentences=sentences, min_words=10, max_words=16)


def test_the_choice_is_balanced_in_every_head_and_independent_of_order():
    combinations = combinations_of(ATTRIBUTES)
    assert len(combinations) == 6
    chosen = offered(ValidationChoice(validation(61), ATTRIBUTES, 0)).chosen()
    assert len(chosen) == len(set(chosen)) == 60
    numbers = [int(name[1:]) for name in chosen]
    assert all(10 <= 8 + i % 13 <= 16 for i in numbers)
    assert [i % 6 for i in numbers] == [0, 1, 2, 3, 4, 5] * 10
    assert offered(ValidationChoice(validation(61), ATTRIBUTES, 0), order=-1).chosen() == chosen
    assert offered(ValidationChoice(validation(61), ATTRIBUTES, 1)).chosen() != chosen
    fewer = offered(ValidationChoice(validation(30), ATTRIBUTES, 0)).chosen()
    assert fewer == chosen[:30]


def test_too_few_sentences_are_shown_with_what_there_is():
    with pytest.raises(DataError) as caught:
        offered(ValidationChoice(validation(600), ATTRIBUTES, 0)).chosen()
    message = str(caught.value)
    fitting = sum(10 <= 8 + i % 13 <= 16 for i in range(0, 600, 6))
    assert 0 < fitting < 100
    assert f"bad + cold: 100 / {fitting} / 100" in message
    assert "validation.sentences" in message
    assert "document_share" in message


def test_fewer_sentences_than_combinations_are_refused():
    with pytest.raises(DataError, match="6 combinations"):
        ValidationChoice(validation(5), ATTRIBUTES, 0)


def test_scores_come_out_as_they_went_in():
    values = np.array([0.1, -0.0, 1e-300])
    table = pa.table({"scores": [{"mood": v, "tone": v} for v in values], "reason": [None] * 3})
    batch = label_batch(table, ATTRIBUTES)
    assert batch.scores["mood"].tobytes() == values.tobytes()
