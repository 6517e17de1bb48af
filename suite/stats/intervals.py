"""Intervals for a mean over test examples and seeds, and for a paired difference of two.

The question is "another test set and another seed": examples and seeds are two crossed random
factors, and the variance of the grand mean has a share of each. Searle, Casella & McCulloch (1992),
Variance Components, section 5.2, give the components; degrees of freedom are Satterthwaite's (1946).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Estimate:
    """A mean, its standard error and degrees of freedom; both None where nothing can be said of them.

    `bounds` replaces the t interval where that would have no width, as at a proportion of 0 or 1.
    """

    mean: float
    error: float | None = None
    df: float | None = None
    bounds: tuple[float, float] | None = None

    def interval(self, level: float = 0.95) -> tuple[float, float] | None:
        """Return the two-sided interval, or None where there is none."""
        if self.bounds is not None:
            return self.bounds
        if self.error is None or self.df is None:
            return None
        from scipy.stats import t

        half = float(t.ppf((1 + level) / 2, self.df)) * self.error
        return self.mean - half, self.mean + half


@dataclass(frozen=True)
class _Components:
    """Shares of the variance of one mean of x [S, n]: over examples, over seeds, and what both hold."""

    item: float
    seed: float
    cell: float
    seeds: int
    items: int


def _components(x: np.ndarray) -> _Components:
    seeds, items = x.shape
    rows, columns = x.mean(axis=1), x.mean(axis=0)
    item = float(columns.var(ddof=1)) / items
    if seeds == 1:
        return _Components(item, 0.0, 0.0, seeds, items)
    residual = x - rows[:, None] - columns[None, :] + x.mean()
    cell = float((residual**2).sum()) / ((seeds - 1) * (items - 1))
    return _Components(item, float(rows.var(ddof=1)) / seeds, cell / (items * seeds), seeds, items)


def two_way(x: np.ndarray) -> Estimate:
    """Return the mean of x [seeds, examples] with the error of drawing both anew.

    V(mean) = V_item/n + V_seed/S - V_cell/(nS), not below the larger of the first two: each of the
    two means carries the residual once, so one share of it is taken back. With one seed only the
    examples count. With one example there is no error, never an error of zero. Where every x is 0 or
    every x is 1, the bounds are Clopper and Pearson's (1934) for so many examples.
    """
    items = x.shape[1]
    mean = float(x.mean())
    if items < 2:
        return Estimate(mean)
    if np.all(x == x.flat[0]):
        return (
            Estimate(mean, bounds=clopper_pearson(round(mean * items), items)) if mean in (0.0, 1.0) else Estimate(mean)
        )
    return _combined(mean, [_components(x)])


def paired_difference(a: np.ndarray, b: np.ndarray) -> Estimate:
    """Return mean(a) - mean(b) for a [S_a, n] and b [S_b, n] over the same examples and independent seeds.

    Raises:
        ValueError: the two do not have the same number of examples.
    """
    if a.shape[1] != b.shape[1]:
        raise ValueError(f"paired over different numbers of examples: {a.shape[1]} and {b.shape[1]}")
    mean, items = float(a.mean() - b.mean()), a.shape[1]
    if items < 2:
        return Estimate(mean)
    one, other = _components(a), _components(b)
    shared = float((a.mean(axis=0) - b.mean(axis=0)).var(ddof=1)) / items
    if shared == 0 and one.seed == 0 and other.seed == 0:
        return Estimate(mean)
    parts = [
        _Components(shared, one.seed, one.cell, one.seeds, items),
        _Components(0, other.seed, other.cell, other.seeds, items),
    ]
    return _combined(mean, parts)


def _combined(mean: float, parts: Sequence[_Components]) -> Estimate:
    """Return the estimate whose variance is the sum of these shares, with Satterthwaite's df."""
    item, seed = sum(p.item for p in parts), sum(p.seed for p in parts)
    variance = max(item + seed - sum(p.cell for p in parts), item, seed)
    squares = sum(
        p.item**2 / (p.items - 1) + ((p.seed**2 + p.cell**2 / (p.items - 1)) / (p.seeds - 1) if p.seeds > 1 else 0.0)
        for p in parts
    )
    if variance == 0:
        return Estimate(mean)
    return Estimate(mean, variance**0.5, variance**2 / squares if squares else None)


def mean_of(parts: Sequence[Estimate], scales: Sequence[float]) -> Estimate:
    """Return the mean of independent estimates, each times its scale; without an error if any has none.

    Bounds of a part count as an error of a quarter of their width, with many degrees of freedom.
    """
    n = len(parts)
    mean = sum(p.mean * s for p, s in zip(parts, scales, strict=True)) / n
    variance, squares = 0.0, 0.0
    for part, scale in zip(parts, scales, strict=True):
        error, df = part.error, part.df
        if part.bounds is not None:
            error, df = (part.bounds[1] - part.bounds[0]) / 4, 1e6
        if error is None or df is None:
            return Estimate(mean)
        share = (error * scale / n) ** 2
        variance += share
        squares += share**2 / df
    return Estimate(mean, variance**0.5, variance**2 / squares) if squares else Estimate(mean)


def clopper_pearson(hits: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Return the exact interval for a proportion of hits in n (Clopper & Pearson 1934)."""
    from scipy.stats import beta

    tail = (1 - level) / 2
    low = 0.0 if hits == 0 else float(beta.ppf(tail, hits, n - hits + 1))
    high = 1.0 if hits == n else float(beta.ppf(1 - tail, hits + 1, n - hits))
    return low, high
