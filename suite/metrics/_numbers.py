"""Metrics of numbers, fp64 [n] against fp64 [n].

A correlation with a constant is 0: what does not vary says nothing of what does.
"""

from __future__ import annotations

import numpy as np

from suite.metrics._ways import Examples

SHARE = 1e-6
"""Where less than this of a variance is left without an example, a difference of sums would have lost its digits."""


def pearson(labels: np.ndarray, predictions: np.ndarray, scores: Examples) -> float:
    """Return Pearson's correlation."""
    if _constant(labels) or _constant(predictions):
        return 0.0
    x, y = _centred(labels), _centred(predictions)
    return float(np.clip((x @ y) / np.sqrt((x @ x) * (y @ y)), -1.0, 1.0))


def pearson_without(labels: np.ndarray, predictions: np.ndarray, scores: Examples) -> np.ndarray:
    """Return Pearson's correlation without each example, [n]: a centred sum loses x_i * y_i * n / (n - 1)."""
    n = len(labels)
    if _constant(labels) or _constant(predictions):
        return np.zeros(n)
    x, y = _centred(labels), _centred(predictions)
    left = [a @ b - a * b * n / (n - 1) for a, b in ((x, y), (x, x), (y, y))]
    thin = (left[1] < SHARE * (x @ x)) | (left[2] < SHARE * (y @ y))
    found = left[0] / np.sqrt(np.where(thin, 1.0, left[1]) * np.where(thin, 1.0, left[2]))
    for i in np.flatnonzero(thin):  # one or two at the most
        found[i] = pearson(np.delete(labels, i), np.delete(predictions, i), None)
    return np.asarray(np.clip(found, -1.0, 1.0))


def spearman(labels: np.ndarray, predictions: np.ndarray, scores: Examples) -> float:
    """Return Spearman's rank correlation; ties share their mean rank."""
    from scipy.stats import rankdata

    return pearson(rankdata(labels), rankdata(predictions), None)


def squared_error(labels: np.ndarray, predictions: np.ndarray, scores: Examples) -> np.ndarray:
    """Return each squared error."""
    return np.asarray((labels - predictions) ** 2)


def absolute_error(labels: np.ndarray, predictions: np.ndarray, scores: Examples) -> np.ndarray:
    """Return each absolute error."""
    return np.asarray(np.abs(labels - predictions))


def _constant(values: np.ndarray) -> bool:
    return bool((values == values[0]).all())


def _centred(values: np.ndarray) -> np.ndarray:
    """Return deviations from the mean, scaled so that no square overflows or vanishes."""
    apart = values - values.mean()
    return np.asarray(apart / np.abs(apart).max())
