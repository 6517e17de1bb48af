"""How a number follows from the examples, and what each example gives to it.

Examples are labels, predictions and scores, as `suite.metrics` describes them for each target. What an
example gives is a number whose mean over the examples has the metric's standard error: its own score
where the metric is a mean, else its jackknife pseudo-value, n * value - (n - 1) * value without it
(Efron & Tibshirani 1993, An Introduction to the Bootstrap, chapter 11).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

Examples = Any
"""An array whose first axis is the examples, or a list of them."""

Value = Callable[[Examples, Examples, Examples], float]
Each = Callable[[Examples, Examples, Examples], np.ndarray]

GROUPS = 1_000
"""So many groups a delete-a-group jackknife leaves out, one at a time."""


class Way(Protocol):
    """A metric for one target. `needs_scores` says that it is no function of labels and predictions alone."""

    @property
    def needs_scores(self) -> bool:
        """Whether the scores are read."""

    def value(self, labels: Examples, predictions: Examples, scores: Examples) -> float:
        """Return the metric's value."""

    def contributions(self, labels: Examples, predictions: Examples, scores: Examples) -> np.ndarray:
        """Return what each example gives, fp64 [n]."""


@dataclass(frozen=True)
class Mean:
    """The mean of per-example scores, which `each` returns as [n]."""

    each: Each
    needs_scores: bool = False

    def value(self, labels: Examples, predictions: Examples, scores: Examples) -> float:
        """Return the mean."""
        return float(self.contributions(labels, predictions, scores).mean())

    def contributions(self, labels: Examples, predictions: Examples, scores: Examples) -> np.ndarray:
        """Return the scores themselves."""
        return np.asarray(self.each(labels, predictions, scores), dtype=np.float64)


@dataclass(frozen=True)
class LeaveOneOut:
    """A function whose exact values `without` each example, [n], are had in one sweep."""

    function: Value
    without: Each
    needs_scores: bool = False

    def value(self, labels: Examples, predictions: Examples, scores: Examples) -> float:
        """Return the function's value."""
        return float(self.function(labels, predictions, scores))

    def contributions(self, labels: Examples, predictions: Examples, scores: Examples) -> np.ndarray:
        """Return the pseudo-values; a single example, which cannot be left out, gives the value."""
        n, whole = len(labels), self.value(labels, predictions, scores)
        if n == 1:
            return np.array([whole])
        return np.asarray(n * whole - (n - 1) * self.without(labels, predictions, scores), dtype=np.float64)


@dataclass(frozen=True)
class Regrouped:
    """A function of which nothing else is known: it is evaluated anew without each example.

    Above `GROUPS` examples a group is left out instead (Kott 2001, Journal of Official Statistics 17,
    521-526). Its pseudo-value deviates by the error of a group's mean, so that each of its m members
    gets sqrt(m) times the deviation: the variance of what n examples give, over n, is then the metric's.
    """

    function: Value
    needs_scores: bool = False

    def value(self, labels: Examples, predictions: Examples, scores: Examples) -> float:
        """Return the function's value."""
        return float(self.function(labels, predictions, scores))

    def contributions(self, labels: Examples, predictions: Examples, scores: Examples) -> np.ndarray:
        """Return the pseudo-values; of two runs over the same examples they pair, since groups are the same."""
        n, whole = len(labels), self.value(labels, predictions, scores)
        if n == 1:
            return np.array([whole])
        groups = min(n, GROUPS)
        group = np.random.RandomState(0).permutation(n) % groups  # RandomState: its order never changes with numpy
        sizes = np.bincount(group)
        columns = (labels, predictions, scores)
        without = np.array([self.value(*(_kept(c, group != g) for c in columns)) for g in range(groups)])
        pseudo = (n * whole - (n - sizes) * without) / sizes
        if groups == n:
            return np.asarray(pseudo[group])
        return np.asarray(pseudo.mean() + (np.sqrt(sizes) * (pseudo - pseudo.mean()))[group])


def _kept(column: Examples, mask: np.ndarray) -> Examples:
    if column is None or isinstance(column, np.ndarray):
        return None if column is None else column[mask]
    return [column[i] for i in np.flatnonzero(mask)]


def of_sums(rows: Each, statistic: Callable[[np.ndarray], np.ndarray], needs_scores: bool = False) -> LeaveOneOut:
    """Return the way of a metric that is a `statistic` ([r, m] -> [r]) of the sums of `rows`, [n, m]."""

    def function(labels: Examples, predictions: Examples, scores: Examples) -> float:
        return float(statistic(rows(labels, predictions, scores).sum(axis=0, keepdims=True))[0])

    def without(labels: Examples, predictions: Examples, scores: Examples) -> np.ndarray:
        added = rows(labels, predictions, scores)
        return statistic(added.sum(axis=0) - added)

    return LeaveOneOut(function, without, needs_scores)


def ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Return numerator / denominator, and 0 where there is nothing to divide by."""
    zero = denominator == 0
    return np.where(zero, 0.0, numerator / np.where(zero, 1.0, denominator))


def f1(hits: np.ndarray, predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Return F1 from counts; 0 where nothing is true or predicted."""
    return ratio(2.0 * hits, true + predicted)
