"""Which cells of an evaluation are compared by default, and what comes of it.

Imports neither torch nor transformers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from src.attributes.attribute import Attributes, target_labels
from src.config.evaluation import DecodingArgs
from src.evaluation.continuation import Continuation
from src.evaluation.metrics.cell_metrics import JOINT, PromptSums, sum_by_prompt
from src.evaluation.metrics.diversity import compare_distinct
from src.evaluation.metrics.perplexity import compare_perplexity
from src.evaluation.plan.baselines import plain
from src.evaluation.plan.cells import Cell
from src.runtime.randomness import keyed_hash
from src.statistics.paired_tests import Pair, difference, holm, p_values
from src.statistics.prompt_sums import order_as

BASELINE, OWN, SAMPLING = "baseline", "own unconditioned", "own sampling"
"""Why two cells are compared. b is the first model without a condition; a's own model without a condition;
or, for contrast decoding, a's own model asked the same without the contrast."""

MISALIGNMENT, CONTRADICTION = "misalignment", "contradiction"
"""What is compared: labels that are not the target, or only those at the other end whose score says so."""

Finished = Sequence[tuple[Cell, Sequence[Continuation]]]


def compare_all(
    finished: Finished,
    attributes: Attributes,
    decodings: Mapping[str, DecodingArgs],
    seed: int,
) -> list[dict[str, Any]]:
    """The comparisons of an evaluation, the entries of `comparisons` in metrics.json.

    Every cell is compared with the first model without a condition, every cell with a condition with its
    own model without a condition, and every one of contrast decoding with plain sampling under the same
    condition: on the same prompts, with the same truncation (`plan.baselines.plain`). Both cells are measured
    against the labels that the first one, a, has to have: with `{toxicity: toxic}` asked of a, b's
    misalignment is its share of sentences that are not toxic.

    Args:
        finished: cells with their continuations, in the order of the args.
        attributes: of the data set.
        decodings: of the args.
        seed: of the run.

    Returns:
        One entry per pair of cells, attribute (and `joint`, where there are several) and measure:

        - `a`, `b`: model, condition, decoding and prompts of the two cells.
        - `roles`: why: `baseline`, `own unconditioned`, `own sampling`.
        - `attribute`: its name, or `joint`; `targets`: attribute → label that counts as aligned.
        - `measure`: `misalignment`, or `contradiction` where a sentence may be neither.
        - `of_trainings`: whether each side is several trainings, so that figures hold for their recipes;
          else they hold for these checkpoints.
        - `family`: the comparisons that one table shows, over which Holm corrects;
          attributes that a's condition does not ask for stand in no table and are a family of their own.
        - `share_a`, `share_b`: of the measure.
        - `difference`, `ci_low`, `ci_high`: share_a − share_b.
        - `ratio`, `ratio_ci_low`, `ratio_ci_high`: share_a / share_b; null where that is not defined.
        - `p`: of equal shares (`paired_tests.p_values`); `p_holm`: corrected over the family.
        - `perplexity_ratio`, `perplexity_ratio_ci_low`, `perplexity_ratio_ci_high`: perplexity of a over
          that of b; the same in every entry of a pair.
        - `distinct_2_ratio`, `distinct_2_ratio_ci_low`, `distinct_2_ratio_ci_high`: the same of distinct-2.
        - `minimum_detectable_difference`: two-sided 5 %, power 80 %; null without any variance.
        - `n_prompts`: of the pair.

        Figures are null where a cell has no sentence at all, or one prompt wrote everything.
    """
    entries = [
        entry
        for a, b, roles in pairs(finished, decodings)
        for entry in compare(finished[a], finished[b], attributes, seed, roles)
    ]
    correct(entries)
    return entries


def correct(tests: Sequence[dict[str, Any]]) -> None:
    """Set Holm's `p_holm`, family by family, of what has a `p`."""
    families: dict[str, list[dict[str, Any]]] = {}
    for test in tests:
        if test["p"] is not None:
            families.setdefault(test["family"], []).append(test)
    for family in families.values():
        for test, p in zip(family, holm([test["p"] for test in family]), strict=True):
            test["p_holm"] = p


def pairs(
    finished: Finished, decodings: Mapping[str, DecodingArgs]
) -> list[tuple[int, int, list[str]]]:
    """Places of the cells that are compared, and why; no pair twice."""
    cells = [cell for cell, _ in finished]
    found: dict[tuple[int, int], list[str]] = {}
    for i, cell in enumerate(cells):
        wanted = [(BASELINE, cells[0].model, {})]
        if cell.condition:
            wanted.append((OWN, cell.model, {}))
        if decodings[cell.decoding].contrast_weights:
            wanted.append((SAMPLING, cell.model, cell.condition))
        for role, model, condition in wanted:
            j = counterpart(cell, model, condition, cells, decodings)
            if j is not None and j != i:
                found.setdefault((i, j), []).append(role)
    return [(i, j, roles) for (i, j), roles in found.items()]


def counterpart(
    cell: Cell,
    model: str,
    condition: Mapping[str, str],
    cells: Sequence[Cell],
    decodings: Mapping[str, DecodingArgs],
) -> int | None:
    """Place of a plain cell of a model that a cell is compared with: same prompts, same truncation.

    Returns:
        None where the model was never asked this on these prompts in this way.
    """
    wanted = plain(decodings[cell.decoding])
    places = [
        i
        for i, one in enumerate(cells)
        if (one.model, one.condition, one.prompts) == (model, condition, cell.prompts)
        and not decodings[one.decoding].contrast_weights
        and plain(decodings[one.decoding]) == wanted
    ]
    own = (i for i in places if cells[i].decoding == cell.decoding)  # of two names for one setting
    return next(own, next(iter(places), None))


def compare(
    a: tuple[Cell, Sequence[Continuation]],
    b: tuple[Cell, Sequence[Continuation]],
    attributes: Attributes,
    seed: int,
    roles: Sequence[str] = (),
) -> list[dict[str, Any]]:
    """Compare any two cells over the same prompts; see `compare_all` for the entries.

    `p_holm` is null: it is a figure of a family.

    Raises:
        ValueError: the cells have different prompts.
    """
    (cell_a, written_a), (cell_b, written_b) = a, b
    targets = target_labels(cell_a.condition, attributes)
    same = cell_a.model == cell_b.model
    paired = {
        (name, measure): pair
        for (name, measure), pair in paired_sums(
            sum_by_prompt(written_a, targets, attributes),
            sum_by_prompt(written_b, targets, attributes),
            same_trainings=same,
        ).items()
        if (name != JOINT or len(attributes) > 1)
        and (measure == MISALIGNMENT or may_be_neither(name, attributes))
    }
    measurable = [key for key, pair in paired.items() if pair.measurable]
    draws = keyed_hash(seed, "sign flips", cell_a.prompts)
    found = dict(zip(measurable, p_values([paired[key] for key in measurable], draws), strict=True))
    fluency = compare_perplexity(written_a, written_b, same_trainings=same)
    ratios = {
        "perplexity_ratio": fluency.value,
        "perplexity_ratio_ci_low": fluency.low,
        "perplexity_ratio_ci_high": fluency.high,
        **compare_distinct(written_a, written_b, same_trainings=same),
    }
    return [
        {
            "a": cell_a.facts,
            "b": cell_b.facts,
            "roles": list(roles),
            "attribute": name,
            "measure": measure,
            "targets": {name: targets[name]} if name in targets else targets,
            "family": family(name, measure, cell_a.condition, cell_a.prompts),
            **_figures(pair, found.get((name, measure))),
            **ratios,
        }
        for (name, measure), pair in paired.items()
    ]


def may_be_neither(name: str, attributes: Attributes) -> bool:
    """Whether a sentence may be neither aligned nor contradicting, in an attribute or in `joint`."""
    chosen = attributes.values() if name == JOINT else [attributes[name]]
    return any(one.may_be_neither for one in chosen)


def family(attribute: str, measure: str, condition: Mapping[str, str], prompts: str) -> str:
    """The comparisons that are corrected together: those of one table."""
    shown = "" if in_table(attribute, condition) else ", not asked for"
    return f"{measure}, {attribute}{shown}, {prompts}"


def in_table(attribute: str, condition: Mapping[str, str]) -> bool:
    """Whether what a condition asks for is a column of the table of an attribute, or of `joint`.

    As in the paper: the columns of an attribute's table are the conditions that ask for it, and none.
    """
    return attribute == JOINT or not condition or attribute in condition


def paired_sums(
    a: PromptSums, b: PromptSums, *, same_trainings: bool
) -> dict[tuple[str, str], Pair]:
    """(attribute or `joint`, measure) → what two cells count, prompt by prompt.

    Raises:
        ValueError: the cells have different prompts.
    """
    order = order_as(a.prompt_ids, b.prompt_ids)
    counted = {
        MISALIGNMENT: (a.misaligned, b.misaligned),
        CONTRADICTION: (a.contradicting, b.contradicting),
    }
    return {
        (name, measure): Pair(
            in_a[name],
            a.n_sentences,
            in_b[name][:, order],
            b.n_sentences[:, order],
            same_trainings=same_trainings,
        )
        for name in a.misaligned
        for measure, (in_a, in_b) in counted.items()
    }


def _figures(pair: Pair, p: float | None) -> dict[str, Any]:
    share_a, share_b = (
        float(part.sum() / whole.sum()) if whole.sum() else None
        for part, whole in ((pair.a, pair.n_a), (pair.b, pair.n_b))
    )
    found = difference(pair) if pair.measurable else None
    return {
        "of_trainings": pair.of_trainings,
        "share_a": share_a,
        "share_b": share_b,
        "difference": found and found.value,
        "ci_low": found and found.low,
        "ci_high": found and found.high,
        "ratio": found and found.ratio,
        "ratio_ci_low": found and found.ratio_low,
        "ratio_ci_high": found and found.ratio_high,
        "p": p,
        "p_holm": None,
        "minimum_detectable_difference": found and found.detectable,
        "n_prompts": pair.n_prompts,
    }
