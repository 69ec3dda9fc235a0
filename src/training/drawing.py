"""Which sentences are trained on, and how often: as the data have them, or equally from every combination.

A combination is one label of every attribute of the data set, so the draw is the same for all models of it,
whatever they are conditioned on.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from src.attributes.attribute import Attributes
from src.attributes.combinations import rare_combinations
from src.config.training import OptimisationArgs
from src.published.data_set import rows_of, shards_of
from src.runtime.randomness import keyed_hash

Combination = tuple[str, ...]
"""A label of each attribute, in their order."""


@dataclass(frozen=True)
class Drawing:
    """How many sentences of each combination an epoch has.

    Attributes:
        available: combination → training sentences of the data set.
        quotas: combination → sentences drawn, a repeated one counted each time; None where sentences are
            drawn as they come.
        sentences: of an epoch.
        held_out: combinations that are never trained on → sentences of the data set; they are in neither of
            the others.
    """

    available: Mapping[Combination, int]
    quotas: Mapping[Combination, int] | None
    sentences: int
    held_out: Mapping[Combination, int]

    def to_json(self) -> dict[str, int] | None:
        """The quotas, `nontoxic + pos` → sentences; None where sentences are drawn as they come."""
        if self.quotas is None:
            return None
        return {" + ".join(c): n for c, n in self.quotas.items()}

    def describe(self) -> list[str]:
        """A line on the draw, and one for each combination held out or too rare to be learned."""
        return [
            *(f"held out: {' + '.join(c)} ({n:,} sentences)" for c, n in self.held_out.items()),
            *self._draw_and_rare(),
        ]

    def _draw_and_rare(self) -> list[str]:
        if self.quotas is None:
            return [
                f"rare: {' + '.join(c)} is {share:.1%} of the sentences ({self.available[c]:,}), which may "
                "be too few to learn from: optimisation.draw=balanced draws it as often as the others"
                for c, share in rare_combinations(self.available).items()
            ]
        drawn = ", ".join(self._line(c, n) for c, n in self.quotas.items())
        fair = self.sentences / len(self.available)
        return [f"drawn equally: {drawn}"] + [
            f"rare: of {' + '.join(c)} there are {self.available[c]}, so it has {n} sentences of an equal "
            f"share's {fair:.0f}: raise optimisation.most_repeats, or add data"
            for c, n in self.quotas.items()
            if n < int(fair)
        ]

    def _line(self, combination: Combination, n: int) -> str:
        have = self.available[combination]
        repeated = f" of {have}, each up to {-(-n // have)} times" if n > have else ""
        return f"{' + '.join(combination)} {n}{repeated}"


def plan_drawing(
    dataset: Path,
    attributes: Attributes,
    wanted: OptimisationArgs,
    hold_out: Sequence[Mapping[str, str]] = (),
) -> Drawing:
    """Count, and share out.

    Args:
        dataset: folder made by stage 1.
        attributes: of the data set.
        wanted: args of the run.
        hold_out: labels that are not to be trained on together.
    """
    counts = count_combinations(dataset, attributes)
    held_out = {c: n for c, n in counts.items() if _holds_one(c, attributes, hold_out)}
    available = {c: n for c, n in counts.items() if c not in held_out}
    total = sum(available.values())
    sentences = min(total, wanted.max_sentences or total)
    if wanted.draw == "natural":
        return Drawing(available, None, sentences, held_out)
    capacities = {c: n * wanted.most_repeats for c, n in available.items()}
    quotas = share_equally(sentences, capacities)
    return Drawing(available, quotas, sum(quotas.values()), held_out)


def _holds_one(
    combination: Combination, attributes: Attributes, hold_out: Sequence[Mapping[str, str]]
) -> bool:
    labels = dict(zip(attributes, combination, strict=True))
    return any(one.items() <= labels.items() for one in hold_out)


def count_combinations(dataset: Path, attributes: Attributes) -> dict[Combination, int]:
    """Training sentences of each combination of labels that occurs, in the labels' order."""
    counts: Counter[Combination] = Counter()
    for path in shards_of(dataset, "train"):
        with pq.ParquetFile(path) as file:
            for group in range(file.num_row_groups):
                labels = file.read_row_group(group, columns=["labels"])["labels"]
                columns = [pc.struct_field(labels, name) for name in attributes]
                joined = pc.binary_join_element_wise(*columns, "\x1f")
                for one in joined.value_counts().to_pylist():
                    counts[tuple(one["values"].split("\x1f"))] += one["counts"]

    def place(combination: Combination) -> list[int]:
        named = zip(combination, attributes.values(), strict=True)
        return [attribute.labels.index(label) for label, attribute in named]

    return {combination: counts[combination] for combination in sorted(counts, key=place)}


def share_equally(total: int, capacities: Mapping[Combination, int]) -> dict[Combination, int]:
    """Equal quotas; what a combination cannot give is shared by the others.

    Args:
        total: sentences wanted.
        capacities: the most of each combination.

    Returns:
        Quotas that add up to the total, or to all there is; no two differ by more than 1 unless one is at
        its capacity.
    """
    quotas: dict[Combination, int] = {}
    left, smallest_first = total, sorted(capacities, key=lambda c: capacities[c])
    for i, combination in enumerate(smallest_first):
        quotas[combination] = min(capacities[combination], left // (len(smallest_first) - i))
        left -= quotas[combination]
    return {combination: quotas[combination] for combination in capacities}


class Drawn:
    """How often each training sentence is trained on in an epoch, drawn by the seed.

    A larger draw holds a smaller one.
    """

    def __init__(self, dataset: Path, attributes: Attributes, drawing: Drawing, seed: int) -> None:
        """Draw.

        Args:
            dataset: folder made by stage 1.
            attributes: of the data set.
            drawing: what to draw.
            seed: of the run.
        """
        self._attributes, self._seed = attributes, seed
        every = rows_of(dataset, "train", ["id", "labels"])
        rows = (row for row in every if self._combination(row) in drawing.available)
        if drawing.quotas is None:
            self._whole = dict.fromkeys(drawing.available, 0)
            if drawing.sentences == sum(drawing.available.values()):
                self._whole = dict.fromkeys(drawing.available, 1)
                self._extra: set[str] = set()
            else:
                ids = (row["id"] for row in rows)
                self._extra = set(heapq.nsmallest(drawing.sentences, ids, self._key))
            return
        shares = {c: divmod(n, drawing.available[c]) for c, n in drawing.quotas.items()}
        self._whole = {c: whole for c, (whole, _) in shares.items()}
        self._extra = self._smallest(rows, {c: rest for c, (_, rest) in shares.items()})

    def times(self, row: Mapping[str, Any]) -> int:
        """How often a row of the training split is drawn."""
        return self._whole.get(self._combination(row), 0) + (row["id"] in self._extra)

    def _combination(self, row: Mapping[str, Any]) -> Combination:
        return tuple(row["labels"][name] for name in self._attributes)

    def _key(self, sentence_id: str) -> int:
        return keyed_hash(self._seed, "max_sentences", sentence_id)

    def _smallest(
        self, rows: Iterable[Mapping[str, Any]], wanted: Mapping[Combination, int]
    ) -> set[str]:
        """Ids of so many sentences of each combination: those with the smallest keys."""
        heaps: dict[Combination, list[tuple[int, str]]] = {c: [] for c in wanted}
        for row in rows:
            combination = self._combination(row)
            heap, entry = heaps[combination], (-self._key(row["id"]), row["id"])
            if len(heap) < wanted[combination]:
                heapq.heappush(heap, entry)
            elif heap:
                heapq.heappushpop(heap, entry)
        return {sentence_id for heap in heaps.values() for _, sentence_id in heap}
