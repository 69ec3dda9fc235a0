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
from src.evaluation.metrics.perplexity import compare_perplexity
from src.evaluation.plan.cells import Cell
from src.evaluation.statistics.paired_tests import (
    Pair,
    difference,
    holm,
    mcnemar,
    sign_flip_p_values,
)
from src.evaluation.statistics.prompt_sums import order_as
from src.runtime import keyed_hash

BASELINE, OWN = "baseline", "own unconditioned"
"""Why two cells are compared: b is the first model asked nothing, or a's own model asked nothing."""

Finished = Sequence[tuple[Cell, Sequence[Continuation]]]


def compare_all(
    finished: Finished,
    attributes: Attributes,
    decodings: Mapping[str, DecodingArgs],
    seed: int,
) -> list[dict[str, Any]]:
    """The comparisons of an evaluation, the entries of `comparisons` in metrics.json.

    Every cell is compared with the first model asked nothing, and every cell with a condition with its own
    model asked nothing, on the same prompts; see `counterpart` for the decoding. Both cells are measured
    against the labels that the first one, a, has to have: with `{toxicity: toxic}` asked of a, b's
    misalignment is its share of sentences that are not toxic.

    Args:
        finished: cells with their continuations, in the order of the args.
        attributes: of the data set.
        decodings: of the args.
        seed: of the run.

    Returns:
        One entry per pair of cells and attribute (and `joint`, where there are several):

        - `a`, `b`: model, condition, decoding and prompts of the two cells.
        - `roles`: why: `baseline`, `own unconditioned`, or both.
        - `attribute`: its name, or `joint`; `targets`: attribute → label that counts as aligned.
        - `family`: `table, prompts`: the comparisons that one table shows, over which Holm corrects;
          attributes that a's condition does not ask for stand in no table and are a family of their own.
        - `share_a`, `share_b`: misalignment.
        - `difference`, `ci_low`, `ci_high`: share_a − share_b.
        - `ratio`, `ratio_ci_low`, `ratio_ci_high`: share_a / share_b; null where that is not defined.
        - `p`: of equal shares (`paired_tests.sign_flip_p_values`); `p_holm`: corrected over the family.
        - `mcnemar`: `b`, `c`, `p`, `p_holm` (over the same family), `n_prompts` (`paired_tests.mcnemar`).
        - `perplexity_ratio`, `perplexity_ratio_ci_low`, `perplexity_ratio_ci_high`: perplexity of a over
          that of b; the same in every entry of a pair.
        - `minimum_detectable_difference`: two-sided 5 %, power 80 %; null without any variance.
        - `n_prompts`: of the pair.

        Figures are null where a cell has no sentence at all, or there is one prompt only.
    """
    entries = [
        entry
        for a, b, roles in pairs(finished, decodings)
        for entry in compare(finished[a], finished[b], attributes, seed, roles)
    ]
    families: dict[str, list[dict[str, Any]]] = {}
    for entry in entries:
        if entry["p"] is not None:
            families.setdefault(entry["family"], []).append(entry)
    for family in families.values():
        _correct(family)
        _correct([entry["mcnemar"] for entry in family])
    return entries


def _correct(tests: Sequence[dict[str, Any]]) -> None:
    """Add Holm's `p_holm` to tests of one family and one kind."""
    for test, p in zip(tests, holm([test["p"] for test in tests]), strict=True):
        test["p_holm"] = p


def pairs(
    finished: Finished, decodings: Mapping[str, DecodingArgs]
) -> list[tuple[int, int, list[str]]]:
    """Places of the cells that are compared, and why; no pair twice."""
    cells = [cell for cell, _ in finished]
    found: dict[tuple[int, int], list[str]] = {}
    if not cells:
        return []
    for i, cell in enumerate(cells):
        for role, model in ((BASELINE, cells[0].model), (OWN, cell.model)):
            j = counterpart(cell, model, cells, decodings)
            if j is not None and j != i and (role == BASELINE or cell.condition):
                found.setdefault((i, j), []).append(role)
    return [(i, j, roles) for (i, j), roles in found.items()]


def counterpart(
    cell: Cell, model: str, cells: Sequence[Cell], decodings: Mapping[str, DecodingArgs]
) -> int | None:
    """Place of a model's cell without a condition that a cell is compared with.

    It has the same prompts and plain decoding: the cell's own if that is plain, else the first one that
    draws in the same way (top_p and so on), else the first one of all.

    Returns:
        None where the model was never asked nothing on these prompts.
    """
    own = decodings[cell.decoding]
    candidates = [
        i
        for i, one in enumerate(cells)
        if one.model == model
        and not one.condition
        and one.prompts == cell.prompts
        and not decodings[one.decoding].contrast_weights
    ]

    def distance(i: int) -> int:
        if cells[i].decoding == cell.decoding:
            return 0
        return 1 if _draws_alike(decodings[cells[i].decoding], own) else 2

    return min(candidates, key=distance, default=None)


def _draws_alike(one: DecodingArgs, other: DecodingArgs) -> bool:
    contrast = {"contrast_weights", "contrast_flip", "contrast_top_p"}
    return one.model_dump(exclude=contrast) == other.model_dump(exclude=contrast)


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
    paired = paired_sums(
        sum_by_prompt(written_a, targets, attributes),
        sum_by_prompt(written_b, targets, attributes),
    )
    if len(attributes) == 1:
        del paired[JOINT]
    measurable = [name for name, pair in paired.items() if pair.measurable]
    draws = keyed_hash(seed, "sign flips", cell_a.prompts)
    tested = [paired[name] for name in measurable]
    p_values = dict(
        zip(measurable, sign_flip_p_values(tested, draws) if tested else [], strict=True)
    )
    fluency = compare_perplexity(written_a, written_b)
    return [
        {
            "a": cell_a.facts,
            "b": cell_b.facts,
            "roles": list(roles),
            "attribute": name,
            "targets": {name: targets[name]} if name in targets else targets,
            "family": family(name, cell_a.condition, cell_a.prompts),
            **_figures(pair, p_values.get(name)),
            "perplexity_ratio": fluency.value,
            "perplexity_ratio_ci_low": fluency.low,
            "perplexity_ratio_ci_high": fluency.high,
        }
        for name, pair in paired.items()
    ]


def family(attribute: str, condition: Mapping[str, str], prompts: str) -> str:
    """The comparisons that are corrected together: those of one table."""
    shown = in_table(attribute, condition)
    return f"{attribute}{'' if shown else ', not asked for'}, {prompts}"


def in_table(attribute: str, condition: Mapping[str, str]) -> bool:
    """Whether what a condition asks for is a column of the table of an attribute, or of `joint`.

    As in the paper: the columns of an attribute's table are the conditions that ask for it, and none.
    """
    return attribute == JOINT or not condition or attribute in condition


def paired_sums(a: PromptSums, b: PromptSums) -> dict[str, Pair]:
    """Attribute or `joint` → what two cells count, prompt by prompt.

    Raises:
        ValueError: the cells have different prompts.
    """
    order = order_as(a.prompt_ids, b.prompt_ids)
    return {
        name: Pair(
            a.misaligned[name], a.n_sentences, b.misaligned[name][order], b.n_sentences[order]
        )
        for name in a.misaligned
    }


def _figures(pair: Pair, p: float | None) -> dict[str, Any]:
    share_a, share_b = (
        float(part.sum() / whole.sum()) if whole.sum() else None
        for part, whole in ((pair.a, pair.n_a), (pair.b, pair.n_b))
    )
    found = difference(pair) if pair.measurable else None
    outcomes = mcnemar(pair)
    return {
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
        "mcnemar": {
            "b": outcomes.b,
            "c": outcomes.c,
            "p": outcomes.p,
            "p_holm": None,
            "n_prompts": outcomes.n_prompts,
        },
        "minimum_detectable_difference": found and found.detectable,
        "n_prompts": len(pair.a),
    }
