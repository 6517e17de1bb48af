"""Metrics of how often each class is true, predicted, and both; for class indexes [n] and for 0/1 labels [n, k].

Counts are whole numbers in fp64, so that adding and leaving out are exact. The operations are scikit-learn's, in its
order, and its zero_division=0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from suite.metrics._ways import Examples, LeaveOneOut, f1, of_sums, ratio
from suite.spec import SuiteError

CELLS = 4_000_000
"""So many counts are held at a time when examples are left out."""


class Counts(NamedTuple):
    """For each of r sets of examples and k classes, [r, k]: counts, and whether the class is one to average over."""

    hits: np.ndarray
    predicted: np.ndarray
    true: np.ndarray
    among: np.ndarray


Statistic = Callable[[Counts], np.ndarray]


def balanced_accuracy(counts: Counts) -> np.ndarray:
    """Return the mean recall over the classes that the labels have."""
    return _average(ratio(counts.hits, counts.true), counts.true > 0)


def f1_macro(counts: Counts) -> np.ndarray:
    """Return the mean F1 over classes."""
    return _average(f1(*counts[:3]), counts.among)


def f1_micro(counts: Counts) -> np.ndarray:
    """Return the F1 of all classes' decisions together."""
    return f1(*(table.sum(axis=1) for table in counts[:3]))


def f1_weighted(counts: Counts) -> np.ndarray:
    """Return the mean F1 over classes, each as often as it is true; 0 where no class ever is."""
    return _average(f1(*counts[:3]), counts.among, counts.true)


def matthews(counts: Counts) -> np.ndarray:
    """Return the R_K statistic (Gorodkin 2004); 0 where labels or predictions know one class only."""
    n = counts.true.sum(axis=1)
    both = counts.hits.sum(axis=1) * n - (counts.true * counts.predicted).sum(axis=1)
    predicted, true = (n**2 - (table**2).sum(axis=1) for table in (counts.predicted, counts.true))
    return ratio(both, np.sqrt(predicted * true))


def _average(values: np.ndarray, among: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Return each row's mean over the classes among which it is taken.

    Rows are cut down one by one: with zeros in between, a sum would round otherwise than scikit-learn's.
    """
    if weights is None:
        return np.array([row[kept].mean() if kept.any() else 0.0 for row, kept in zip(values, among, strict=True)])
    rows = zip(values, among, weights, strict=True)
    return np.array([np.average(row[kept], weights=w[kept]) if w.any() else 0.0 for row, kept, w in rows])


# -- class indexes -----------------------------------------------------------------------------------------------------


def of_classes(statistic: Statistic) -> LeaveOneOut:
    """Return the way of a statistic for class indexes, averaged over the classes that labels or predictions have."""

    def function(labels: Examples, predictions: Examples, scores: Examples) -> float:
        return float(statistic(_counts(_table(*_coded(labels, predictions))[None]))[0])

    def without(labels: Examples, predictions: Examples, scores: Examples) -> np.ndarray:
        true, predicted, classes = _coded(labels, predictions)
        whole = _table(true, predicted, classes)
        cells, place = np.unique(true * classes + predicted, return_inverse=True)
        found = np.empty(len(cells))
        for some in _slices(len(cells), classes):  # examples with equal label and prediction share their value
            t, p = np.divmod(cells[some], classes)
            fewer, row = np.repeat(whole[None], len(t), axis=0), np.arange(len(t))
            fewer[row, 0, t] -= t == p
            fewer[row, 1, p] -= 1
            fewer[row, 2, t] -= 1
            found[some] = statistic(_counts(fewer))
        return found[place]

    return LeaveOneOut(function, without)


def _coded(labels: np.ndarray, predictions: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Return labels and predictions as places among the classes that occur, and how many these are."""
    classes, codes = np.unique(np.concatenate([labels, predictions]), return_inverse=True)
    return codes[: len(labels)], codes[len(labels) :], len(classes)


def _table(true: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Return hits, predicted and true by class, fp64 [3, k]."""
    columns = (true[true == predicted], predicted, true)
    return np.stack([np.bincount(column, minlength=classes) for column in columns]).astype(np.float64)


def _counts(tables: np.ndarray) -> Counts:
    """Return tables [r, 3, k] as counts, averaged over the classes that occur."""
    hits, predicted, true = np.moveaxis(tables, 1, 0)
    return Counts(hits, predicted, true, (true + predicted) > 0)


def _slices(rows: int, classes: int) -> Iterator[slice]:
    step = max(1, CELLS // (3 * classes))
    return (slice(start, start + step) for start in range(0, rows, step))


# -- 0/1 labels --------------------------------------------------------------------------------------------------------


def of_labels(statistic: Statistic) -> LeaveOneOut:
    """Return the way of a statistic for 0/1 labels [n, k], averaged over all k."""

    def function(labels: Examples, predictions: Examples, scores: Examples) -> float:
        return float(statistic(_all(_decisions(labels, predictions).sum(axis=0, keepdims=True)))[0])

    def without(labels: Examples, predictions: Examples, scores: Examples) -> np.ndarray:
        whole = _decisions(labels, predictions).sum(axis=0)
        slices = _slices(len(labels), labels.shape[1])
        parts = [statistic(_all(whole - _decisions(labels[some], predictions[some]))) for some in slices]
        return np.concatenate(parts)

    return LeaveOneOut(function, without)


def _decisions(labels: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """Return what each example adds to hits, predicted and true, fp64 [n, 3, k]."""
    return np.stack([labels * predictions, predictions, labels], axis=1).astype(np.float64)


def _all(tables: np.ndarray) -> Counts:
    hits, predicted, true = np.moveaxis(tables, 1, 0)
    return Counts(hits, predicted, true, np.ones_like(true, dtype=bool))


# -- two classes, and plain rights and wrongs --------------------------------------------------------------------------


def _one_class(labels: np.ndarray, predictions: np.ndarray, scores: Examples) -> np.ndarray:
    most = int(max(labels.max(), predictions.max()))
    if most > 1:
        raise SuiteError(f"f1 is for two classes, and there is a class {most}. Use f1_macro.")
    return np.stack([labels * predictions, predictions, labels], axis=1).astype(np.float64)


binary_f1 = of_sums(_one_class, lambda sums: f1(*sums.T))


def right(labels: np.ndarray, predictions: np.ndarray, scores: Examples) -> np.ndarray:
    """Return whether each class is right."""
    return np.asarray(labels == predictions)


def all_right(labels: np.ndarray, predictions: np.ndarray, scores: Examples) -> np.ndarray:
    """Return whether all labels of an example are right."""
    return np.asarray((labels == predictions).all(axis=1))
