"""The words of the tables: titles of lines and of sources, headings, captions; for files and page alike.

Imports neither torch nor transformers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from src.evaluation.metrics.cell_metrics import JOINT
from src.evaluation.metrics.comparison import BASELINE, OWN, SAMPLING, in_table
from src.evaluation.plan.cells import condition_title

SIGNIFICANT = 0.05
"""Marks stand where a p-value, corrected over its table, is below this."""

COMPARED_WITH = {
    BASELINE: "the first model without a condition",
    OWN: "the same model without a condition",
    SAMPLING: "the same model asked the same, by plain sampling",
}
"""Role of a comparison → what a cell is compared with."""

SAME_LABELS = "both measured against what the marked one was asked for"
"""Of two cells that are compared: a figure asked for `toxic` is not set beside a share of `nontoxic`."""

HEADINGS = {
    "ratio": ("misaligned × first", 2),
    "perplexity": ("perplexity", 1),
    "perplexity_ratio": ("× first", 2),
    "mean_words": ("words", 1),
    "distinct_1": ("distinct-1", 2),
    "distinct_2": ("distinct-2", 2),
    "distinct_2_ratio": ("× first", 2),
    "distinct_3": ("distinct-3", 2),
    "self_bleu": ("self-BLEU", 2),
    "n_sentences": ("sentences", 0),
    "n_continuations": ("continuations", 0),
    "n_empty": ("empty", 0),
}
"""Figure of a text in metrics.json → its heading and how many digits it is shown with."""

INTERVALS = "95 % intervals over prompts, and over trainings where there are several."
TEXT = (
    "× first: over the same figure of the first model without a condition, under the same truncation, "
    "paired by prompt. Misaligned: joint, or of the only attribute. Perplexity: of the continuations under "
    "the reference model. Words: of a continuation that is not empty. Distinct-n: share of word n-grams that "
    "differ (it falls as more is written). Self-BLEU: BLEU of each text against the others. Empty: "
    f"continuations without a sentence, never counted as aligned. {INTERVALS}"
)
ALIGNMENT = (
    "% of the generated sentences that are aligned with what was asked for, neither, or contradict it: a "
    "label at the opposite end with a score that says so. Neither: the scorer's neutral score (VADER finds "
    "no word that it knows), a score in a margin that training left out, or a label between the ends. Joint: "
    "aligned in all attributes; contradicting in any. × first: contradicting, over the first model asked "
    f"nothing. {INTERVALS}"
)
WORST = (
    "Expected max: the mean over prompts of the worst sentence's score among k generations "
    "(RealToxicityPrompts' expected maximum; the lowest score where a high one is asked for). Past edge: % "
    "of prompts where one of them is past the label asked for (its probability)."
)
MATRIX = f"% of the generated sentences with each label, by what was asked for. {INTERVALS}"
EFFECTS = (
    "Asking for one label instead of nothing changes the share of sentences with each label by so many "
    "points; what it changes of another attribute is leakage. 95 % intervals, paired by prompt. *: not "
    f"nothing, p < {SIGNIFICANT} after Holm over the table."
)
COMBINATIONS = (
    "% of the labels asked for that the generated sentences have: combinations of labels that the model was "
    f"trained on, and those held out, which it was asked for all the same. {INTERVALS}"
)
MORE_DATA = (
    "Misalignment over the tokens trained on, of checkpoints of one run, or of runs that differ in nothing "
    f"but their amount of data. {INTERVALS}"
)
SELECTED = {
    "lowest_loss": "validation loss in nats per token, as training measured it",
    "highest_control_auc": "control AUC, the mean over the attributes, as training measured it",
    "lowest_misalignment": "misalignment, a share, on prompts that are not reported",
}
"""Way to choose a checkpoint → what its candidates' figures are."""


def is_significant(test: Mapping[str, Any]) -> bool:
    """Whether a comparison or an effect is marked, after Holm's correction."""
    return test["p_holm"] is not None and test["p_holm"] < SIGNIFICANT


def measured(attributes: Mapping[str, Any]) -> list[str]:
    """The attributes, and `joint` where it differs from them."""
    return [*attributes, JOINT] if len(attributes) > 1 else list(attributes)


def is_in_table(name: str, row: Mapping[str, Any]) -> bool:
    """Whether a row stands in the table of an attribute, or of `joint` (see `in_table`)."""
    return row["attribute"] == name and in_table(name, row["condition"])


def condition_titles(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Conditions across: none, those of one attribute, of two …, each in the order of the args."""
    conditions = sorted((row["condition"] for row in rows), key=len)
    return list(dict.fromkeys(condition_title(condition) for condition in conditions))


def line_title(row: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> str:
    """A line among those of its source of prompts: the model, and its decoding where there are several."""
    several = len({other["decoding"] for other in rows}) > 1
    return f"{row['model']}, {row['decoding']}" if several else row["model"]


def source_title(source: str, n_prompts: int) -> str:
    """What the models were given: `unprompted, 200 samples`, `validation prompts, 40`."""
    if source == "unprompted":
        return f"unprompted, {n_prompts} samples"
    if source == "beginnings":
        return f"beginnings of sentences, {n_prompts}"
    return f"{source} prompts, {n_prompts}"


def source_heading(source: str, n_prompts: int) -> str:
    """The same at the top of a section; the name of a file stays as it is."""
    title = source_title(source, n_prompts)
    return title.capitalize() if source in ("unprompted", "validation", "beginnings") else title


def scope(rows: Sequence[Mapping[str, Any]]) -> str:
    """Whom figures speak of: these checkpoints, or the recipe that several trainings repeat."""
    counts = sorted({row["n_trainings"] for row in rows})
    if not counts:
        return ""
    if counts == [1]:
        return "Of these checkpoints: another training may write otherwise."
    if counts[0] == 1:
        return (
            f"Over up to {counts[-1]} trainings a model; where it is one, figures and comparisons are of "
            "that checkpoint."
        )
    spans = counts[:1] if len(counts) == 1 else [counts[0], "to", counts[-1]]
    return f"Over {' '.join(map(str, spans))} trainings a model."


def misalignment(
    name: str, attributes: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]
) -> str:
    """Caption of a table of misalignment.

    Args:
        name: of the attribute, or `joint`.
        attributes: of metrics.json.
        rows: of the table.
    """
    return f"{_misaligned(name, attributes)} {INTERVALS} {scope(rows)}".rstrip()


def _misaligned(name: str, attributes: Mapping[str, Any]) -> str:
    if name == JOINT:
        desired = " and ".join(one["desired"] for one in attributes.values())
        return (
            "% of the generated sentences that miss any of the labels asked for; what is not asked for "
            f"has to be {desired}. This table is the primary one, all others are secondary."
        )
    return (
        "% of the generated sentences whose label is not the one asked for; without a condition, not "
        f"{attributes[name]['desired']}."
    )


OPINIONS = {
    "judge_misalignment": "judge",
    "judge_disagreement": "disagree",
    "people_misalignment": "people, estimated",
}
"""Figure of a row that is somebody else's opinion of the same sentences → its heading."""


def opinions(name: str, row: Mapping[str, Any], attributes: Mapping[str, Any]) -> str:
    """Caption of a table of others' opinions.

    Args:
        name: of the attribute.
        row: any of the table.
        attributes: of metrics.json.
    """
    parts = [
        f"% misaligned by the scorer that labelled the data ({attributes[name]['scorer']['name']})"
    ]
    if "judge_misalignment" in row:
        second = attributes[name]["judge"]["scorer"]["name"]
        parts.append(
            f"by a second one that did not ({second}), and % of the sentences that the two label differently"
        )
    if "people_misalignment" in row:
        parts.append(
            "as people would see it, if they judge generated sentences as they judged the corpus's sentences "
            "with the same label and as clear a score (an estimate: nobody read these texts)"
        )
    return f"{', '.join(parts)}. {INTERVALS}"


def sweep_limits(limits: Mapping[str, Any]) -> str:
    """How a sweep chose."""

    def limit(value: float | None) -> str:
        return "any" if value is None else f"{value:g}"

    return (
        "The lowest misalignment within the limits is chosen: perplexity ratio at most "
        f"{limit(limits['perplexity_ratio_at_most'])}, distinct-2 ratio at least "
        f"{limit(limits['distinct_2_ratio_at_least'])}."
    )


def baseline_of_sweep(decoding: Mapping[str, Any]) -> str:
    """Which of a sweep's baselines one is: `baseline at top_p 0.5, temperature 1`."""
    return f"baseline at top_p {decoding['top_p']:g}, temperature {decoding['temperature']:g}"


def sweep(swept: Mapping[str, Any]) -> str:
    """Caption of a sweep's candidates."""
    against = swept["limits"]["against"] or "the first model"
    return (
        f"Misalignment, {swept['attribute']}, in %, and ratios to the plain text of {against} without a "
        "condition, on the same prompts with the same truncation. 95 % intervals; those of ratios are paired "
        "by prompt. "
        f"front: no candidate is better in all three. {sweep_limits(swept['limits'])}"
    )


def selection_title(name: str, selected: Mapping[str, Any]) -> str:
    """Title of the candidates of a choice among checkpoints."""
    return f"Checkpoints of {name}, chosen by {selected['by']}"
