"""What a cell's continuations say: misalignment, contradiction, worst of k, perplexity, diversity, length.

Pure functions over records; imports neither torch nor transformers. The unit of misalignment is a sentence
of the continuation. A continuation without a sentence is empty: counted, shown, and never aligned.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from src.attributes.attribute import Attributes, target_labels
from src.evaluation.continuation import Continuation
from src.evaluation.metrics.diversity import diversity, words_of
from src.evaluation.metrics.perplexity import perplexity
from src.evaluation.metrics.worst_of_k import JOINT, worst_of_k
from src.evaluation.scoring.judge import judge_figures
from src.evaluation.scoring.people import Ratings, people_figures
from src.statistics.influence import influence_on_ratio
from src.statistics.intervals import share_interval
from src.statistics.prompt_sums import index_prompts
from src.statistics.spread import clustered_variance


@dataclass(frozen=True)
class PromptSums:
    """What each training and prompt adds to the sums of a cell.

    Attributes:
        prompt_ids: [prompts], in the order in which they were first met.
        n_sentences: [trainings, prompts], 0 where nothing was written.
        misaligned: attribute or `joint` → [trainings, prompts], sentences whose label is not the target.
        contradicting: attribute or `joint` → [trainings, prompts], sentences at the opposite end of the
            target whose score says so; in `joint`, of any attribute.
        aligned: attribute or `joint` → [trainings, prompts], sentences with the target's label whose score
            says so; in `joint`, of all attributes. The rest is neither.
    """

    prompt_ids: tuple[str, ...]
    n_sentences: np.ndarray
    misaligned: dict[str, np.ndarray]
    contradicting: dict[str, np.ndarray]
    aligned: dict[str, np.ndarray]


def sum_by_prompt(
    continuations: Sequence[Continuation], targets: Mapping[str, str], attributes: Attributes
) -> PromptSums:
    """Count sentences of each kind per training and prompt.

    Args:
        continuations: of one cell.
        targets: attribute → label that counts as aligned.
        attributes: of the data set.

    Returns:
        The sums for every attribute, and for `joint`.
    """
    index = index_prompts((c.training, c.prompt_id, len(c.labels)) for c in continuations)
    labels = [row for c in continuations for row in c.labels]
    scores = [row for c in continuations for row in c.scores]
    undecided = {
        a: np.array([attributes[a].is_undecided(row[a]) for row in scores], dtype=bool)
        for a in targets
    }

    def of_each(is_so: Callable[[str, str], bool]) -> dict[str, np.ndarray]:
        return {a: np.array([is_so(a, row[a]) for row in labels], dtype=bool) for a in targets}

    def count(found: dict[str, np.ndarray], joined: np.ufunc) -> dict[str, np.ndarray]:
        all_of_them = {**found, JOINT: joined.reduce(list(found.values()))}
        return {a: index.count(chosen) for a, chosen in all_of_them.items()}

    misaligned = of_each(lambda name, label: label != targets[name])
    opposite = of_each(lambda name, label: attributes[name].is_opposite_end(targets[name], label))
    return PromptSums(
        prompt_ids=index.prompt_ids,
        n_sentences=index.count(),
        misaligned=count(misaligned, np.logical_or),
        contradicting=count({a: opposite[a] & ~undecided[a] for a in targets}, np.logical_or),
        aligned=count({a: ~misaligned[a] & ~undecided[a] for a in targets}, np.logical_and),
    )


def cell_rows(
    facts: Mapping[str, Any],
    continuations: Sequence[Continuation],
    attributes: Attributes,
    *,
    seed: int,
    ratings: Mapping[str, Ratings] | None = None,
) -> list[dict[str, Any]]:
    """The rows of metrics.json for one cell: one per attribute, and one for `joint`.

    Args:
        facts: model, condition, decoding and prompts.
        continuations: of the cell.
        attributes: of the data set.
        seed: of the run.
        ratings: by people, of the attributes that have any.

    Returns:
        JSON values; null where there is no sentence to measure. `misalignment`: the label is not the target.
        `aligned`, `neither`, `contradiction`: shares that add up to 1, in which a score that says nothing
        (`Attribute.is_undecided`) is neither, whatever label it falls to. `n_trainings`: whose sentences
        these are; with more than one, intervals are about the recipe, else about this checkpoint.
    """
    condition = facts["condition"]
    targets = target_labels(condition, attributes)
    sums = sum_by_prompt(continuations, targets, attributes)
    summary = cell_summary(continuations, seed)
    worst = worst_of_k(continuations, targets, attributes, prompts=facts["prompts"])
    judged = judge_figures(continuations, targets, attributes)
    by_people = people_figures(continuations, targets, attributes, ratings or {})
    rows = []
    for name, misaligned in sums.misaligned.items():
        interval = share_interval(misaligned, sums.n_sentences)
        contradicting, aligned = sums.contradicting[name], sums.aligned[name]
        contradiction = share_interval(contradicting, sums.n_sentences)
        neither = sums.n_sentences - contradicting - aligned
        of = {name: targets[name]} if name != JOINT else targets
        measured = {
            "attribute": name,
            "targets": of,
            "asked": all(attribute in condition for attribute in of),
            "n_prompts": len(sums.prompt_ids),
            "n_trainings": len(sums.n_sentences),
            "misalignment": _share(misaligned.sum(), summary["n_sentences"]),
            "ci_low": interval and interval.low,
            "ci_high": interval and interval.high,
            "ci_method": interval and interval.method,
            "design_effect": design_effect(misaligned, sums.n_sentences),
            "aligned": _share(aligned.sum(), summary["n_sentences"]),
            "neither": _share(neither.sum(), summary["n_sentences"]),
            "contradiction": _share(contradicting.sum(), summary["n_sentences"]),
            "contradiction_ci_low": contradiction and contradiction.low,
            "contradiction_ci_high": contradiction and contradiction.high,
            **worst[name],
        }
        opinions = {**judged.get(name, {}), **by_people.get(name, {})}
        rows.append({**facts, **measured, **opinions, **summary})
    return rows


def cell_summary(continuations: Sequence[Continuation], seed: int) -> dict[str, Any]:
    """What does not depend on an attribute: counts, length, fluency, diversity.

    Args:
        continuations: of one cell.
        seed: chooses the texts of self-BLEU.
    """
    lengths = [len(words_of(c.text)) for c in continuations if c.sentences]
    fluency = perplexity(continuations)
    return {
        "n_continuations": len(continuations),
        "n_empty": sum(not c.sentences for c in continuations),
        "n_sentences": sum(len(c.sentences) for c in continuations),
        "tokens": sum(c.n_tokens for c in continuations),
        "mean_words": float(np.mean(lengths)) if lengths else None,
        "perplexity": fluency.value,
        "perplexity_ci_low": fluency.low,
        "perplexity_ci_high": fluency.high,
        "reference_tokens": sum(c.reference_tokens for c in continuations),
        **diversity(continuations, seed),
    }


def design_effect(numerators: np.ndarray, denominators: np.ndarray) -> float | None:
    """Variance of a share over that of as many independent sentences (Kish 1965).

    1 means that the sentences of a prompt are as unlike as any others; a share measured on n sentences of
    these trainings is as exact as one on n / design effect independent ones.

    Args:
        numerators: [trainings, prompts].
        denominators: [trainings, prompts].

    Returns:
        None where the share is 0, 1 or of fewer than two prompts.
    """
    total = denominators.sum()
    if not 0 < numerators.sum() < total or denominators.shape[1] < 2:
        return None
    share = numerators.sum() / total
    variance = clustered_variance(influence_on_ratio(numerators, denominators).table.sum(axis=0))
    return float(variance * total / (share * (1 - share)))


def _share(part: float, whole: float) -> float | None:
    return float(part / whole) if whole else None
