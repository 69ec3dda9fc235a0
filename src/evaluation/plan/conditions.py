"""`conditions: all` of the args, written out: every combination of labels, and of not asking.

Imports neither torch nor transformers.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping

from src.attributes.attribute import Attributes
from src.config.evaluation import ALL_CONDITIONS, Condition, EvaluationArgs


def all_conditions(attributes: Attributes, condition_on: Iterable[str]) -> tuple[Condition, ...]:
    """Every label of each attribute that a model was trained with, or not asked, in every combination.

    Args:
        attributes: of the data set, whose order the conditions have.
        condition_on: names of the attributes that the model was trained with.

    Returns:
        First `{}`, then what asks for one attribute, for two and so on.
    """
    trained = set(condition_on)
    choices = [(None, *one.labels) for name, one in attributes.items() if name in trained]
    names = [name for name in attributes if name in trained]
    conditions = [
        {name: label for name, label in zip(names, labels, strict=True) if label is not None}
        for labels in itertools.product(*choices)
    ]
    return tuple(sorted(conditions, key=len))


def with_all_conditions(
    args: EvaluationArgs,
    attributes: Attributes | None,
    condition_on: Mapping[str, Iterable[str]],
) -> tuple[EvaluationArgs, bool]:
    """The args with every `conditions: all` written out.

    Args:
        args: as given.
        attributes: of the data set; None if it cannot be read.
        condition_on: model → attributes that it was trained with; a model that cannot be read is missing.

    Returns:
        The args, and whether every `all` could be written out. Where not, it became asking nothing, so
        that the rest can still be checked; why it could not is a problem of the data set or the model.
    """
    models, whole = {}, True
    for name, entry in args.models.items():
        if entry.conditions == ALL_CONDITIONS:
            found: tuple[Condition, ...] = ({},)
            if attributes is None or name not in condition_on:
                whole = False
            else:
                found = all_conditions(attributes, condition_on[name])
            entry = entry.model_copy(update={"conditions": found})
        models[name] = entry
    return args.model_copy(update={"models": models}), whole
