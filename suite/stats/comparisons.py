"""Two checkpoints compared: on one task by a paired difference, over seeds, and over many tasks.

Different means that the adjusted p of the difference is below 5%, same that its 90% interval lies within a margin
that was set beforehand, undecided that neither is so. A p that cannot be had is None, and stays None.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from suite.stats.intervals import Estimate, Share, p_value, pooled

Verdict = Literal["different", "same", "undecided"]


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Return Holm's (1979) adjusted p-values in the order given; None, where there was no test, counts for nothing.

    statsmodels' `multipletests` gives the same, but takes longer to import than two checkpoints to compare.

    Raises:
        ValueError: a p-value is not between 0 and 1.
    """
    known = [i for i, p in enumerate(p_values) if p is not None]
    raw = np.array([p_values[i] for i in known], dtype=np.float64)
    if not ((raw >= 0) & (raw <= 1)).all():
        raise ValueError("a p-value is not between 0 and 1")
    order = np.argsort(raw, kind="stable")
    stepped = np.maximum.accumulate(raw[order] * np.arange(len(raw), 0, -1))
    adjusted: list[float | None] = [None] * len(p_values)
    for place, p in zip(order.tolist(), stepped.tolist(), strict=True):
        adjusted[known[place]] = min(p, 1.0)
    return adjusted


def equivalence(estimate: Estimate, delta: float) -> float | None:
    """Return the p of two one-sided tests that the difference lies within +-delta; None where it has no interval.

    It is below alpha where the interval of level 1 - 2 alpha lies within +-delta (Schuirmann 1987, Journal of
    Pharmacokinetics and Biopharmaceutics 15, 657-680): below .05, the 90% interval.

    Raises:
        ValueError: delta is not above 0.
    """
    if not delta > 0:
        raise ValueError(f"a margin for 'the same' must be above 0, not {delta}")
    p_low, p_high = p_value(estimate, -delta), p_value(estimate, delta)
    if p_low is None or p_high is None:
        return None
    return max(_one_sided(p_low, estimate.mean > -delta), _one_sided(p_high, estimate.mean < delta))


def _one_sided(p: float, inside: bool) -> float:
    return p / 2 if inside else 1 - p / 2


def verdict(estimate: Estimate, delta: float, p_adjusted: float | None, alpha: float = 0.05) -> Verdict:
    """Return whether a difference is clear, is shown to be within +-delta, or neither.

    A difference may be clear and yet within the margin: it is called different, and its interval says how small it is.

    Raises:
        ValueError: delta is not above 0.
    """
    p_same = equivalence(estimate, delta)
    if p_adjusted is not None and p_adjusted < alpha:
        return "different"
    return "same" if p_same is not None and p_same < alpha else "undecided"


@dataclass(frozen=True)
class Side:
    """One checkpoint's number of seeds and the share of them in the variance of its mean, as `two_way` gives it."""

    seeds: int
    share: Share

    def at(self, seeds: int) -> Share:
        """Return the share of so many seeds if their variance were the one seen."""
        df = self.share.df * (seeds - 1) / (self.seeds - 1)
        return Share(self.share.variance * self.seeds / seeds, df)


def seeds_needed(
    difference: Estimate, sides: tuple[Side, Side], delta: float, adjustment: float = 1.0, most: int = 1000
) -> int | None:
    """Return with how many seeds a side the verdict would be different or the same, if what was seen were the truth.

    The difference, the examples' share and each side's variance between seeds are taken as they are; only the
    number of seeds grows, from that of the side with more of them.

    Args:
        difference: the paired difference.
        sides: the seeds and their share for either checkpoint.
        delta: the margin of "the same".
        adjustment: what the p of the difference is multiplied by for other comparisons made.
        most: look no further.

    Returns:
        The least number, or None where up to `most` none would do: the examples' share alone is too large.
        None too where a side has one seed only, which says nothing of others.

    Raises:
        ValueError: delta is not above 0.
    """
    if difference.item is None or min(side.seeds for side in sides) < 2:
        return None

    def decided(seeds: int) -> bool:
        then = replace(difference, seed=pooled(side.at(seeds) for side in sides))
        p = p_value(then)
        return verdict(then, delta, None if p is None else min(1.0, adjustment * p)) != "undecided"

    low = max(side.seeds for side in sides)
    if low > most or not decided(most):
        return None
    high = most  # more seeds never undo a verdict: every half-width shrinks
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if decided(middle) else (middle + 1, high)
    return low


@dataclass(frozen=True)
class ProbabilityOfImprovement:
    """P(A > B): how often a run of A scores more than one of B, ties counting half, and its 95% interval."""

    value: float
    interval: tuple[float, float]

    @property
    def meaningful(self) -> bool:
        """Whether it is above .75, the threshold of Bouthillier et al. 2021, with an interval clear of .5."""
        return self.value > 0.75 and self.interval[0] > 0.5


def p_better(a: np.ndarray, b: np.ndarray, level: float = 0.95) -> ProbabilityOfImprovement | None:
    """Return P(A > B) over independent runs scoring a [S_a] and b [S_b], more being better; None with one run a side.

    The interval is Newcombe's (2006, Statistics in Medicine 25, 559-573) method 5, of all theta with
    |theta - value| <= z sqrt(theta (1 - theta)/(S_a S_b) (1 + N ((1 - theta)/(2 - theta) + theta/(1 + theta)))),
    N = (S_a + S_b)/2 - 1, but with Student's quantile for z, at the degrees of freedom of two samples as small as the
    smaller: with z it covers 85 to 90% for 3 runs a side where neither is better, with t at least 93.5% and up to all
    in benchmarks/coverage.py. It never has width 0. Bouthillier et al. 2021 (arXiv 2103.03098, section 4)
    take the percentile bootstrap, which is for more runs than 10.

    Raises:
        ValueError: a score is not finite.
    """
    from scipy.optimize import brentq
    from scipy.special import stdtrit

    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise ValueError("a score is not finite")
    if min(len(a), len(b)) < 2:
        return None
    gaps = a[:, None] - b[None, :]
    value = float(np.mean((gaps > 0) + 0.5 * (gaps == 0)))
    cells, half = len(a) * len(b), (len(a) + len(b)) / 2 - 1
    factor = float(stdtrit(2 * min(len(a), len(b)) - 2, (1 + level) / 2)) ** 2

    def excess(theta: float) -> float:
        spread = theta * (1 - theta) / cells * (1 + half * ((1 - theta) / (2 - theta) + theta / (1 + theta)))
        return (theta - value) ** 2 - factor * spread

    tiny = 1e-9  # at a value of 0 or 1 that end solves the equation, too, and is not the one meant
    low = 0.0 if value == 0 else float(brentq(excess, 0.0, min(value, 1 - tiny)))
    high = 1.0 if value == 1 else float(brentq(excess, max(value, tiny), 1.0))
    return ProbabilityOfImprovement(value, (low, high))


@dataclass(frozen=True)
class SignedRanks:
    """Sums of the ranks of the gains and of the losses, z and two-sided p of their balance."""

    plus: float
    minus: float
    z: float
    p: float


def signed_ranks(differences: np.ndarray) -> SignedRanks | None:
    """Return Wilcoxon's signed-rank test of differences [tasks]; None where there are none but zeros.

    As Demsar (2006, JMLR 7, section 3.1.3) has it: ranks of zeros are split between both sums, and z is the normal
    approximation without a correction for ties. Differences equal to 1e-12 are ties.

    Raises:
        ValueError: a difference is not finite.
    """
    from scipy.special import ndtr
    from scipy.stats import rankdata

    gaps = _rounded(differences)
    if not gaps.any():
        return None
    ranks, n = rankdata(np.abs(gaps)), len(gaps)
    plus = float(ranks[gaps > 0].sum() + ranks[gaps == 0].sum() / 2)
    minus = n * (n + 1) / 2 - plus
    z = (min(plus, minus) - n * (n + 1) / 4) / (n * (n + 1) * (2 * n + 1) / 24) ** 0.5
    return SignedRanks(plus, minus, z, min(1.0, 2 * float(ndtr(z))))


def signed_rank_rope(
    differences: np.ndarray, rope: float, samples: int = 50_000, seed: int = 0
) -> tuple[float, float, float]:
    """Return P(better), P(same), P(worse) for differences [tasks], same being within +-rope.

    The Bayesian signed-rank test (Benavoli, Corani, Demsar & Zaffalon 2017, JMLR 18(77)): each sample
    weighs the tasks, and a difference of 0 with half a task's weight, by a Dirichlet distribution; a region's share is
    the weight of the pairs whose mean difference lies in it, half where it lies on the edge; P is how often its share
    is the largest. Prior and edges are those of baycomp 1.0.3, the authors' package.

    Raises:
        ValueError: a difference is not finite, there is none, or rope is below 0.
    """
    if rope < 0 or not len(differences):
        raise ValueError("a Bayesian signed-rank test takes at least one difference and a rope that is not below 0")
    gaps = np.concatenate([[0.0], _rounded(differences)])
    sums = np.round(gaps[:, None] + gaps[None, :], 12)
    above, below = (np.heaviside(s - 2 * rope, 0.5) for s in (sums, -sums))
    weights = np.random.default_rng(seed).dirichlet([0.5] + [1.0] * (len(gaps) - 1), samples)
    better, worse = (((weights @ region) * weights).sum(axis=1) for region in (above, below))
    shares = np.round(np.stack([better, 1 - better - worse, worse], axis=1), 12)
    largest = shares == shares.max(axis=1, keepdims=True)
    found = (largest / largest.sum(axis=1, keepdims=True)).mean(axis=0)
    return float(found[0]), float(found[1]), float(found[2])


def _rounded(differences: np.ndarray) -> np.ndarray:
    """Return fp64 differences without what rounding left, so that ties are ties."""
    if not np.isfinite(differences).all():
        raise ValueError("a difference is not finite")
    return np.round(np.asarray(differences, dtype=np.float64), 12)
