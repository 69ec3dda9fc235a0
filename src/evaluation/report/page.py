"""`report.html`: one self-contained file that shows an evaluation, made only from what is on disk.

Generated text is hostile input. In the page's HTML it stands escaped, else it is data in a block that no
browser runs, set as text by the page's own script; a content security policy lets no other script run.
The same input gives the same bytes.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from src.artifacts.atomic_files import write_text_atomically
from src.attributes.offence import veiled_at_first
from src.evaluation.metrics.cell_metrics import JOINT
from src.evaluation.report.audit_figures import build_label_audit
from src.evaluation.report.audit_section import build_audit
from src.evaluation.report.checkpoint_section import build_more_data, build_selected
from src.evaluation.report.comparison_tables import build_comparisons, build_marks, headings
from src.evaluation.report.figures import cell_title, draw_curves, draw_pareto
from src.evaluation.report.forest import build_forests
from src.evaluation.report.generation_data import (
    MOST_EMBEDDED,
    embedded_generations,
    options,
)
from src.evaluation.report.histograms import cell_scores, draw_scores, shared_axes
from src.evaluation.report.matrix import build_matrices
from src.evaluation.report.provenance_section import build_provenance
from src.evaluation.report.score_axis import label_shade
from src.evaluation.report.sources import REPORT, Sources, cell_of, read_sources
from src.evaluation.report.summary import build_summary
from src.evaluation.report.sweep_section import build_sweep
from src.evaluation.report.tables_section import build_full_table, build_source_tables
from src.evaluation.tables import captions
from src.evaluation.tables.captions import measured

TEMPLATES = Path(__file__).resolve().parent / "templates"

ESCAPED = {ord(c): f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"}
"""What could end or begin markup inside a script element, or end a line of JavaScript."""


def write_report(
    folder: Path,
    *,
    dataset: Path,
    models: Mapping[str, Sequence[Path]],
    facts: Mapping[str, Any],
    most_embedded: int = MOST_EMBEDDED,
) -> Path:
    """Write `report.html` into the folder of an evaluation.

    Args:
        folder: holds `metrics.json` and `generations.parquet`; may be an unfinished run's.
        dataset: folder of the data set, for the label audit (`stats.json`, `audit.json`) and the provenance.
        models: model → folders of its training runs, for the curves (`metrics.jsonl`) and the provenance.
        facts: of the evaluation, for the provenance: `args`, `git_commit`, `packages`.
        most_embedded: generations that can be browsed; of a larger run a sample, which the page says.

    Returns:
        Where the page is.
    """
    path = folder / REPORT
    sources = read_sources(folder, dataset, models, facts)
    write_text_atomically(path, render_report(sources, most_embedded))
    return path


def render_report(sources: Sources, most_embedded: int = MOST_EMBEDDED) -> str:
    """The page as text.

    Args:
        sources: everything that it shows.
        most_embedded: generations that can be browsed.
    """
    scores = cell_scores(sources.generations, list(sources.attributes))
    axes = shared_axes(sources, scores)
    data = embedded_generations(
        sources.generations,
        sources.attributes,
        axes,
        seed=sources.metrics["seed"],
        most=most_embedded,
    )
    style, script = (_own(name) for name in ("report.css", "report.js"))
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html").render(
        policy=content_security_policy(style, script),
        style=style,
        script=script,
        data=embedded_json(data),
        embedded=len(data["cell"]),
        total=data["total"],
        options={key: options(data, key) for key in ("model", "condition", "decoding", "prompts")},
        **_sections(sources, scores, axes),
    )


def _sections(
    sources: Sources, scores: Mapping[Any, Any], axes: Mapping[str, Any]
) -> dict[str, Any]:
    metrics = sources.metrics
    headline = measured(metrics["attributes"])[-1]
    own = [row for row in metrics["rows"] if row["attribute"] == headline]
    several = len({row["decoding"] for row in own}) > 1
    tables = build_source_tables(metrics)
    return {
        "title": ", ".join(metrics["models"]),
        "attributes": sources.attributes,
        "shade": label_shade,
        "veiled": veiled_at_first(sources.attributes),
        "summary": build_summary(metrics),
        "forests": build_forests(metrics, sources.generations, sources.attributes),
        "forest_caption": captions.misalignment(headline, metrics["attributes"], own),
        "sources": tables,
        "marks": build_marks(metrics),
        "comparisons": build_comparisons(metrics, headline),
        "comparison_headings": headings(),
        "matrices": build_matrices(metrics),
        "full": build_full_table(metrics),
        "pareto": [
            (one.title, draw_pareto(metrics, one.source, headline, several)) for one in tables
        ],
        "sweep": build_sweep(metrics),
        "headline": headline,
        "histograms": _histograms(sources, scores, axes),
        "curves": draw_curves(sources.logs),
        "audit": build_audit(sources.statistics, sources.attributes)
        if sources.statistics
        else None,
        "label_audit": build_label_audit(sources.audit) if sources.audit else None,
        "selected": build_selected(metrics),
        "more_data": build_more_data(metrics),
        "captions": captions,
        "provenance": build_provenance(sources),
    }


def _histograms(
    sources: Sources, scores: Mapping[Any, Any], axes: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Per source of prompts and attribute, the histogram of every cell."""
    rows = sources.metrics["rows"]
    several = len({row["decoding"] for row in rows}) > 1
    groups: dict[tuple[str, str], dict[str, Any]] = {}
    for row in rows:
        name = row["attribute"]
        if name == JOINT:
            continue
        group = groups.setdefault(
            (row["prompts"], name),
            {"prompts": row["prompts"], "attribute": name, "log": axes[name].log, "cells": []},
        )
        found = scores.get(cell_of(row), {}).get(name, [])
        group["cells"].append((cell_title(row, several), draw_scores(axes[name], found)))
    return list(groups.values())


def _own(name: str) -> Markup:
    """A style or script of the page, as it stands in the template's folder."""
    return Markup((TEMPLATES / name).read_text(encoding="utf-8"))


def embedded_json(value: Any) -> Markup:
    """JSON that can stand in a script element: nothing in it ends the element or the line."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Markup(text.translate(ESCAPED))


def content_security_policy(style: str, script: str) -> str:
    """Nothing is loaded, sent or run but this page's own style and script, known by their hashes."""
    return (
        f"default-src 'none'; script-src {_source(script)}; style-src {_source(style)}; "
        "base-uri 'none'; form-action 'none'"
    )


def _source(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"
