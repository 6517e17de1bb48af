"""Intervals and p-values for a mean over test examples and seeds, and for a paired difference of two.

The question is "another test set and another seed": examples and seeds are two crossed random factors
(Searle, Casella & McCulloch 1992, Variance Components, section 5.2). The variance of the grand mean is

    V_item/n + V_seed/S - V_cell/(nS)

with the variances V_item of the examples' means, V_seed of the seeds' means and V_cell of the residuals, which
both means carry, so that one share of it is taken back. It is taken back from the examples: V_seed/S, whole, is
a mean square of few degrees of freedom, and what is left of the examples' is known the better the more of
them there are. An interval of two such shares covers what it says (`suite.stats.shares`); taken back from
the seeds, in shares of any size and with 3 seeds, it covers 91% at the worst.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from suite.stats.proportions import Agreed, Counted, clopper_pearson, wilson
from suite.stats.shares import NOTHING, Share, half_width, p_of, pooled

__all__ = [
    "NOTHING",
    "Agreed",
    "Counted",
    "Estimate",
    "Layout",
    "Share",
    "clopper_pearson",
    "clustered",
    "corrected_resampled",
    "layout",
    "mean_interval",
    "mean_of",
    "p_value",
    "paired_difference",
    "pooled",
    "two_way",
    "wilson",
]


@dataclass(frozen=True)
class Estimate:
    """A mean with the shares of its variance; `item` is None where nothing can be said of it.

    The examples' share is what other examples alone would change, where there are seeds to tell; else all of it.
    `counted` stands in where the shares would leave no width, as at a proportion of 0 or 1.
    """

    mean: float
    item: Share | None = None
    seed: Share = NOTHING
    counted: Counted | Agreed | None = None

    @property
    def error(self) -> float | None:
        """The standard error of the mean, or None."""
        return None if self.item is None else float(np.sqrt(self.item.variance + self.seed.variance))

    def interval(self, level: float = 0.95) -> tuple[float, float] | None:
        """Return the two-sided interval, or None where there is none."""
        if self.counted is not None:
            return self.counted.interval(level)
        if self.item is None:
            return None
        half = half_width((self.item, self.seed), (1 - level) / 2)
        return self.mean - half, self.mean + half


def p_value(estimate: Estimate, at: float = 0.0) -> float | None:
    """Return the level at which the estimate's interval just touches `at`, or None where it has no interval.

    So p < .05 is to say that the 95% interval leaves `at` out. To 1e-9; below 1e-60 it is given as 1e-60. Where
    values are counted, it is the exact binomial test's: twice the smaller tail.
    """
    if estimate.counted is not None:
        return estimate.counted.p(at)
    return None if estimate.item is None else p_of((estimate.item, estimate.seed), estimate.mean - at)


@dataclass(frozen=True)
class Layout:
    """A matrix [seeds, examples] as far as its mean and differences of means need it.

    `means` are the examples' over seeds, fp64 [n]; `seed` is the seeds' share, `cell` how much of it the
    examples' holds already.
    """

    means: np.ndarray
    seed: Share
    cell: float

    def estimate(self) -> Estimate:
        """Return the mean with its error; see `two_way`."""
        mean, n = float(self.means.mean()), len(self.means)
        if n < 2:
            return Estimate(mean)
        item = _item_share(self.means, self.cell)
        if item.variance > 0 or self.seed.variance > 0:
            return Estimate(mean, item, self.seed)
        return Estimate(mean, counted=Counted(round(mean * n), n, 0.0, 1.0) if mean in (0.0, 1.0) else None)

    def minus(self, other: Layout, span: float | None = None) -> Estimate:
        """Return the paired difference of the means; see `paired_difference`."""
        n = len(self.means)
        if n != len(other.means):
            raise ValueError(f"paired over different numbers of examples: {n} and {len(other.means)}")
        mean = float(self.means.mean() - other.means.mean())
        if n < 2:
            return Estimate(mean)
        item = _item_share(self.means - other.means, self.cell + other.cell)
        seed = pooled((self.seed, other.seed))
        if item.variance > 0 or seed.variance > 0:
            return Estimate(mean, item, seed)
        if mean == 0:
            return Estimate(mean, counted=Agreed(n, span) if span else None)
        return Estimate(mean, counted=Counted(n, n, -mean, mean))


def layout(x: np.ndarray, deals: int = 1) -> Layout:
    """Return what the mean of x [seeds, examples] needs; `deals` is that of `two_way`.

    Raises:
        ValueError: a value is not finite.
    """
    _check(x)
    means = x.mean(axis=0)
    seed, cell = _seed_share(x, means, deals) if x.shape[1] > 1 else (NOTHING, 0.0)
    return Layout(means, seed, cell)


def two_way(x: np.ndarray, deals: int = 1) -> Estimate:
    """Return the mean of x [seeds, examples] with the error of drawing both anew.

    With one seed only the examples count. With one example there is no error, never an error of zero. Where every
    x is 0 or every x is 1, Clopper and Pearson's interval for so many examples stands in.

    `deals` is for seeds that are parts of one pool of training rows: how often that pool was dealt. Only
    the parts of one deal are independent; to deal the same rows again brings no new ones, so that the
    seeds' share stays that of one deal. In tests/test_intervals.py this covers 93 to 98% of the time,
    where parts of 3 to 5 deals taken for independent cover 72 to 85%.

    Raises:
        ValueError: a value is not finite.
    """
    return layout(x, deals).estimate()


def paired_difference(
    a: np.ndarray, b: np.ndarray, deals: tuple[int, int] = (1, 1), span: float | None = None
) -> Estimate:
    """Return mean(a) - mean(b) for a [S_a, n] and b [S_b, n] over the same examples and independent seeds.

    The examples' share is that of the differences; the seeds' shares of both add up. Where a and b agree
    on every example, the interval is that of how many further ones they might not agree on, each of which counts
    `span` at the most; without a span there is none. Where they differ by one amount on all, it
    is as if each further example differed by it one way or the other: the p-value is the sign test's, 2 / 2^n,
    and the interval Clopper and Pearson's. `deals` are those of `two_way`, of a and b.

    Raises:
        ValueError: the two do not have the same number of examples, or a value is not finite.
    """
    return layout(a, deals[0]).minus(layout(b, deals[1]), span)


def mean_interval(values: Sequence[float] | np.ndarray) -> tuple[float, tuple[float, float] | None]:
    """Return the mean of independent values with Student's 95% interval; values that do not differ have none."""
    x = np.asarray(values, dtype=np.float64)
    _check(x)
    mean = float(x.mean())
    if _alike(x):
        return mean, None
    return mean, Estimate(mean, Share(float(x.var(ddof=1)) / len(x), len(x) - 1.0)).interval()


def corrected_resampled(scores: np.ndarray, test_to_train: float) -> Estimate:
    """Return the mean of scores [J] over resampled train-test splits, or of their paired differences.

    V(mean) = (1/J + n_test/n_train) * s^2 with J - 1 degrees of freedom: the splits share their rows, so
    that s^2/J alone is far too small (Nadeau & Bengio 2003, Machine Learning 52, 239-281). In
    tests/test_intervals.py its 95% intervals cover what the procedure is worth 98% of the time by one round
    of folds, 96% by five, 97% by bootstrap replicates; those of s^2/J 93, 60 and 24 to 65%. Scores that do not
    differ, and a single one, give no interval.
    """
    _check(scores)
    mean = float(scores.mean())
    if _alike(scores):
        return Estimate(mean)
    spread = float(scores.var(ddof=1))
    return Estimate(mean, Share((1 / len(scores) + test_to_train) * spread, len(scores) - 1.0))


def clustered(values: np.ndarray, clusters: np.ndarray) -> np.ndarray:
    """Return one value a cluster [S, C] for values [S, n] of examples that are alike within a cluster.

    Their mean is that of the values, and their standard error the cluster-robust one: a cluster's value
    is m + C/n times the sum of its examples' distances from the mean m, the linearised ratio (Cochran 1977,
    Sampling Techniques, section 9A.2; for evaluations Miller 2024, arXiv 2411.00640, section 2.2). In
    tests/test_intervals.py, where examples of a cluster are alike, it covers 92 to 96% of the time instead of
    56 to 86%.
    """
    codes, sizes = np.unique(clusters, return_inverse=True)[1], len(np.unique(clusters))
    means = values.mean(axis=1, keepdims=True)
    sums = np.stack([np.bincount(codes, weights=row, minlength=sizes) for row in values - means])
    return np.asarray(means + sums * (sizes / values.shape[1]))


def _alike(values: np.ndarray) -> bool:
    """Return whether nothing but rounding tells values apart, as it does 0.9 - 0.8 and 0.7 - 0.6."""
    return float(np.ptp(values)) <= 1e-12 * max(1.0, float(np.abs(values).max()))


def _check(*arrays: np.ndarray) -> None:
    """Refuse what would come out as no number."""
    if not all(np.isfinite(x).all() for x in arrays):
        raise ValueError("a value is not finite: nothing can be said of a mean over it")


def _item_share(means: np.ndarray, cell: float) -> Share:
    """Return the examples' share from their means over seeds, fp64 [n], less what seeds and examples share."""
    whole = 0.0 if _alike(means) else float(means.var(ddof=1)) / len(means)
    return Share(max(whole - cell, 0.0), len(means) - 1.0)


def _seed_share(x: np.ndarray, columns: np.ndarray, deals: int) -> tuple[Share, float]:
    """Return the seeds' share, of one deal, and how much of it the examples' share holds already."""
    seeds, items = x.shape
    rows = x.mean(axis=1)
    if _alike(rows):
        return NOTHING, 0.0
    residual = x - rows[:, None] - columns[None, :] + columns.mean()
    cell = float((residual**2).sum()) / ((seeds - 1) * (items - 1)) / (items * seeds)
    return Share(deals * float(rows.var(ddof=1)) / seeds, max(seeds - deals, 1.0)), deals * cell


def mean_of(parts: Sequence[Estimate], scales: Sequence[float]) -> Estimate:
    """Return the mean of independent estimates, each times its scale; without an error if any has none.

    The 95% interval of a part that is counted goes for a standard error of a quarter of its width.
    """
    n = len(parts)
    mean = sum(p.mean * s for p, s in zip(parts, scales, strict=True)) / n
    items = [_item_or_counted(part) for part in parts]
    known = [item for item in items if item is not None]
    if len(known) < n:
        return Estimate(mean)
    factors = [scale / n for scale in scales]
    item = pooled(share.scaled(f) for share, f in zip(known, factors, strict=True))
    seed = pooled(part.seed.scaled(f) for part, f in zip(parts, factors, strict=True))
    return Estimate(mean, item, seed)


def _item_or_counted(part: Estimate) -> Share | None:
    if part.counted is None:
        return part.item
    low, high = part.counted.interval()
    return Share(((high - low) / 4) ** 2, 1e6)
