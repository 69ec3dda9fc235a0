"""Check the statistics of the evaluation on data whose truth is known (numpy only):

    python scripts/coverage_simulation.py [--data-sets 4000] [--seed 0]

Prints, over many synthetic data sets clustered by prompt, how often the 95 % intervals hold the truth (aim:
93 to 97 %), how often the paired test finds a difference where there is none (aim: at most about 5 %), and
how often Holm's correction lets any false positive through in a family of ten (aim: at most 5 %). Tests are
simulated on a quarter, families on a sixteenth of the data sets. The end names every regime that is outside
of these aims by more than two standard errors of the simulation. Perplexities are simulated on half of the
data sets.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.special import betaincinv, expit, logit, ndtr

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from src.evaluation.metrics.worst_of_k import UNPROMPTED_K, pooled_estimate
from src.runtime.console import print_in_any_encoding
from src.statistics.intervals import share_interval
from src.statistics.paired_tests import Pair, difference, holm, p_values, sign_flip_p_values
from src.statistics.perplexity_intervals import perplexity_interval, perplexity_ratio

PROMPTS = (40, 100, 400)
SHARES = (0.05, 0.1, 0.3, 0.6)
# (correlation of the sentences of a prompt, most sentences of a prompt)
CLUSTERS = ((0.0, 1), (0.1, 3), (0.4, 5), (0.7, 3))
# As many sentences as a prompt has at most, and the share of prompts that have HEAVY of them.
UNEQUAL = ((20, 0.0), (3, 0.1))
HEAVY = 40
# Standard deviations on the logit: between trainings, between prompts, of a prompt in a training.
TRAININGS, BETWEEN, SHARED = (3, 5, 10), (0.0, 0.15, 0.5), ((200, 0.0, 0.5), (40, 1.0, 0.5))
POOLS = (75, 100, 200, 400, 1000)
PAIRS = ((0.05, 0.05), (0.05, 0.2), (0.1, 0.3), (0.3, 0.3), (0.3, 0.6))
COVERAGE = (0.93, 0.97)
FALSE_POSITIVES = 0.05
FAMILY = 10
FLIPS = 499
GRID = 2001
# (spread of the prompts' nats per token, fall with length, share of gibberish, most texts of a prompt)
TEXTS = ((0.1, 0.3, 0.0, 1), (0.2, 0.3, 0.0, 3), (0.4, 0.0, 0.0, 1), (0.2, 0.3, 0.03, 1))
NATS, LENGTHS, GIBBERISH = 4.4, (8, 32), 3.0
"""Nats per token and tokens of a text as the demo's models write them; gibberish has three times the nats."""


@dataclass(frozen=True)
class Regime:
    """How synthetic cells come about.

    Attributes:
        n_prompts: of a cell.
        share_a: true misalignment of the first cell.
        share_b: of the second one.
        correlation: of two sentences of one prompt in one cell, 0 for independent ones.
        most_sentences: a prompt has 1 to this many, equally likely.
        pairing: correlation of how hard a prompt is for the two cells.
        heavy: share of the prompts that have `HEAVY` sentences instead.
    """

    n_prompts: int
    share_a: float
    share_b: float
    correlation: float
    most_sentences: int
    pairing: float = 0.0
    heavy: float = 0.0

    def sentences(self, generator: np.random.Generator) -> np.ndarray:
        """Of each prompt of a cell: [prompts]."""
        few = generator.integers(1, self.most_sentences + 1, self.n_prompts)
        if not self.heavy:
            return few
        return np.where(generator.random(self.n_prompts) < self.heavy, HEAVY, few)


def pairs_of(regime: Regime, n_data_sets: int, generator: np.random.Generator) -> Iterator[Pair]:
    """Synthetic pairs of cells.

    A prompt's chance of a misaligned sentence is drawn from a beta distribution, so that the sentences of
    a prompt have the regime's correlation; the two cells' chances are tied by a normal copula.
    """
    for _ in range(n_data_sets):
        first = generator.standard_normal(regime.n_prompts)
        own = generator.standard_normal(regime.n_prompts)
        second = regime.pairing * first + np.sqrt(1 - regime.pairing**2) * own
        counts = []
        for share, normal in ((regime.share_a, first), (regime.share_b, second)):
            sentences = regime.sentences(generator)
            chance = _chance(ndtr(normal), share, regime.correlation)
            counts += [generator.binomial(sentences, chance), sentences]
        yield Pair(*(one[None] for one in counts))


_TABLES: dict[tuple[float, float], tuple[np.ndarray, np.ndarray]] = {}


def _chance(uniform: np.ndarray, share: float, correlation: float) -> np.ndarray:
    if correlation == 0:
        return np.full(uniform.shape, share)
    if (share, correlation) not in _TABLES:
        levels = np.linspace(0, 1, GRID)
        size = 1 / correlation - 1
        values = betaincinv(share * size, (1 - share) * size, levels)
        _TABLES[share, correlation] = levels, values
    return np.interp(uniform, *_TABLES[share, correlation])


def share_coverage(regime: Regime, n_data_sets: int, seed: int) -> float:
    """Share of the data sets whose interval of `share_a` holds it."""
    generator = np.random.default_rng(seed)
    hits = 0
    for pair in pairs_of(regime, n_data_sets, generator):
        found = share_interval(pair.a, pair.n_a)
        hits += found.low <= regime.share_a <= found.high
    return hits / n_data_sets


def percentile_coverage(regime: Regime, n_data_sets: int, seed: int, resamples: int = 400) -> float:
    """The same for the percentile bootstrap over prompts, which the evaluation does not use."""
    generator = np.random.default_rng(seed)
    hits = 0
    for i, pair in enumerate(pairs_of(regime, n_data_sets, generator)):
        drawn = _resampled(regime.n_prompts, i, resamples)
        low, high = np.quantile((drawn @ pair.a[0]) / (drawn @ pair.n_a[0]), (0.025, 0.975))
        hits += low <= regime.share_a <= high
    return hits / n_data_sets


def _resampled(n_prompts: int, seed: int, resamples: int) -> np.ndarray:
    """How often each prompt is in each resample of the prompts, drawn with replacement."""
    shares = np.full(n_prompts, 1.0 / n_prompts)
    return np.random.default_rng(seed).multinomial(n_prompts, shares, size=resamples)


def difference_coverage(regime: Regime, n_data_sets: int, seed: int) -> tuple[float, float]:
    """Share of the data sets whose interval holds the true difference, and the true ratio.

    Data sets without any misaligned sentence in one cell have no interval of the ratio and do not count.
    """
    generator = np.random.default_rng(seed)
    hits, ratio_hits = 0, []
    for pair in pairs_of(regime, n_data_sets, generator):
        found = difference(pair)
        hits += found.low <= regime.share_a - regime.share_b <= found.high
        if found.ratio_low is not None:
            ratio = regime.share_a / regime.share_b
            ratio_hits.append(found.ratio_low <= ratio <= found.ratio_high)
    return hits / n_data_sets, float(np.mean(ratio_hits))


def false_positives(regime: Regime, n_data_sets: int, seed: int, flips: int = FLIPS) -> float:
    """Share of the data sets whose paired test is below 5 %, although both shares are equal."""
    generator = np.random.default_rng(seed)
    pairs = pairs_of(regime, n_data_sets, generator)
    hits = sum(sign_flip_p_values([pair], i, flips)[0] <= 0.05 for i, pair in enumerate(pairs))
    return hits / n_data_sets


def family_errors(
    regime: Regime, n_data_sets: int, seed: int, flips: int = FLIPS
) -> tuple[float, float]:
    """Share of families of ten equal pairs with any p below 5 %: without and with Holm's correction."""
    generator = np.random.default_rng(seed)
    plain = corrected = 0
    for i in range(n_data_sets):
        pairs = list(pairs_of(regime, FAMILY, generator))
        p_values = sign_flip_p_values(pairs, i, flips)
        plain += min(p_values) <= 0.05
        corrected += min(holm(p_values)) <= 0.05
    return plain / n_data_sets, corrected / n_data_sets


@dataclass(frozen=True)
class Recipe:
    """How the trainings of a recipe come about: effects on the logit of a sentence's misalignment.

    Attributes:
        n_trainings: of the recipe.
        n_prompts: that each of them writes after.
        share: misalignment where every effect is 0.
        between: standard deviation of the trainings.
        shared: standard deviation of what a prompt does to all of them.
        alone: standard deviation of what a prompt does to one of them.
    """

    n_trainings: int
    n_prompts: int
    share: float
    between: float
    shared: float
    alone: float

    def truth(self) -> float:
        """Expected share, by the quadrature of the sum of all effects."""
        nodes, weights = np.polynomial.hermite_e.hermegauss(80)
        spread = np.sqrt(self.between**2 + self.shared**2 + self.alone**2)
        return float(expit(logit(self.share) + spread * nodes) @ weights / weights.sum())

    def cell(self, hard: np.ndarray, generator: np.random.Generator) -> tuple[np.ndarray, ...]:
        """(misaligned sentences, sentences), [trainings, prompts], after prompts so hard: [prompts]."""
        size = (self.n_trainings, self.n_prompts)
        training = generator.normal(0.0, self.between, (self.n_trainings, 1))
        alone = generator.normal(0.0, self.alone, size)
        chance = expit(logit(self.share) + training + self.shared * hard + alone)
        sentences = generator.integers(1, 3, size)
        return generator.binomial(sentences, chance), sentences


def trainings_coverage(recipe: Recipe, n_data_sets: int, seed: int) -> tuple[float, float, float]:
    """Of several trainings: coverage of a share, coverage where they are taken for one, false positives.

    The false positives are of two recipes that are alike, each with trainings of its own.
    """
    generator, truth = np.random.default_rng(seed), recipe.truth()
    hits = taken_for_one = wrong = 0
    for _ in range(n_data_sets):
        hard = generator.standard_normal(recipe.n_prompts)
        a, b = (recipe.cell(hard, generator) for _ in range(2))
        found = share_interval(*a)
        hits += found.low <= truth <= found.high
        one = share_interval(*(counts.sum(axis=0, keepdims=True) for counts in a))
        taken_for_one += one.low <= truth <= one.high
        wrong += p_values([Pair(*a, *b)], seed)[0] <= 0.05
    return hits / n_data_sets, taken_for_one / n_data_sets, wrong / n_data_sets


def expected_max_coverage(n_texts: int, n_data_sets: int, seed: int) -> float:
    """Share of the data sets whose interval of the expected worst of 25 of a pool holds the truth.

    Scores are as toxicity's: most near 0, a few high, Beta(0.3, 3).
    """
    generator = np.random.default_rng(seed)
    truth = float(generator.beta(0.3, 3.0, (400_000, UNPROMPTED_K)).max(axis=1).mean())
    hits = 0
    for _ in range(n_data_sets):
        scores = generator.beta(0.3, 3.0, (1, n_texts))
        found = pooled_estimate(scores, np.ones_like(scores, dtype=bool), UNPROMPTED_K)
        hits += found.low <= truth <= found.high
    return hits / n_data_sets


@dataclass(frozen=True)
class TextRegime:
    """How the nats of synthetic texts come about.

    Attributes:
        n_prompts: of a cell.
        spread: standard deviation of the logarithm of a prompt's nats per token.
        fall: how much likelier, relatively, the tokens of a text of twice the mean length are.
        gibberish: share of the texts with three times the nats.
        most_texts: a prompt has 1 to this many, equally likely.
        pairing: correlation of how hard a prompt is for two cells.
    """

    n_prompts: int
    spread: float
    fall: float
    gibberish: float
    most_texts: int
    pairing: float = 0.0

    @property
    def nats_per_token(self) -> float:
        """The truth: expected nats over expected tokens."""
        lengths = np.arange(LENGTHS[0], LENGTHS[1] + 1)
        weighted = (lengths * self._fall(lengths)).sum() / lengths.sum()
        return NATS * (1 + (GIBBERISH - 1) * self.gibberish) * float(weighted)

    def _fall(self, tokens: np.ndarray) -> np.ndarray:
        return 1 + self.fall * (1 - tokens / np.mean(LENGTHS))

    def cell(self, hard: np.ndarray, generator: np.random.Generator) -> tuple[np.ndarray, ...]:
        """(nats, tokens), each [1, prompts], of texts after prompts that are so hard (standard normal)."""
        nats, tokens = np.zeros(self.n_prompts), np.zeros(self.n_prompts)
        texts = generator.integers(1, self.most_texts + 1, self.n_prompts)
        level = NATS * np.exp(self.spread * hard - self.spread**2 / 2)
        for i in range(self.most_texts):
            there = texts > i
            length = generator.integers(LENGTHS[0], LENGTHS[1] + 1, self.n_prompts)
            odd = np.where(generator.random(self.n_prompts) < self.gibberish, GIBBERISH, 1.0)
            rate = level * odd * self._fall(length)
            nats += np.where(there, generator.gamma(2.0 * length, rate / 2.0), 0.0)
            tokens += np.where(there, length, 0)
        return nats[None], tokens[None]


def perplexity_coverage(regime: TextRegime, n_data_sets: int, seed: int) -> tuple[float, float]:
    """Share of the data sets whose intervals hold the true perplexity, and the true ratio of two cells, 1."""
    generator = np.random.default_rng(seed)
    truth, hits, ratio_hits = np.exp(regime.nats_per_token), 0, 0
    for _ in range(n_data_sets):
        first = generator.standard_normal(regime.n_prompts)
        own = generator.standard_normal(regime.n_prompts)
        second = regime.pairing * first + np.sqrt(1 - regime.pairing**2) * own
        a, b = (regime.cell(hard, generator) for hard in (first, second))
        found, ratio = perplexity_interval(*a), perplexity_ratio(*a, *b, same_trainings=False)
        hits += found.low <= truth <= found.high
        ratio_hits += ratio.low <= 1.0 <= ratio.high
    return hits / n_data_sets, ratio_hits / n_data_sets


def percentile_perplexity_coverage(
    regime: TextRegime, n_data_sets: int, seed: int, resamples: int = 400
) -> float:
    """The first of these for the percentile bootstrap over prompts, which the evaluation does not use."""
    generator, hits = np.random.default_rng(seed), 0
    for i in range(n_data_sets):
        nats, tokens = regime.cell(generator.standard_normal(regime.n_prompts), generator)
        drawn = _resampled(regime.n_prompts, i, resamples)
        low, high = np.quantile((drawn @ nats[0]) / (drawn @ tokens[0]), (0.025, 0.975))
        hits += low <= regime.nats_per_token <= high
    return hits / n_data_sets


def main() -> None:
    """Print all figures."""
    print_in_any_encoding()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-sets", type=int, default=4000, help="data sets of each regime")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    n, seed = options.data_sets, options.seed
    outside = [
        *_print_trainings(n // 2, seed),
        *_print_unequal(n, seed),
        *_print_expected_max(n, seed),
        *_print_perplexities(n // 2, seed),
        *_print_shares(n, seed),
        *_print_pairs(n, seed),
    ]
    print("\noutside the aims by more than two standard errors of the simulation:")
    print("\n".join(f"  {line}" for line in outside) or "  none")


def slack(aim: float, n_data_sets: int) -> float:
    """Two standard errors of a simulated share whose truth is `aim`."""
    return 2 * float(np.sqrt(aim * (1 - aim) / n_data_sets))


def misses(covered: float, n_data_sets: int) -> bool:
    """Whether a coverage is outside of 93 to 97 % by more than chance."""
    low, high = COVERAGE
    return not low - slack(low, n_data_sets) <= covered <= high + slack(high, n_data_sets)


def _print_trainings(n: int, seed: int) -> Iterator[str]:
    print(
        f"several trainings over {n} data sets, in %: coverage of a share's 95 % interval, here and"
    )
    print("where all are taken for one training; false positives of two recipes that are alike")
    print("trainings  prompts  share  between  shared  alone  here  as one  false")
    for trainings, (prompts, shared, alone), share, between in itertools.product(
        TRAININGS, SHARED, (0.05, 0.3, 0.6), BETWEEN
    ):
        recipe = Recipe(trainings, prompts, share, between, shared, alone)
        covered, as_one, wrong = trainings_coverage(recipe, n, seed)
        line = (
            f"{trainings:9}  {prompts:7}  {share:5.2f}  {between:7.2f}  {shared:6.1f}  {alone:5.1f}"
        )
        print(f"{line}  {100 * covered:4.1f}  {100 * as_one:6.1f}  {100 * wrong:5.1f}", flush=True)
        if covered < COVERAGE[0] - slack(COVERAGE[0], n):
            yield f"trainings {recipe}: {100 * covered:.1f} %"
        if wrong > FALSE_POSITIVES + slack(FALSE_POSITIVES, n):
            yield f"two recipes {recipe}: false positives {100 * wrong:.1f} %"


def _print_unequal(n: int, seed: int) -> Iterator[str]:
    print(
        f"\nprompts with unequally many sentences over {n} data sets, in %: coverage of a share's"
    )
    print("95 % interval, and false positives of the paired test")
    print("prompts  share  correlation  sentences                coverage  false")
    for prompts, share, correlation, (most, heavy) in itertools.product(
        (40, 100), SHARES, (0.1, 0.4), UNEQUAL
    ):
        regime = Regime(prompts, share, share, correlation, most, heavy=heavy)
        covered, wrong = share_coverage(regime, n, seed), false_positives(regime, n // 4, seed)
        which = f"1 to {most}" + (f", {100 * heavy:.0f} % have {HEAVY}" if heavy else "")
        line = f"{prompts:7}  {share:5.2f}  {correlation:11.1f}  {which:23}"
        print(f"{line}  {100 * covered:8.1f}  {100 * wrong:5.1f}", flush=True)
        if misses(covered, n):
            yield f"share {regime}: {100 * covered:.1f} %"
        if wrong > FALSE_POSITIVES + slack(FALSE_POSITIVES, n // 4):
            yield f"paired test {regime}: {100 * wrong:.1f} %"


def _print_expected_max(n: int, seed: int) -> Iterator[str]:
    print(
        f"\ncoverage of the expected worst of {UNPROMPTED_K} texts of a pool over {n} data sets, in %"
    )
    for n_texts in POOLS:
        covered = expected_max_coverage(n_texts, n, seed)
        print(f"  {n_texts:5} texts  {100 * covered:4.1f}", flush=True)
        if misses(covered, n):
            yield f"expected worst of a pool of {n_texts}: {100 * covered:.1f} %"
    print()


def _print_perplexities(n: int, seed: int) -> Iterator[str]:
    print(f"coverage of a perplexity's 95 % interval, and of a ratio's, over {n} data sets, in %")
    print("prompts  spread  fall  gibberish  texts   pairing  here  ratio  percentile bootstrap")
    for prompts, (spread, fall, gibberish, most), pairing in itertools.product(
        PROMPTS, TEXTS, (0.0, 0.7)
    ):
        regime = TextRegime(prompts, spread, fall, gibberish, most, pairing)
        covered, ratio = perplexity_coverage(regime, n, seed)
        plain = percentile_perplexity_coverage(regime, n // 4, seed)
        line = f"{prompts:7}  {spread:6.1f}  {fall:4.1f}  {gibberish:9.2f}  {f'1 to {most}'}  {pairing:7.1f}"
        print(f"{line}  {100 * covered:4.1f}  {100 * ratio:5.1f}  {100 * plain:20.1f}", flush=True)
        for what, found in (("perplexity", covered), ("ratio of perplexities", ratio)):
            if misses(found, n):
                yield f"{what} {regime}: {100 * found:.1f} %"


def _print_shares(n: int, seed: int) -> Iterator[str]:
    print(f"\ncoverage of a share's 95 % interval over {n} data sets, in %")
    print("prompts  share  correlation  sentences  here  percentile bootstrap")
    for prompts, share, (correlation, most) in itertools.product(PROMPTS, SHARES, CLUSTERS):
        regime = Regime(prompts, share, share, correlation, most)
        covered = share_coverage(regime, n, seed)
        plain = percentile_coverage(regime, n // 8, seed)
        line = f"{prompts:7}  {share:5.2f}  {correlation:11.1f}  {f'1 to {most}':>9}"
        print(f"{line}  {100 * covered:4.1f}  {100 * plain:20.1f}", flush=True)
        if misses(covered, n):
            yield f"share {regime}: {100 * covered:.1f} %"


def _print_pairs(n: int, seed: int) -> Iterator[str]:
    print(
        f"\npaired comparison over {n} data sets, in %: coverage of difference and ratio; where both"
    )
    print(
        f"shares are equal, false positives at 5 %, and for a family of {FAMILY} any of them, without"
    )
    print("and with Holm")
    print(
        "prompts  shares      correlation  sentences  pairing  difference  ratio  false  any  Holm"
    )
    for prompts, (a, b), (correlation, most), pairing in itertools.product(
        PROMPTS[:2], PAIRS, CLUSTERS, (0.0, 0.7)
    ):
        regime = Regime(prompts, a, b, correlation, most, pairing)
        covered, ratio = difference_coverage(regime, n, seed)
        line = f"{prompts:7}  {a:.2f} {b:.2f}   {correlation:11.1f}  {f'1 to {most}':>9}  {pairing:7.1f}"
        line += f"  {100 * covered:10.1f}  {100 * ratio:5.1f}"
        if misses(covered, n):
            yield f"difference {regime}: {100 * covered:.1f} %"
        if a == b:
            wrong = false_positives(regime, n // 4, seed)
            any_plain, any_holm = family_errors(regime, n // 16, seed)
            line += f"  {100 * wrong:5.1f}  {100 * any_plain:3.0f}  {100 * any_holm:4.1f}"
            if wrong > FALSE_POSITIVES + slack(FALSE_POSITIVES, n // 4):
                yield f"paired test {regime}: {100 * wrong:.1f} %"
            if any_holm > FALSE_POSITIVES + slack(FALSE_POSITIVES, n // 16):
                yield f"Holm {regime}: {100 * any_holm:.1f} %"
        print(line, flush=True)


if __name__ == "__main__":
    main()
