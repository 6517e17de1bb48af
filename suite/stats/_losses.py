"""Losses of logistic regressions as functions of values [n, k]: of one class among k, and of k columns apart.

A loss has groups: columns of one group are solved together. All columns of a softmax are one group, and every column
of `Sigmoids` is one. Numbers a group are arrays [g].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np


class Loss(Protocol):
    """A sum of losses over rows; `expected` [n, k] are the probabilities that values come to."""

    def at(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the sum of losses [g], and what is expected [n, k]."""

    def residual(self, expected: np.ndarray) -> np.ndarray:
        """Return the derivative of the sum by the values [n, k]."""

    def curved(self, expected: np.ndarray, moved: np.ndarray) -> np.ndarray:
        """Return the second derivative, applied to a change of the values [n, k]."""

    def bent(self, expected: np.ndarray) -> np.ndarray:
        """Return the second derivative by a row's own values [n], the mean over columns."""

    def dot(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Return the inner product of two arrays [.., k] within each group [g]."""

    def only(self, live: np.ndarray) -> Loss:
        """Return the loss of some groups, bool [g]."""


@dataclass(frozen=True)
class Softmax:
    """Of one class among k: `labels` [n], 0 to k-1."""

    labels: np.ndarray

    def at(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the sum of losses [1], and the probabilities [n, k]."""
        expected = values - values.max(axis=1, keepdims=True)
        own = expected[np.arange(len(values)), self.labels].sum()
        np.exp(expected, out=expected)
        total = expected.sum(axis=1, keepdims=True)
        expected /= total
        return np.array([np.log(total).sum() - own]), expected

    def residual(self, expected: np.ndarray) -> np.ndarray:
        """Return p - y [n, k]."""
        found: np.ndarray = expected.copy()
        found[np.arange(len(found)), self.labels] -= 1
        return found

    def curved(self, expected: np.ndarray, moved: np.ndarray) -> np.ndarray:
        """Return (diag(p) - pp') v, row by row [n, k]."""
        found: np.ndarray = expected * moved
        found -= expected * np.einsum("ij->i", found)[:, None]
        return found

    def bent(self, expected: np.ndarray) -> np.ndarray:
        """Return the mean of p (1 - p) over the classes [n]."""
        found: np.ndarray = np.maximum(1 - np.einsum("ij,ij->i", expected, expected), 0) / expected.shape[1]
        return found

    def dot(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Return the inner product over all columns [1]."""
        return np.array([np.vdot(a, b)], dtype=np.float64)

    def only(self, live: np.ndarray) -> Softmax:
        """Return itself: there is one group."""
        return self


@dataclass(frozen=True)
class Sigmoids:
    """Of k columns that share nothing: `hits` fp64 [n, k], 0 or 1."""

    hits: np.ndarray

    def at(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return each column's sum of losses [k], and the probabilities of 1 [n, k]."""
        from scipy.special import expit

        losses: np.ndarray = (np.logaddexp(0, values) - self.hits * values).sum(axis=0)
        return losses, expit(values)

    def residual(self, expected: np.ndarray) -> np.ndarray:
        """Return p - y [n, k]."""
        found: np.ndarray = expected - self.hits
        return found

    def curved(self, expected: np.ndarray, moved: np.ndarray) -> np.ndarray:
        """Return p (1 - p) v [n, k]."""
        found: np.ndarray = expected * (1 - expected) * moved
        return found

    def bent(self, expected: np.ndarray) -> np.ndarray:
        """Return the mean of p (1 - p) over the columns [n]."""
        found: np.ndarray = (expected * (1 - expected)).mean(axis=1)
        return found

    def dot(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Return each column's inner product [k]."""
        found: np.ndarray = np.einsum("ij,ij->j", a, b).astype(np.float64)
        return found

    def only(self, live: np.ndarray) -> Sigmoids:
        """Return the loss of some columns."""
        return self if live.all() else Sigmoids(self.hits[:, live])
