"""What a cell's continuations say: misalignment, contradiction, perplexity, diversity, length.

Pure functions over records; imports neither torch nor transformers. The unit of misalignment is a sentence
of the continuation. A continuation without a sentence is empty: counted, shown, and never aligned.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from src.attributes.attribute import Attributes, target_labels
from src.evaluation.continuation import Continuation
from src.evaluation.judge import judge_figures
from src.evaluation.statistics import Interval, ratio_interval, resampled_sums
from src.runtime import keyed_hash

JOINT = "joint"
DISTINCT_SIZES = (1, 2, 3)
_WORD = re.compile(r"\w+(?:['’]\w+)*")


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
    place = {p: i for i, p in enumerate(dict.fromkeys(c.prompt_id for c in continuations))}
    prompts = np.array([place[c.prompt_id] for c in continuations for _ in c.labels], dtype=np.intp)
    labels = [row for c in continuations for row in c.labels]

    def count(is_so: Callable[[str, str], bool]) -> dict[str, np.ndarray]:
        found = {a: np.array([is_so(a, row[a]) for row in labels], dtype=bool) for a in targets}
        found[JOINT] = np.logical_or.reduce(list(found.values()))
        return {a: np.bincount(prompts[found[a]], minlength=len(place)) for a in found}

    return PromptSums(
        prompt_ids=tuple(place),
        n_sentences=np.bincount(prompts, minlength=len(place)),
        misaligned=count(lambda name, label: label != targets[name]),
        contradicting=count(
            lambda name, label: attributes[name].is_opposite_end(targets[name], label)
        ),
    )


def misalignment_intervals(
    sums: PromptSums, prompts: str, seed: int, resamples: int
) -> dict[str, Interval | None]:
    """95 % intervals of every misalignment of a cell.

    Args:
        sums: of the cell.
        prompts: name of the source of prompts: all cells of one source get the same draws.
        seed: of the run.
        resamples: of the prompts.

    Returns:
        Attribute or `joint` → interval; None where the cell has no sentence.
    """
    names = list(sums.misaligned)
    columns = np.stack([sums.n_sentences, *(sums.misaligned[name] for name in names)], axis=1)
    drawn = resampled_sums(
        columns.astype(np.float64), keyed_hash(seed, "bootstrap", prompts), resamples
    )
    return {
        name: ratio_interval(sums.misaligned[name], sums.n_sentences, drawn[:, i], drawn[:, 0])
        for i, name in enumerate(names, start=1)
    }


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
        resamples: of the prompts, for the intervals.

    Returns:
        JSON values; null where there is no sentence to measure.
    """
    condition = facts["condition"]
    targets = target_labels(condition, attributes)
    sums = sum_by_prompt(continuations, targets, attributes)
    intervals = misalignment_intervals(sums, facts["prompts"], seed, resamples)
    summary = cell_summary(continuations)
    judged = judge_figures(
        continuations, targets, attributes, facts["prompts"], seed=seed, resamples=resamples
    )
    rows = []
    for name, interval in intervals.items():
        of = {name: targets[name]} if name != JOINT else targets
        measured = {
            "attribute": name,
            "targets": of,
            "asked": all(attribute in condition for attribute in of),
            "n_prompts": len(sums.prompt_ids),
            "misalignment": _share(sums.misaligned[name].sum(), summary["n_sentences"]),
            "ci_low": interval and interval.low,
            "ci_high": interval and interval.high,
            "ci_method": interval and interval.method,
            "contradiction": _share(sums.contradicting[name].sum(), summary["n_sentences"]),
        }
        rows.append({**facts, **measured, **judged.get(name, {}), **summary})
    return rows


def cell_summary(continuations: Sequence[Continuation]) -> dict[str, Any]:
    """What does not depend on an attribute: counts, length, fluency, diversity."""
    words = [_WORD.findall(c.text.lower()) for c in continuations]
    lengths = [len(w) for c, w in zip(continuations, words, strict=True) if c.sentences]
    return {
        "n_continuations": len(continuations),
        "n_empty": sum(not c.sentences for c in continuations),
        "n_sentences": sum(len(c.sentences) for c in continuations),
        "tokens": sum(c.n_tokens for c in continuations),
        "mean_words": float(np.mean(lengths)) if lengths else None,
        "perplexity": perplexity(continuations),
        "reference_tokens": sum(c.reference_tokens for c in continuations),
        **{f"distinct_{n}": distinct(words, n) for n in DISTINCT_SIZES},
    }


def _share(part: float, whole: float) -> float | None:
    return float(part / whole) if whole else None


def perplexity(continuations: Sequence[Continuation]) -> float | None:
    """exp(all nats / all tokens) under the reference model: no outlier dropped, empty ones weigh nothing.

    Returns:
        None where there is no token, or where the figure is beyond what a double holds.
    """
    tokens = sum(c.reference_tokens for c in continuations)
    if not tokens:
        return None
    nats = math.fsum(c.reference_nll for c in continuations) / tokens
    return math.exp(nats) if nats < 700 else None


def distinct(texts: Sequence[Sequence[str]], n: int) -> float | None:
    """distinct-n (Li et al. 2016): different n-grams over all n-grams of a cell's continuations.

    It falls as there is more text: compare cells with about as many words.

    Args:
        texts: the words of each continuation, in lower case; an n-gram lies within one.
        n: its length in words.

    Returns:
        A share in (0, 1]; None where there is no n-gram.
    """
    grams = [tuple(words[i : i + n]) for words in texts for i in range(len(words) - n + 1)]
    return len(set(grams)) / len(grams) if grams else None
