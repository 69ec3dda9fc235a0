"""The controllability matrix: every combination of labels asked for, against what came out.

Imports neither torch nor transformers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from src.attributes.attribute import Attributes
from src.config.evaluation import Condition, DecodingArgs
from src.evaluation.continuation import Continuation
from src.evaluation.metrics.comparison import Finished, counterpart
from src.evaluation.plan.cells import Cell
from src.runtime.randomness import keyed_hash
from src.statistics.intervals import share_interval
from src.statistics.paired_tests import Pair, difference, holm, p_values
from src.statistics.prompt_sums import index_prompts, order_as


def controllability(
    finished: Finished,
    attributes: Attributes,
    decodings: Mapping[str, DecodingArgs],
    seed: int,
    held_out: Mapping[str, Sequence[Condition]] | None = None,
) -> list[dict[str, Any]]:
    """What each model writes under every condition, and what asking for one label changes.

    Args:
        finished: cells with their continuations.
        attributes: of the data set.
        decodings: of the args.
        seed: of the run.
        held_out: model → labels that it was never trained on together.

    Returns:
        `controllability` of metrics.json: one entry per model, decoding and prompts with two conditions at
        least:

        - `model`, `decoding`, `prompts`.
        - `unconditioned_decoding`: of the row that asks nothing. Contrast decoding has nothing to contrast
          there, so the model's plain cell stands in; null where there is none.
        - `rows`: per condition `condition`, `n_sentences` and `shares`: attribute → label → `share`,
          `ci_low`, `ci_high` of the sentences; null where nothing was written.
        - `effects`: what asking `attribute` for `label` instead of nothing does, all else asked alike
          (`given`), to the share of `measured_label` of `measured`: `difference`, `ci_low`, `ci_high`,
          paired by prompt, `p` of no difference and `p_holm`, corrected over the effects of one table
          (those of a label that goes up as others go down are all in it). `leakage` is true where
          `measured` is another attribute. Null where a cell wrote nothing.
        - `combinations`: where the model has combinations that it was never trained on, one entry for those
          asked for and one for all others of as many labels: `trained`, `conditions`, and `share`, `ci_low`,
          `ci_high` of the labels asked for that came out (the accuracy of CompMCTG, Zhong et al. 2024,
          arXiv 2404.04232, seen and compositional).
    """
    found: list[dict[str, Any]] = []
    for (model, decoding, prompts), places in _groups(finished, decodings).items():
        draws = keyed_hash(seed, "sign flips", prompts)
        counts = {key: _count(*finished[i], attributes) for key, i in places.items()}
        nothing = places.get(_key({}))
        found.append(
            {
                "model": model,
                "decoding": decoding,
                "prompts": prompts,
                "unconditioned_decoding": None
                if nothing is None
                else finished[nothing][0].decoding,
                "rows": [_row(one, attributes) for one in _sorted(counts.values())],
                "effects": [
                    effect
                    for asked, label, without, with_it in _steps(counts, attributes)
                    for effect in _effects(asked, label, without, with_it, attributes, draws)
                ],
                "combinations": _combinations(
                    list(counts.values()), (held_out or {}).get(model, ())
                ),
            }
        )
    for prompts in dict.fromkeys(entry["prompts"] for entry in found):
        entries = [entry for entry in found if entry["prompts"] == prompts]
        _correct([effect for entry in entries for effect in entry["effects"]], attributes)
    return found


def _correct(effects: Sequence[dict[str, Any]], attributes: Attributes) -> None:
    """Holm's p over the effects of a table. Of two labels one goes up as the other goes down: one test."""
    tests: list[list[dict[str, Any]]] = []
    for effect in effects:
        labels = attributes[effect["measured"]].labels
        if len(labels) == 2 and effect["measured_label"] == labels[1]:
            tests[-1].append(effect)  # that of the first label is the one before it
        else:
            tests.append([effect])
    known = [same for same in tests if same[0]["p"] is not None]
    for same, p in zip(known, holm([same[0]["p"] for same in known]), strict=True):
        for effect in same:
            effect["p_holm"] = p


def _groups(
    finished: Finished, decodings: Mapping[str, DecodingArgs]
) -> dict[tuple[str, str, str], dict[tuple, int]]:
    """(model, decoding, prompts) → condition → place of its cell; groups with two conditions at least."""
    cells = [cell for cell, _ in finished]
    groups: dict[tuple[str, str, str], dict[tuple, int]] = {}
    for i, cell in enumerate(cells):
        key = (cell.model, cell.decoding, cell.prompts)
        groups.setdefault(key, {})[_key(cell.condition)] = i
    for (model, _, _), places in groups.items():
        if _key({}) not in places:
            # Asked nothing, this decoding is no cell: see `has_cells`.
            plain = counterpart(cells[next(iter(places.values()))], model, {}, cells, decodings)
            if plain is not None:
                places[_key({})] = plain
    return {key: places for key, places in groups.items() if len(places) > 1}


@dataclass(frozen=True)
class _Counts:
    """Sentences of a cell per training and prompt: all, and those with each label.

    Attributes:
        condition: asked for.
        prompt_ids: [prompts], sorted.
        n_sentences: [trainings, prompts].
        of: (attribute, label) → [trainings, prompts].
    """

    condition: Condition
    prompt_ids: tuple[str, ...]
    n_sentences: np.ndarray
    of: dict[tuple[str, str], np.ndarray]


def _key(condition: Condition) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(condition.items()))


def _sorted(counts: Iterable[_Counts]) -> list[_Counts]:
    """By how much is asked for; as in the args among equals."""
    return sorted(counts, key=lambda one: len(one.condition))


def _count(cell: Cell, continuations: Sequence[Continuation], attributes: Attributes) -> _Counts:
    in_order = sorted(continuations, key=lambda one: one.prompt_id)
    index = index_prompts((one.training, one.prompt_id, len(one.labels)) for one in in_order)
    labels = [row for one in in_order for row in one.labels]
    of = {
        (name, label): index.count([row[name] == label for row in labels])
        for name, one in attributes.items()
        for label in one.labels
    }
    return _Counts(cell.condition, index.prompt_ids, index.count(), of)


def _row(counts: _Counts, attributes: Attributes) -> dict[str, Any]:
    total = int(counts.n_sentences.sum())
    shares: dict[str, dict[str, Any]] = {}
    for name, one in attributes.items():
        for label in one.labels:
            interval = share_interval(counts.of[name, label], counts.n_sentences)
            shares.setdefault(name, {})[label] = {
                "share": float(counts.of[name, label].sum() / total) if total else None,
                "ci_low": interval and interval.low,
                "ci_high": interval and interval.high,
            }
    return {"condition": dict(counts.condition), "n_sentences": total, "shares": shares}


def _steps(
    counts: Mapping[tuple, _Counts], attributes: Attributes
) -> Iterator[tuple[str, str, _Counts, _Counts]]:
    """Pairs of conditions of which one asks for one label more: attribute, label, without it, with it."""
    for with_it in _sorted(counts.values()):
        for name in attributes:
            if name in with_it.condition:
                rest = {a: label for a, label in with_it.condition.items() if a != name}
                without = counts.get(_key(rest))
                if without is not None:
                    yield name, with_it.condition[name], without, with_it


def _effects(
    asked: str,
    asked_label: str,
    without: _Counts,
    with_it: _Counts,
    attributes: Attributes,
    draws: int,
) -> Iterator[dict[str, Any]]:
    order = order_as(with_it.prompt_ids, without.prompt_ids)
    for name, one in attributes.items():
        for label in one.labels:
            pair = Pair(
                with_it.of[name, label],
                with_it.n_sentences,
                without.of[name, label][:, order],
                without.n_sentences[:, order],
                same_trainings=True,
            )
            found = difference(pair) if pair.measurable else None
            yield {
                "attribute": asked,
                "label": asked_label,
                "given": dict(without.condition),
                "measured": name,
                "measured_label": label,
                "leakage": name != asked,
                "difference": found and found.value,
                "ci_low": found and found.low,
                "ci_high": found and found.high,
                "p": p_values([pair], draws)[0] if found else None,
                "p_holm": None,
            }


def _combinations(counts: Sequence[_Counts], held_out: Sequence[Condition]) -> list[dict[str, Any]]:
    """How much of what is asked for comes out, of combinations trained on and of those held out."""
    unseen = [c for c in counts if any(o.items() <= c.condition.items() for o in held_out)]
    if not unseen:
        return []
    n_labels = max(len(one.condition) for one in unseen)
    seen = [c for c in counts if len(c.condition) == n_labels and not any(c is u for u in unseen)]
    found = []
    for trained, group in ((True, seen), (False, unseen)):
        if group:
            found.append({"trained": trained, "conditions": len(group), **_met(group)})
    return found


def _met(group: Sequence[_Counts]) -> dict[str, float | None]:
    """Share of the labels asked for that the sentences have, over all conditions of a group."""
    first = group[0]
    met, asked = np.zeros_like(first.n_sentences), np.zeros_like(first.n_sentences)
    for one in group:
        order = order_as(first.prompt_ids, one.prompt_ids)
        for label in one.condition.items():
            met += one.of[label][:, order]
            asked += one.n_sentences[:, order]
    interval = share_interval(met, asked)
    return {
        "share": float(met.sum() / asked.sum()) if asked.sum() else None,
        "ci_low": interval and interval.low,
        "ci_high": interval and interval.high,
    }
