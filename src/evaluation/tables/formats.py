"""Tables as files: Markdown, CSV, LaTeX. Imports no torch."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from src.evaluation.metrics.comparison import BASELINE, CONTRADICTION, OWN, SAMPLING
from src.evaluation.plan.cells import condition_title
from src.evaluation.tables.captions import condition_titles, measured
from src.evaluation.tables.result_tables import TEXT_COLUMNS
from src.evaluation.tables.table import Table
from src.presentation.markdown import cell
from src.presentation.spreadsheet import text_cell


def to_markdown(tables: Sequence[Table]) -> str:
    """The tables as a document."""
    parts = ["# Results\n"]
    for table in tables:
        rule = ["---" if name in TEXT_COLUMNS else "---:" for name in table.header]
        lines = [[*map(cell, table.header)], rule, *([*map(cell, row)] for row in table.rows)]
        body = "\n".join("| " + " | ".join(line) + " |" for line in lines)
        note = f"\n{cell(table.note)}\n" if table.note else ""
        parts.append(f"## {cell(table.title)}\n\n{cell(table.caption)}\n\n{body}\n{note}")
    return "\n".join(parts)


CSV_FIGURES = (
    "misalignment",
    "ci_low",
    "ci_high",
    "aligned",
    "neither",
    "contradiction",
    "contradiction_ci_low",
    "contradiction_ci_high",
    "probability",
    "expected_max",
    "perplexity",
    "perplexity_ci_low",
    "perplexity_ci_high",
    "distinct_2",
    "distinct_2_ci_low",
    "distinct_2_ci_high",
    "self_bleu",
    "n_empty",
)
CSV_JUDGE_FIGURES = tuple(
    f"judge_{figure}{part}"
    for figure in ("misalignment", "disagreement")
    for part in ("", "_ci_low", "_ci_high")
)
P_VALUES = {role: f"p_holm {role}" for role in (BASELINE, OWN, SAMPLING)}
"""Columns of the corrected p-values, by the role of the cell that a figure is compared with."""


def to_csv(metrics: Mapping[str, Any]) -> str:
    """The same figures for a spreadsheet: one line per model, decoding, prompts and attribute.

    Columns go by condition, as in the tables: `nontoxic: misalignment`, `nontoxic: ci_low` and so on;
    shares, not percent; blank where there is no such cell, no sentence or no comparison.
    """
    names = measured(metrics["attributes"])
    rows = [row for row in metrics["rows"] if row["attribute"] in names]
    judged = any(figure in row for row in rows for figure in CSV_JUDGE_FIGURES)
    figures = CSV_FIGURES + (CSV_JUDGE_FIGURES if judged else ())
    lines: dict[tuple[str, ...], dict[str, Any]] = {}
    for row in rows:
        line = lines.setdefault(_line_of(row, row["attribute"]), {})
        for figure in figures:
            line[f"{condition_title(row['condition'])}: {figure}"] = row.get(figure)
    for one in metrics.get("comparisons", ()):
        for role in one["roles"]:
            measure = "contradiction " if one["measure"] == CONTRADICTION else ""
            column = f"{condition_title(one['a']['condition'])}: {measure}{P_VALUES[role]}"
            lines[_line_of(one["a"], one["attribute"])][column] = one["p_holm"]
    contradictions = (f"contradiction {name}" for name in P_VALUES.values())
    figures = (*figures, *P_VALUES.values(), *contradictions)
    columns = [f"{title}: {figure}" for title in condition_titles(rows) for figure in figures]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["prompts", "attribute", "model", "decoding", *map(text_cell, columns)])
    for key, line in lines.items():
        writer.writerow([*map(text_cell, key), *(line.get(column) for column in columns)])
    return out.getvalue()


def _line_of(cell: Mapping[str, Any], attribute: str) -> tuple[str, ...]:
    return cell["prompts"], attribute, cell["model"], cell["decoding"]


LATEX = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        "†": r"\textsuperscript{\textdagger}",
        "‡": r"\textsuperscript{\textdaggerdbl}",
        "*": r"\textsuperscript{*}",
        "–": "--",
        "−": "$-$",
        # A bracket at the start of a line would be read as the option of the line break before it.
        "[": "{[}",
        "]": "{]}",
        **{mark: f"\\{mark}" for mark in "&%$#_{}"},
    }
)


def to_latex(tables: Sequence[Table]) -> str:
    """The tables for a paper: `\\input` this file; it needs the packages booktabs and graphicx.

    A table wider than the page is scaled down to it.
    """
    opening = r"% \usepackage{booktabs,graphicx}; UTF-8" + "\n"
    return "\n".join([opening, *(_latex_table(table) for table in tables)])


def _latex_table(table: Table) -> str:
    columns = "".join("l" if name in TEXT_COLUMNS else "r" for name in table.header)

    about = f"{table.caption} {table.note}".strip().translate(LATEX)

    def line(cells: Sequence[str]) -> str:
        return " & ".join(cell.translate(LATEX) for cell in cells) + r" \\"

    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{table.title.translate(LATEX)}. {about}}}",
            r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
            rf"\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            line(table.header),
            r"\midrule",
            *map(line, table.rows),
            r"\bottomrule",
            r"\end{tabular}}",
            r"\end{table}",
            "",
        ]
    )
