"""The label audit of a data set: what its labels can be trusted for, in figures, for `audit.json`.

Counts are of all sentences; what needs the sentences side by side (rank correlations, people, judges) is
of keyed samples, so memory does not grow with the data. A judge scores here, after everything else is
written, and is no part of pass 1: another judge or another audit setting scores nothing anew but itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from src.attributes.attribute import Attribute, Attributes
from src.attributes.scorer import cached_scorer
from src.config.dataset import DatasetArgs
from src.dataset.audit.agreement import (
    DocumentBootstrap,
    area_under_curve,
    confusion,
    rank_correlation,
)
from src.dataset.audit.audit_counts import AuditCounts
from src.dataset.audit.audit_sample import AuditSamples, Sampled
from src.dataset.labelling import LabelledBatch
from src.dataset.statistics import ScoreRange
from src.runtime.randomness import keyed_hash

MAX_SOURCES_COMPARED = 50


class Audit:
    """Gathers in one stream what the audit needs; `to_json` compares it."""

    def __init__(
        self, args: DatasetArgs, attributes: Attributes, ranges: Mapping[str, ScoreRange]
    ) -> None:
        """Args:
        args: of the run.
        attributes: with their edges.
        ranges: attribute → extremes of its scores, for the histograms.
        """
        self._args, self._attributes = args, attributes
        self._counts = AuditCounts(attributes, ranges)
        self.samples = AuditSamples(
            attributes,
            list(args.source.human_ratings),
            args.seed,
            args.audit.sentences,
            args.audit.hand_check,
        )

    def add(self, batch: LabelledBatch) -> None:
        """Count a batch (see `AuditSamples.add` for its columns)."""
        self._counts.add(batch)
        self.samples.add(batch)

    def to_json(self, stats: Mapping[str, Any]) -> dict[str, Any]:
        """The content of `audit.json`.

        Args:
            stats: the content of `stats.json`.

        Raises:
            ScorerError, UnavailableError: a judge failed. Its failure never becomes a score.
        """
        sampled = self.samples.any_kept.items()
        return {
            "sentences": {
                "scored": self._counts.sentences,
                "outside_all_margins": self._counts.outside_all_margins,
                "sampled": len(sampled),
            },
            "attributes": {
                name: {
                    **self._counts.to_json(name),
                    "deciles": stats["attributes"][name]["scores"]["deciles"],
                }
                for name in self._attributes
            },
            "pairs": [self._pair(pair, sampled) for pair in stats["pairs"]],
            "judges": {
                name: self._judge(one, [row for row in sampled if row.used])
                for name, one in self._attributes.items()
                if one.judge is not None
            },
            "human": {name: self._human(name) for name in self._args.source.human_ratings},
            "settings": self._args.audit.model_dump(mode="json"),
        }

    def _bootstrap(self, rows: Sequence[Sampled]) -> DocumentBootstrap:
        seed = keyed_hash(self._args.seed, "audit intervals", "documents")
        return DocumentBootstrap(
            [row.document_id for row in rows], seed, self._args.audit.resamples
        )

    def _pair(self, pair: Mapping[str, Any], sampled: Sequence[Sampled]) -> dict[str, Any]:
        one, other = (
            np.array([row.scores[name] for row in sampled]) for name in pair["attributes"]
        )
        statistics = {"spearman": rank_correlation(one, other)}
        found = self._bootstrap(sampled).estimates(statistics)["spearman"]
        table = np.array([list(row.values()) for row in pair["sentences"].values()])
        return {
            "attributes": pair["attributes"],
            "pearson": pair["correlation_of_scores"],
            "spearman": found.to_json(),
            "cramers_v_of_labels": pair["cramers_v_of_labels"],
            "phi_of_labels": phi(table) if table.shape == (2, 2) else None,
            "sentences": pair["sentences"],
        }

    def _judge(self, attribute: Attribute, used: Sequence[Sampled]) -> dict[str, Any]:
        """The judge's opinion of a random sample of the data set's sentences."""
        rows, judging = used[: self._args.audit.judge_sentences], attribute.by_judge()
        scores = cached_scorer(judging.scorer).score([row.text for row in rows])
        labels = judging.labels_of(scores)
        own = np.array([row.scores[attribute.name] for row in rows])
        statistics = {"spearman": rank_correlation(own, scores)}
        return {
            "scorer": judging.scorer.model_dump(mode="json"),
            "edges": list(judging.edges),
            "same_kind_of_scorer": judging.scorer.name == attribute.scorer.name,
            "spearman": self._bootstrap(rows).estimates(statistics)["spearman"].to_json(),
            **self._compare(attribute, rows, labels),
        }

    def _human(self, name: str) -> dict[str, Any]:
        """People's ratings against the scores and labels of the same sentences."""
        attribute, edges = self._attributes[name], self._args.human_edges(name)
        rows = self.samples.rated[name].items()
        by_people = {row.id: attribute.labels[_place(row.human[name], edges)] for row in rows}
        decided = [row for row in rows if not attribute.is_undecided(row.scores[name])]
        sources = Counter(row.source for row in rows).items()
        largest = sorted(sources, key=lambda one: (-one[1], one[0]))[:MAX_SOURCES_COMPARED]
        of_source = {name: [row for row in rows if row.source == name] for name, _ in largest}
        return {
            "key": self._args.source.human_ratings[name],
            "edges": list(edges),
            "rated_sentences": self.samples.n_rated[name],
            "compared_sentences": len(rows),
            "labels_of_all": self._compare(attribute, rows, [by_people[r.id] for r in rows]),
            "labels_where_decided": self._compare(
                attribute, decided, [by_people[row.id] for row in decided]
            ),
            **self._against_people(attribute, rows, edges, by_people),
            "by_source": {
                source: {
                    "sentences": len(own),
                    **self._against_people(attribute, own, edges, by_people),
                }
                for source, own in of_source.items()
            },
        }

    def _against_people(
        self,
        attribute: Attribute,
        rows: Sequence[Sampled],
        edges: Sequence[float],
        by_people: Mapping[str, str],
    ) -> dict[str, Any]:
        """Scores against ratings, and the data set's labels against those that follow from them."""
        used = [row for row in rows if row.used]
        scores = np.array([row.scores[attribute.name] for row in rows])
        ratings = np.array([row.human[attribute.name] for row in rows])
        wanted = {f"auc {edge:g}": area_under_curve(scores, ratings > edge) for edge in edges}
        wanted["spearman"] = rank_correlation(scores, ratings)
        found = self._bootstrap(rows).estimates(wanted)
        return {
            "spearman": found["spearman"].to_json(),
            "auc": [
                {"rating_above": edge, **found[f"auc {edge:g}"].to_json(), **_sides(ratings, edge)}
                for edge in edges
            ],
            "labels_of_the_data_set": self._compare(
                attribute, used, [by_people[row.id] for row in used]
            ),
        }

    def _compare(
        self, attribute: Attribute, rows: Sequence[Sampled], others: Sequence[str]
    ) -> dict[str, Any]:
        """Labels against the labels that somebody else gives the same sentences."""
        place = {label: i for i, label in enumerate(attribute.labels)}
        own = np.array([place[row.labels[attribute.name]] for row in rows], dtype=np.intp)
        theirs = np.array([place[label] for label in others], dtype=np.intp)
        bootstrap, k = self._bootstrap(rows), len(place)
        kappa, share = bootstrap.kappa(own, theirs, k), bootstrap.share(own, theirs)
        table = confusion(own, theirs, k)
        return {
            "sentences": len(rows),
            "documents": len({row.document_id for row in rows}),
            "agreement": share.to_json(),
            "kappa": kappa.to_json(),
            "confusion": {
                label: dict(zip(attribute.labels, row, strict=True))
                for label, row in zip(attribute.labels, table.tolist(), strict=True)
            },
        }


def _place(rating: float, edges: Sequence[float]) -> int:
    """Number of the label that a rating falls into; a rating on an edge takes the lower one, as scores do."""
    return int(np.searchsorted(edges, rating, side="left"))


def _sides(ratings: np.ndarray, edge: float) -> dict[str, int]:
    above = int((ratings > edge).sum())
    return {"sentences_above": above, "sentences_not_above": len(ratings) - above}


def phi(table: np.ndarray) -> float | None:
    """Correlation of two sets of two labels, −1 to 1; None where one of them does not vary.

    Args:
        table: counts of shape [2, 2].
    """
    counts = table.astype(float)  # the products of the counts of a large data set pass 64 bits
    margins = counts.sum(0).prod() * counts.sum(1).prod()
    if not margins:
        return None
    return float((counts[0, 0] * counts[1, 1] - counts[0, 1] * counts[1, 0]) / np.sqrt(margins))
