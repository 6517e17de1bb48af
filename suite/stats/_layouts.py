"""Matrices [seeds, examples] as far as means and differences need them, many at once.

A board of 2,000 rows has as many matrices as cells, and numpy takes as long to be asked as to answer. Each number is,
bit for bit, what it is for one matrix alone: sums run over the same values in the same order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from suite.stats._estimate import Estimate
from suite.stats.proportions import Agreed, Counted
from suite.stats.shares import NOTHING, Share, pooled


@dataclass(frozen=True)
class Layout:
    """A matrix [seeds, examples] as far as its mean and differences of means need it.

    `means` are the examples' over seeds, fp64 [n], and `mean` is theirs; `item` and `seed` are the examples' and the
    seeds' shares of its variance, `cell` how much of the seeds' the examples' held already.
    """

    means: np.ndarray
    mean: float
    item: Share
    seed: Share
    cell: float

    def estimate(self) -> Estimate:
        """Return the mean with its error; see `two_way`."""
        mean, n = self.mean, len(self.means)
        if n < 2:
            return Estimate(mean)
        if self.item.variance > 0 or self.seed.variance > 0:
            return Estimate(mean, self.item, self.seed)
        return Estimate(mean, counted=Counted(round(mean * n), n, 0.0, 1.0) if mean in (0.0, 1.0) else None)

    def minus(self, other: Layout, span: float | None = None) -> Estimate:
        """Return the paired difference of the means; see `paired_difference`."""
        return differences(self, [other], span)[0]


def layouts(x: np.ndarray, deals: int = 1) -> list[Layout]:
    """Return what the means of matrices x [k, seeds, examples] need; `deals` is that of `two_way`.

    Raises:
        ValueError: a value is not finite.
    """
    check(x)
    means = x.mean(axis=1)
    if x.shape[2] < 2:
        return [Layout(row, float(row.mean()), NOTHING, NOTHING, 0.0) for row in means]
    seeds, cells = _seed_shares(x, means, deals)
    items = _item_variances(means, cells)
    df = means.shape[1] - 1.0
    return [
        Layout(row, mean, Share(item, df), seed, cell)
        for row, mean, item, seed, cell in zip(
            means, means.mean(axis=1).tolist(), items.tolist(), seeds, cells.tolist(), strict=True
        )
    ]


def differences(one: Layout, others: Sequence[Layout], span: float | None = None) -> list[Estimate]:
    """Return the paired differences of one mean to others; see `paired_difference`.

    Raises:
        ValueError: they are not over the same number of examples.
    """
    n = len(one.means)
    for other in others:
        if n != len(other.means):
            raise ValueError(f"paired over different numbers of examples: {n} and {len(other.means)}")
    means = [one.mean - other.mean for other in others]
    if n < 2:
        return [Estimate(mean) for mean in means]
    cells = np.array([one.cell + other.cell for other in others])
    items = _item_variances(one.means - np.array([other.means for other in others]), cells)
    found = []
    for mean, item, other in zip(means, items.tolist(), others, strict=True):
        seed = pooled((one.seed, other.seed))
        found.append(_difference(mean, Share(item, n - 1.0), seed, n, span))
    return found


def _difference(mean: float, item: Share, seed: Share, n: int, span: float | None) -> Estimate:
    if item.variance > 0 or seed.variance > 0:
        return Estimate(mean, item, seed)
    if mean == 0:
        return Estimate(mean, counted=Agreed(n, span) if span else None)
    return Estimate(mean, counted=Counted(n, n, -mean, mean))


def alike(values: np.ndarray) -> np.ndarray:
    """Return of each row of values [k, n] whether nothing but rounding tells them apart, bool [k].

    As it does 0.9 - 0.8 and 0.7 - 0.6.
    """
    low, high = values.min(axis=-1), values.max(axis=-1)
    return np.asarray(high - low <= 1e-12 * np.maximum(1.0, np.maximum(np.abs(low), np.abs(high))))


def check(*arrays: np.ndarray) -> None:
    """Refuse what would come out as no number.

    Raises:
        ValueError: a value is not finite.
    """
    if not all(np.isfinite(x).all() for x in arrays):
        raise ValueError("a value is not finite: nothing can be said of a mean over it")


def _item_variances(means: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """Return the variances of the means of examples' means [k, n], less what seeds and examples share [k]."""
    n = means.shape[1]
    whole = np.where(alike(means), 0.0, means.var(axis=1, ddof=1) / n)
    return np.asarray(np.maximum(whole - cells, 0.0))


def _seed_shares(x: np.ndarray, columns: np.ndarray, deals: int) -> tuple[list[Share], np.ndarray]:
    """Return the seeds' shares, of one deal, and how much of each the examples' share holds already, fp64 [k]."""
    count, seeds, items = x.shape
    rows = x.mean(axis=2)
    same = alike(rows)
    if same.all():
        return [NOTHING] * count, np.zeros(count)
    residual = x - rows[:, :, None]
    residual -= columns[:, None, :]  # in place: there are millions
    residual += columns.mean(axis=1)[:, None, None]
    squares = np.square(residual, out=residual).reshape(count, -1).sum(axis=1)
    cells = np.where(same, 0.0, deals * (squares / ((seeds - 1) * (items - 1)) / (items * seeds)))
    variances = deals * rows.var(axis=1, ddof=1) / seeds
    df = max(seeds - deals, 1.0)
    shares = [NOTHING if flat else Share(variance, df) for flat, variance in zip(same, variances.tolist(), strict=True)]
    return shares, cells
