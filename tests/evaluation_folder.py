"""A finished evaluation with its data set and its models, on disk, made in a moment without any model."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from src.attributes.attribute import Attribute, from_manifest
from src.evaluation.continuation import Continuation
from src.evaluation.generation.generations_file import write_generations
from src.evaluation.metrics.cell_metrics import cell_rows
from src.evaluation.plan.cells import Cell
from src.evaluation.report.page import write_report
from src.runtime.randomness import keyed_hash, keyed_uniform
from tests.demo_attributes import BOTH, SENTIMENT, toxicity

ATTRIBUTES = {"toxicity": toxicity(0.05), "sentiment": SENTIMENT}
CELLS = [
    ("M-B", {}, "sample"),
    ("M-TS", {}, "sample"),
    ("M-TS", BOTH, "sample"),
    ("M-TS", BOTH, "contrast"),
]
WORDS = """
    the film story plain quiet river morning letter answer garden window music table friend road winter
    small bright slow early kind gentle silly lousy dull clever warm cold green paper
""".split()  # noqa: SIM905

Write = Callable[[str, str, int], Sequence[str]]
"""Cell's name, prompt's id, sample → the sentences that were written."""


def attributes(recorded: Mapping[str, Any] = ATTRIBUTES) -> dict[str, Attribute]:
    return from_manifest(recorded)


def plain_sentences(cell: str, prompt: str, sample: int) -> list[str]:
    """One to three sentences; every 37th continuation has none."""
    key = f"{cell}/{prompt}/{sample}"
    draw = keyed_hash(0, "length", key)
    if draw % 37 == 0:
        return []
    return [
        " ".join(
            WORDS[keyed_hash(0, f"word {s} {w}", key) % len(WORDS)] for w in range(6 + draw % 9)
        )
        + "."
        for s in range(1 + draw % 3)
    ]


@dataclass(frozen=True)
class EvaluationFolder:
    """Where everything is."""

    results: Path
    dataset: Path
    models: dict[str, Path]
    facts: dict[str, Any]

    def write_report(self, **changes: Any) -> Path:
        models = {name: [path] for name, path in self.models.items()}
        settings = {"dataset": self.dataset, "models": models, "facts": self.facts} | changes
        return write_report(self.results, **settings)

    @property
    def metrics(self) -> dict[str, Any]:
        return json.loads((self.results / "metrics.json").read_text(encoding="utf-8"))

    def change_metrics(self, **changes: Any) -> None:
        _write_json(self.results / "metrics.json", self.metrics | changes)


def evaluation_folder(
    folder: Path,
    *,
    prompts: Mapping[str, Sequence[str]] | None = None,
    write: Write = plain_sentences,
    recorded: Mapping[str, Any] = ATTRIBUTES,
    samples: int = 1,
) -> EvaluationFolder:
    """Write an evaluation of CELLS, its data set's statistics and its models' logs.

    Args:
        folder: where.
        prompts: source → texts.
        write: what is written.
        recorded: the attributes, as in a manifest.
        samples: continuations of each prompt.
    """
    known = attributes(recorded)
    prompts = prompts or {"unprompted": [""] * 12, "validation": ["I must say that"] * 6}
    made = EvaluationFolder(
        folder / "results",
        folder / "data",
        {name: folder / "models" / name for name in ("M-B", "M-TS")},
        {"args": {"seed": 0}, "git_commit": "0" * 40, "packages": {"python": "3.11.7"}},
    )
    finished = [
        (
            cell,
            [
                _continuation(cell, place, sample, text, write, known)
                for place, text in enumerate(texts)
                for sample in range(samples)
            ],
        )
        for source, texts in prompts.items()
        for cell in _cells(source, known)
    ]
    made.results.mkdir(parents=True)
    write_generations(made.results / "generations.parquet", finished, known)
    rows = [
        row for cell, written in finished for row in cell_rows(cell.facts, written, known, seed=0)
    ]
    _write_json(made.results / "metrics.json", _metrics(rows, recorded))
    _write_dataset(made.dataset, known)
    for name, path in made.models.items():
        _write_model(path, name)
    return made


def _cells(source: str, known: Mapping[str, Attribute]) -> list[Cell]:
    return [
        Cell(model, {a: known[a].desired for a in asked if a in known}, decoding, source, ("",))
        for model, asked, decoding in CELLS
    ]


def _continuation(
    cell: Cell, place: int, sample: int, prompt: str, write: Write, known: Mapping[str, Attribute]
) -> Continuation:
    prompt_id = f"{place:05d}"
    sentences = tuple(write(str(cell), prompt_id, sample))
    scores = [
        {name: _score(name, f"{cell}/{prompt_id}/{sample}/{i}") for name in known}
        for i in range(len(sentences))
    ]
    return Continuation(
        prompt_id=prompt_id,
        sample=sample,
        prompt=prompt,
        text=" ".join(sentences) if sentences else " … ",
        n_tokens=12,
        sentences=sentences,
        scores=tuple(scores),
        labels=tuple({name: known[name].label_of(s[name]) for name in known} for s in scores),
        reference_nll=40.0 + 10 * keyed_uniform(0, "nll", f"{cell}/{prompt_id}/{sample}"),
        reference_tokens=12,
    )


def _score(name: str, key: str) -> float:
    """Toxicity: small numbers above 0, some large; others: −1 to 1, some exactly 0."""
    share = keyed_uniform(0, name, key)
    if name == "toxicity":
        return 0.002 + 0.9 * share**4
    return 0.0 if share < 0.1 else 2 * share - 1


def _metrics(rows: list[dict[str, Any]], recorded: Mapping[str, Any]) -> dict[str, Any]:
    training = {"path": "models/one", "manifest_sha256": "a" * 64, "seed": 0}
    run = {"checkpoint": "final", "trainings": [training]}
    return {
        "rows": rows,
        "attributes": {name: {"quantiles": None, **one} for name, one in recorded.items()},
        "models": dict.fromkeys(("M-B", "M-TS"), run),
        "dataset": {"path": "data/one", "manifest_sha256": "b" * 64},
        "scorers": {name: {"name": "scorer", "sha256": "c" * 64} for name in recorded},
        "reference": {"name": "base", "revision": None, "weights_sha256": "d" * 64},
        "decodings": {"sample": {"top_p": 0.9}, "contrast": {"contrast_weights": BOTH}},
        "seed": 0,
    }


def _write_dataset(folder: Path, known: Mapping[str, Attribute]) -> None:
    folder.mkdir()
    share = {"sentences": 60, "share": 0.6}
    names = list(known)
    split = {"sentences": 90, "tokens": 900, "words": 800, "untagged": 1}
    source = {"documents_read": 50, "documents_used": 49, "sentences_used": 100}
    pair = {"correlation_of_scores": -0.21, "cramers_v_of_labels": 0.2, "sentences": {}}
    statistics = {
        "documents": {"read": 50, "used": 49, "excluded": {}, "bad": 1},
        "sentences": {"read": 120, "used": 100, "excluded": {"too_short": 20}},
        "splits": {"train": {**split, "label_combinations": {"nontoxic + pos": 30}}},
        "sources": [{"source": "Letters", **source}],
        "attributes": {name: _scores_of(one, share) for name, one in known.items()},
        "label_combinations": {"nontoxic + pos": share},
        "pairs": [{"attributes": names[:2], **pair}] if len(names) > 1 else [],
    }
    _write_json(folder / "stats.json", statistics)
    _write_json(folder / "audit.json", audit(known))
    _write_json(folder / "manifest.json", {"git_commit": "1" * 40, "cleaning": "gentle"})


def audit(known: Mapping[str, Attribute]) -> dict[str, Any]:
    """A label audit in the form of audit.json: a judge of the last attribute, people's ratings of each."""

    def counted(one: Attribute, n: int) -> dict[str, Any]:
        share = {"sentences": n, "share": n / 120}
        neutral = None if one.name == "toxicity" else share
        return {
            "sentences": n, "mean_score": 0.12345, "on_an_edge": share, "at_the_neutral_score": neutral,
            "within_margin": share, "labels": {key: {"sentences": n, "share": 0.4375} for key in one.labels},
        }  # fmt: skip

    def compared(one: Attribute) -> dict[str, Any]:
        confusion = {label: dict.fromkeys(one.labels, 17) for label in one.labels}
        return {
            "sentences": 80, "documents": 40, "agreement": estimate(0.8125), "kappa": estimate(None),
            "confusion": confusion,
        }  # fmt: skip

    def rated(one: Attribute) -> dict[str, Any]:
        auc = {
            "rating_above": 0.0,
            **estimate(0.71875),
            "sentences_above": 40,
            "sentences_not_above": 39,
        }
        own = {"spearman": estimate(0.46875), "auc": [auc], "labels_of_the_data_set": compared(one)}
        return {
            "key": "meta.human", "edges": [0.0], "rated_sentences": 90, "compared_sentences": 90,
            "labels_of_all": compared(one), **own,
            "by_source": {"Letters v1.0": {"sentences": 79, **own}},
        }  # fmt: skip

    last = list(known.values())[-1]
    judge = {
        "scorer": {"name": "vader", "value": "compound"}, "edges": [0.05], "same_kind_of_scorer": True,
        "spearman": estimate(0.9375), **compared(last),
    }  # fmt: skip
    pair = {
        "pearson": -0.21, "spearman": estimate(-0.1875), "cramers_v_of_labels": 0.2,
        "phi_of_labels": None, "sentences": {},
    }  # fmt: skip
    return {
        "sentences": {"scored": 120, "outside_all_margins": 90, "sampled": 100},
        "attributes": {
            name: {
                "edges": list(one.edges), "exclude_within": 0.02, "neutral_score": None, **counted(one, 120),
                "by_source": {"Letters v1.0": counted(one, 80), "<b>Notes</b>": counted(one, 40)},
            }
            for name, one in known.items()
        },
        "pairs": [{"attributes": list(known)[:2], **pair}] if len(known) > 1 else [],
        "judges": {last.name: judge},
        "human": {name: rated(one) for name, one in known.items()},
    }  # fmt: skip


def estimate(value: float | None) -> dict[str, float | None]:
    """A figure of an audit with its interval; without a value nothing."""
    ends = (None, None) if value is None else (value - 0.03125, value + 0.0625)
    return {"value": value, "low": ends[0], "high": ends[1]}


def selected() -> dict[str, Any]:
    """Two choices among checkpoints, in the form of metrics.json."""
    shares = {"step-000004": 0.5625, "final": 0.4375}
    return {
        "M-TS": {
            "by": "lowest_misalignment", "checkpoint": "final", "candidates": shares,
            "intervals": {
                name: {"ci_low": share - 0.125, "ci_high": share + 0.1}
                for name, share in shares.items()
            },
            "prompts": {"kind": "unprompted", "count": 16}, "condition": BOTH, "attribute": "joint",
            "within_error": ["step-000004"],
        },
        "M-B": {
            "by": "lowest_loss", "checkpoint": "final", "candidates": {"final": 2.125},
            "within_error": [],
        },
    }  # fmt: skip


def trained_longer() -> dict[str, Any]:
    """The models as ends of two runs of one recipe, in the form of metrics.json."""
    run = {"checkpoint": "final", "recipe": "f" * 64}
    training = {"manifest_sha256": "a" * 64, "seed": 0}
    return {
        name: {
            **run,
            "trainings": [{**training, "path": f"models/{name}"}],
            "tokens_trained": tokens,
        }
        for name, tokens in (("M-B", 12_500), ("M-TS", 25_026))
    }


def _scores_of(one: Attribute, share: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "edges": list(one.edges),
        "labels": dict.fromkeys(one.labels, share),
        "scores": {
            "n": 100,
            "lowest": -0.9,
            "highest": 0.95,
            "mean": 0.1234567,
            "standard_deviation": 0.3,
            "deciles": [i / 10 for i in range(1, 10)],
            "exactly_on_an_edge": {"sentences": 3, "share": 0.03},
        },
        "histogram": {"bin_edges": [-0.9, -0.4, 0.1, 0.6, 0.95], "counts": [10, 40, 30, 20]},
    }


def _write_model(folder: Path, name: str) -> None:
    folder.mkdir(parents=True)
    rows: list[dict[str, Any]] = [
        {"step": i, "split": "train", "loss": 5 - i / 40, "tokens_seen": 100 * i}
        for i in range(1, 41)
    ]
    rows.append({"step": 40, "split": "validation", "loss": 4.2, "tokens_seen": 4000})
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    files = {"final/model.safetensors": {"bytes": 1, "sha256": "e" * 64}}
    _write_json(folder / "manifest.json", {"base_model": {"name": "base"}, "files": files})


def comparisons(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Every cell against the first one of its prompts, in the form of metrics.json."""
    found = []
    for row in rows:
        first = next(r for r in rows if all(r[key] == row[key] for key in ("prompts", "attribute")))
        if row is first:
            continue
        p = keyed_uniform(0, "p", f"{row['model']}{row['decoding']}{row['attribute']}") ** 3
        found.append(
            {
                **{
                    name: {key: one[key] for key in CELL}
                    for name, one in (("a", row), ("b", first))
                },
                "roles": ["baseline"],
                "attribute": row["attribute"],
                "measure": "misalignment",
                "of_trainings": False,
                "targets": row["targets"],
                "family": f"{row['attribute']}, {row['prompts']}",
                "share_a": row["misalignment"],
                "share_b": first["misalignment"],
                "difference": row["misalignment"] - first["misalignment"],
                "ci_low": -0.1,
                "ci_high": 0.2,
                "ratio": 0.8125,
                "ratio_ci_low": 0.75,
                "ratio_ci_high": 0.9375,
                "p": p / 2,
                "p_holm": p,
                "minimum_detectable_difference": 0.1234,
                "perplexity_ratio": 0.9375,
                "perplexity_ratio_ci_low": 0.875,
                "perplexity_ratio_ci_high": 1.0625,
                "distinct_2_ratio": 0.96875,
                "distinct_2_ratio_ci_low": 0.90625,
                "distinct_2_ratio_ci_high": 1.03125,
                "n_prompts": row["n_prompts"],
            }
        )
    return found


CELL = ("model", "condition", "decoding", "prompts")


def controllability() -> list[dict[str, Any]]:
    """One matrix of two conditions, in the form of metrics.json."""
    share = {"share": 0.7125, "ci_low": 0.6, "ci_high": 0.8}
    rest = {"share": 0.2875, "ci_low": 0.2, "ci_high": 0.4}
    shares = {
        "toxicity": {"nontoxic": share, "toxic": rest},
        "sentiment": {"neg": rest, "pos": share},
    }
    effect = {"attribute": "toxicity", "label": "nontoxic", "given": {"sentiment": "pos"}}
    change = {"difference": -0.0625, "ci_low": -0.12, "ci_high": -0.01, "p": 0.01, "p_holm": 0.02}
    return [
        {
            "model": "M-TS",
            "decoding": "contrast",
            "prompts": "validation",
            "unconditioned_decoding": "sample",
            "rows": [
                {"condition": asked, "n_sentences": 40, "shares": shares} for asked in ({}, BOTH)
            ],
            "effects": [
                {**effect, "measured": name, "measured_label": "pos", "leakage": True, **change}
                for name in ("sentiment",)
            ],
        }
    ]


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1), encoding="utf-8")


def sweep() -> dict[str, Any]:
    """Three candidates, one of them chosen and one that wrote nothing, in the form of metrics.json."""
    figures = {
        "mean_words": 15.0, "n_prompts": 9, "n_empty": 0, "ci_low": 0.1, "ci_high": 0.6,
        "perplexity_ci_low": 70.0, "perplexity_ci_high": 97.0,
        "distinct_2_ci_low": 0.65, "distinct_2_ci_high": 0.85,
    }  # fmt: skip
    baseline = figures | {
        "misalignment": 0.5, "perplexity": 80.0, "distinct_2": 0.8,
        "decoding": {"top_p": 0.9, "temperature": 1.0},
    }  # fmt: skip
    points = [
        {
            **figures, "name": f"weight of toxicity {weight}", "misalignment": share,
            "perplexity": perplexity, "distinct_2": 0.7, "baseline": 0, "ratio": share / 0.5,
            "ratio_ci_low": 0.4, "ratio_ci_high": 1.1,
            "perplexity_ratio": perplexity / 80.0, "perplexity_ratio_ci_low": 0.9,
            "perplexity_ratio_ci_high": 1.25, "distinct_2_ratio": 0.875,
            "distinct_2_ratio_ci_low": 0.8, "distinct_2_ratio_ci_high": 0.95,
            "on_front": weight > 0, "within_limits": weight == 1,
        }
        for weight, share, perplexity in ((0, 0.5, 90.0), (1, 0.3, 85.0))
    ]  # fmt: skip
    nothing = dict.fromkeys(points[0]) | {
        "name": "weight of toxicity 9", "on_front": False, "within_limits": False,
    }  # fmt: skip
    return {
        "model": "M-TS",
        "attribute": "toxicity",
        "condition": {"toxicity": "nontoxic"},
        "limits": {
            "against": None,
            "perplexity_ratio_at_most": 1.2,
            "distinct_2_ratio_at_least": None,
        },
        "baselines": [baseline],
        "candidates": [*points, nothing],
        "chosen": 1,
    }
