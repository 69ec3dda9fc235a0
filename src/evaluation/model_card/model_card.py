"""The model card, `README.md` of a model: its figures, how to prompt it, what it was made from.

Imports neither torch nor transformers at the top.

The card is kept with the results, `model_cards/NAME/README.md`, and not written into the model's folder:
a finished run folder is never changed, two evaluations of one model would overwrite each other's card, and
here the results' manifest holds its hash. `copy_commands` says how to put it beside the model; manifests
list what a run wrote, so that a model with a card beside it is still the one that was published.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2

from src.artifacts.atomic_files import write_text_atomically
from src.artifacts.manifest import Manifest
from src.attributes.attribute import from_manifest
from src.evaluation.metrics.cell_metrics import JOINT
from src.evaluation.model_card.example import example_of
from src.evaluation.model_card.facts import (
    Fact,
    data_facts,
    provenance_facts,
    training_facts,
)
from src.evaluation.plan.cells import condition_title
from src.evaluation.tables.captions import measured
from src.evaluation.tables.table import number, percent_with_interval, with_interval
from src.presentation.markdown import cell, code, table
from src.published.trained_model import checkpoint_folder

FOLDER, CARD = "model_cards", "README.md"

Metrics = Mapping[str, Any]


def write_model_cards(
    folder: Path, metrics: Metrics, models: Mapping[str, Sequence[Manifest]], dataset: Manifest
) -> None:
    """Write the card of every model.

    Args:
        folder: of the results.
        metrics: content of metrics.json.
        models: name → manifests of its trainings.
        dataset: manifest of the data set of the evaluation.
    """
    for name, trainings in models.items():
        path = folder / FOLDER / name / CARD
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text_atomically(path, model_card(name, metrics, trainings, dataset))


def copy_commands(folder: Path, metrics: Metrics) -> list[str]:
    """Shell commands that put each card beside its model, where the hub looks for it.

    Args:
        folder: of the results.
        metrics: content of metrics.json.

    Returns:
        One command per checkpoint; none where no cards were asked for.
    """
    commands = {}
    for name, model in metrics["models"].items():
        card = folder / FOLDER / name / CARD
        if card.is_file():
            for training in model["trainings"]:
                target = Path(training["path"]) / checkpoint_folder(model["checkpoint"]) / CARD
                command = f"cp {shlex.quote(str(card))} {shlex.quote(str(target))}"
                # One checkpoint under two names has one card beside it: the first.
                commands.setdefault(target, command)
    return list(commands.values())


def model_card(
    name: str, metrics: Metrics, trainings: Sequence[Manifest], dataset: Manifest
) -> str:
    """The card of one model, or of several trainings of one recipe.

    Args:
        name: in the evaluation.
        metrics: content of metrics.json.
        trainings: manifest of each training run.
        dataset: manifest of the data set of the evaluation.

    Returns:
        Markdown with the hub's front matter. Equal inputs give equal bytes.
    """
    from src.models.control_tokens import control_token

    model = trainings[0]
    attributes = from_manifest(model["attributes"])
    trained = model["condition_on"]
    rows = [row for row in metrics["rows"] if row["model"] == name]
    used = list(dict.fromkeys(row["decoding"] for row in rows))
    contrast = [one for one in used if metrics["decodings"][one]["contrast_weights"]]
    plain = [one for one in used if one not in contrast]
    tokens = {a: [control_token(label) for label in one.labels] for a, one in attributes.items()}
    where = "after the prompt" if metrics["placement"] == "after_prompt" else "before the prompt"
    return _template().render(
        header=_header(name, model, rows),
        name=name,
        summary=_summary(model),
        tokens=[{"attribute": a, "tokens": tokens[a]} for a in attributes if a in trained],
        untrained=[token for a in attributes if a not in trained for token in tokens[a]],
        where=where,
        example=example_of(
            [control_token(attributes[a].desired) for a in attributes if a in trained],
            metrics["placement"],
            metrics["decodings"][plain[0]] if plain else {},
        ),
        contrast=contrast,
        attribute_table=_attribute_table(model, tokens),
        scorers=[
            {"attribute": a, "facts": ", ".join(f"{k} {v}" for k, v in facts.items())}
            for a, facts in metrics["scorers"].items()
        ],
        limits=_limits(rows, model),
        result_table=_result_table(rows, measured(metrics["attributes"])),
        quality_table=_quality_table(rows),
        reference=metrics["reference"]["name"],
        settings=_settings(metrics, used),
        training_table=_facts_table(training_facts(model)),
        data_table=_facts_table(data_facts(model, dataset)),
        provenance_table=_facts_table(
            fact
            for known, one in zip(metrics["models"][name]["trainings"], trainings, strict=True)
            for fact in provenance_facts(known, one, metrics)
        ),
    )


# ------------------------------------------------------------------------------------------ the parts


def _header(name: str, model: Manifest, rows: Sequence[Mapping[str, Any]]) -> str:
    """The hub's metadata. No licence and no language: nobody has said which."""
    from huggingface_hub import EvalResult, ModelCardData

    base = model["base_model"]
    on_hub = not Path(base["name"]).is_dir() and not base.get("from_scratch")
    results = [
        EvalResult(
            task_type="text-generation",
            dataset_type=row["prompts"],
            dataset_name="no prompt"
            if row["prompts"] == "unprompted"
            else f"{row['prompts']} prompts",
            metric_type="misalignment",
            metric_name=f"misalignment, {row['attribute']}, asked for {condition_title(row['condition'])}"
            f", {row['decoding']}",
            metric_value=row["misalignment"],
        )
        for row in rows
        if row["misalignment"] is not None
    ]
    data = ModelCardData(
        library_name="transformers",
        pipeline_tag="text-generation",
        base_model=base["name"] if on_hub else None,
        tags=["controlled-generation", "control-tokens"],
        model_name=name,
        eval_results=results or None,
    )
    return data.to_yaml().strip()


def _summary(model: Manifest) -> str:
    base = model["base_model"]
    start = "random weights in the shape of" if base.get("from_scratch") else "the base model"
    trained = model["condition_on"]
    steered = (
        f"Control tokens for {' and '.join(trained)} steer what it writes."
        if trained
        else "It has no control tokens of its own."
    )
    return f"A causal language model, fine-tuned from {start} {base['name']}. {steered}"


def _attribute_table(model: Manifest, tokens: Mapping[str, Sequence[str]]) -> str:
    rows = []
    for name, one in from_manifest(model["attributes"]).items():
        for i, (label, token) in enumerate(zip(one.labels, tokens[name], strict=True)):
            low = f"{one.edges[i - 1]:.6g} < " if i else ""
            high = f" ≤ {one.edges[i]:.6g}" if i < len(one.edges) else ""
            wanted = "desired" if label == one.desired else ""
            rows.append((name, code(token), f"{low}score{high}", wanted))
    return table(("attribute", "token", "where", ""), rows, raw=(1,))


def _limits(rows: Sequence[Mapping[str, Any]], model: Manifest) -> list[str]:
    """What a reader has to know, with this evaluation's own figures."""
    asked = [
        row
        for row in rows
        if row["condition"] and row["attribute"] == JOINT and row["misalignment"] is not None
    ]
    limits = [
        "It writes what is likely, not what is true, and it can write what offends, whatever is asked for.",
        "The scorers that judge here are those that labelled the training data: what they get wrong, the "
        "model learned, and these figures do not show it.",
        "Other prompts, other lengths and other sampling give other figures.",
    ]
    if asked:
        worst = max(asked, key=lambda row: row["misalignment"])
        limits.insert(
            0,
            f"Asked for {condition_title(worst['condition'])} ({worst['prompts']} prompts, "
            f"{worst['decoding']}), {percent_with_interval(worst)} % of its sentences still missed an "
            "attribute: the worst of the cells below in which something was asked for.",
        )
    empty = sum(row["n_empty"] for row in rows if row["attribute"] == JOINT)
    if empty:
        limits.append(f"{empty} of its continuations below hold no sentence.")
    if not model["condition_on"]:
        limits.append("It was not trained to be steered.")
    return limits


def _result_table(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> str:
    cells: dict[tuple[str, ...], dict[str, str]] = {}
    for row in rows:
        key = (row["prompts"], condition_title(row["condition"]), row["decoding"])
        cells.setdefault(key, {})[row["attribute"]] = percent_with_interval(row)
    lines = [(*key, *(cell.get(name, "") for name in names)) for key, cell in cells.items()]
    return table(("prompts", "asked", "decoding", *names), lines)


def _quality_table(rows: Sequence[Mapping[str, Any]]) -> str:
    lines = [
        (
            row["prompts"],
            condition_title(row["condition"]),
            row["decoding"],
            with_interval(
                row["perplexity"], row["perplexity_ci_low"], row["perplexity_ci_high"], 1
            ),
            number(row["distinct_2"], 2),
            number(row["mean_words"], 1),
            row["n_sentences"],
            f"{row['n_empty']} of {row['n_continuations']}",
        )
        for row in rows
        if row["attribute"] == JOINT
    ]
    header = (
        "prompts",
        "asked",
        "decoding",
        "perplexity",
        "distinct-2",
        "words",
        "sentences",
        "empty",
    )
    return table(header, lines)


def _settings(metrics: Metrics, used: Iterable[str]) -> str:
    decodings = [
        f"{name}: "
        + ", ".join(
            f"{key} {value}" for key, value in metrics["decodings"][name].items() if value != {}
        )
        for name in used
    ]
    return "Decodings: " + "; ".join(decodings) + "."


# ------------------------------------------------------------------------------------------ Markdown


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=False,  # Markdown: `cell` and `code` escape
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(cell=cell, code=code)
    return environment.get_template("model_card.md.jinja")


def _facts_table(facts: Iterable[Fact]) -> str:
    return table(("what", "value"), [(key, value) for key, value in facts if value is not None])
