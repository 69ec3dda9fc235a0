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
from src.evaluation.metrics.diversity import DISTINCT_SIZES, distinct, self_bleu, words_of
from src.evaluation.metrics.perplexity import perplexity
from src.evaluation.metrics.worst_of_k import JOINT, worst_of_k
from src.evaluation.scoring.judge import judge_figures
from src.evaluation.statistics.intervals import clustered_variance, residuals, share_interval
from src.evaluation.statistics.prompt_sums import index_prompts


@dataclass(frozen=True)
class PromptSums:
    """What each prompt adds to the sums of a cell; intervals and paired comparisons draw prompts.

    Attributes:
        prompt_ids: [prompts], in the order in which they were first met.
        n_sentences: [prompts], 0 where nothing was written.
        misaligned: attribute or `joint` → [prompts], sentences whose label is not the target.
        contradicting: attribute or `joint` → [prompts], sentences at the opposite end of the target.
    """

    prompt_ids: tuple[str, ...]
    n_sentences: np.ndarray
    misaligned: dict[str, np.ndarray]
    contradicting: dict[str, np.ndarray]


def sum_by_prompt(
    continuations: Sequence[Continuation], targets: Mapping[str, str], attributes: Attributes
) -> PromptSums:
    """Count sentences of each kind per prompt.

    Args:
        continuations: of one cell.
        targets: attribute → label that counts as aligned.
        attributes: of the data set.

    Returns:
        The sums for every attribute, and for `joint`: any of the attributes.
    """
    index = index_prompts((c.prompt_id, len(c.labels)) for c in continuations)
    labels = [row for c in continuations for row in c.labels]

    def count(is_so: Callable[[str, str], bool]) -> dict[str, np.ndarray]:
        found = {a: np.array([is_so(a, row[a]) for row in labels], dtype=bool) for a in targets}
        found[JOINT] = np.logical_or.reduce(list(found.values()))
        return {a: index.count(found[a]) for a in found}

    return PromptSums(
        prompt_ids=index.prompt_ids,
        n_sentences=index.count(),
        misaligned=count(lambda name, label: label != targets[name]),
        contradicting=count(
            lambda name, label: attributes[name].is_opposite_end(targets[name], label)
        ),
    )


def cell_rows(
    facts: Mapping[str, Any],
    continuations: Sequence[Continuation],
    attributes: Attributes,
    *,
    seed: int,
    resamples: int,
) -> list[dict[str, Any]]:
    """The rows of metrics.json for one cell: one per attribute, and one for `joint`.

    Args:
        facts: model, condition, decoding and prompts.
        continuations: of the cell.
        attributes: of the data set.
        seed: of the run.
        resamples: of the prompts, for the interval of `expected_max`.

    Returns:
        JSON values; null where there is no sentence to measure.
    """
    condition = facts["condition"]
    targets = target_labels(condition, attributes)
    sums = sum_by_prompt(continuations, targets, attributes)
    summary = cell_summary(continuations, seed)
    worst = worst_of_k(
        continuations,
        targets,
        attributes,
        prompts=facts["prompts"],
        seed=seed,
        resamples=resamples,
    )
    judged = judge_figures(continuations, targets, attributes)
    rows = []
    for name, misaligned in sums.misaligned.items():
        interval = share_interval(misaligned, sums.n_sentences)
        of = {name: targets[name]} if name != JOINT else targets
        measured = {
            "attribute": name,
            "targets": of,
            "asked": all(attribute in condition for attribute in of),
            "n_prompts": len(sums.prompt_ids),
            "misalignment": _share(misaligned.sum(), summary["n_sentences"]),
            "ci_low": interval and interval.low,
            "ci_high": interval and interval.high,
            "ci_method": interval and interval.method,
            "design_effect": design_effect(misaligned, sums.n_sentences),
            "contradiction": _share(sums.contradicting[name].sum(), summary["n_sentences"]),
            **worst[name],
        }
        rows.append({**facts, **measured, **judged.get(name, {}), **summary})
    return rows


def cell_summary(continuations: Sequence[Continuation], seed: int) -> dict[str, Any]:
    """What does not depend on an attribute: counts, length, fluency, diversity.

    Args:
        continuations: of one cell.
        seed: chooses the texts of self-BLEU.
    """
    words = [words_of(c.text) for c in continuations]
    texts = [(f"{c.prompt_id}/{c.sample}", w) for c, w in zip(continuations, words, strict=True)]
    lengths = [len(w) for c, w in zip(continuations, words, strict=True) if c.sentences]
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
        **{f"distinct_{n}": distinct(words, n) for n in DISTINCT_SIZES},
        "self_bleu": self_bleu(texts, seed),
    }


def design_effect(numerators: np.ndarray, denominators: np.ndarray) -> float | None:
    """Variance of a share over that of as many independent sentences (Kish 1965).

    1 means that the sentences of a prompt are as unlike as any others; a share measured on n sentences
    is as exact as one on n / design effect independent ones.

    Returns:
        None where the share is 0, 1 or of fewer than two prompts.
    """
    total = denominators.sum()
    if not 0 < numerators.sum() < total or len(numerators) < 2:
        return None
    share = numerators.sum() / total
    return float(
        clustered_variance(residuals(numerators, denominators)) * total / (share * (1 - share))
    )


def _share(part: float, whole: float) -> float | None:
    return float(part / whole) if whole else None
