"""Metrics of scores, fp64 [n, k]: probabilities of each class or label.

Rankings are looked at column by column, which is one-vs-rest for classes; with two classes the second
column says it all. The mean is over the columns for which a column's value is defined.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from suite.metrics._ways import Examples, LeaveOneOut, of_sums

Column = Callable[[np.ndarray, np.ndarray], tuple[float, np.ndarray]]
"""(truth bool [n], scores [n]) -> the value, and the value without each example, [n]; nan where undefined."""

BINS = 15
LEAST = float(np.finfo(np.float32).eps)
"""Probabilities below this count as this: a loss stays finite, as in scikit-learn for fp32 scores."""


def truth(labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return which columns are true of each example, bool [n, k], for class indexes [n] or 0/1 labels [n, k]."""
    if labels.ndim == 2:
        return np.asarray(labels == 1)
    return np.asarray(labels[:, None] == np.arange(scores.shape[1]))


# -- rankings ----------------------------------------------------------------------------------------------------------


def macro(column: Column, undefined: float) -> LeaveOneOut:
    """Return the way of a ranking's mean over columns; `undefined` is the value where no column has one."""

    def columns(labels: np.ndarray, scores: np.ndarray) -> list[tuple[float, np.ndarray]]:
        binary = labels.ndim == 1 and scores.shape[1] == 2
        pairs = list(zip(truth(labels, scores).T, scores.T, strict=True))
        return [column(*pair) for pair in (pairs[1:] if binary else pairs)]

    def mean(values: np.ndarray) -> np.ndarray:
        known = ~np.isnan(values)
        total = np.where(known, values, 0.0).sum(axis=0)
        return np.where(known.any(axis=0), total / np.maximum(known.sum(axis=0), 1), undefined)

    def function(labels: Examples, predictions: Examples, scores: Examples) -> float:
        return float(mean(np.array([whole for whole, _ in columns(labels, scores)])))

    def without(labels: Examples, predictions: Examples, scores: Examples) -> np.ndarray:
        return mean(np.stack([left for _, left in columns(labels, scores)]))

    return LeaveOneOut(function, without, needs_scores=True)


def area_under_curve(true: np.ndarray, scores: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the share of (true, untrue) pairs in the right order, ties half (Hanley & McNeil 1982).

    An example takes the pairs with it along when it is left out.
    """
    from scipy.stats import rankdata

    ranks, own = rankdata(scores), np.empty(len(scores))
    for side in (true, ~true):
        own[side] = rankdata(scores[side])
    ones, zeros = int(true.sum()), int((~true).sum())
    below = ranks - own  # of the other side, ties half
    wins = np.where(true, below, ones - below)
    total = float(below[true].sum())
    pairs = np.where(true, (ones - 1) * zeros, ones * (zeros - 1))
    left = np.where(pairs > 0, (total - wins) / np.maximum(pairs, 1), np.nan)
    return total / (ones * zeros) if ones and zeros else np.nan, left


def average_precision(true: np.ndarray, scores: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the mean over true examples of the precision among all that score as high.

    Without an example, precisions change at and below its score: by sums over the examples in order.
    """
    from scipy.stats import rankdata

    order = np.argsort(-scores, kind="stable")
    hit = true[order]
    rank = rankdata(-scores[order], "max").astype(int)  # how many score as high
    hits = np.cumsum(hit)[rank - 1].astype(np.float64)
    ones = float(hit.sum())
    above = rankdata(-scores[order], "min").astype(int) - 1  # how many score higher
    fewer = np.maximum(rank - 1, 1)  # a top example alone stands only in sums that leave it out
    kept, less, lost = hit * hits / rank, hit * hits / fewer, hit * (hits - 1) / fewer
    before = np.concatenate([[0.0], np.cumsum(kept)])[above]
    after_zero, after_one = (np.cumsum(part[::-1])[::-1][above] for part in (less, lost))
    sums = before + np.where(hit, after_one - lost, after_zero)
    left = np.empty(len(scores))
    remaining = ones - hit
    left[order] = np.where(remaining > 0, sums / np.maximum(remaining, 1), np.nan)
    return float(kept.sum() / ones) if ones else np.nan, left


roc_auc = macro(area_under_curve, undefined=0.5)
mean_average_precision = macro(average_precision, undefined=0.0)


def label_ranking(labels: np.ndarray, predictions: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return each example's mean, over its true labels, of the share of true ones among all that score as high.

    An example for which no label or every label is true gives 1, as in scikit-learn.
    """
    from scipy.stats import rankdata

    true = labels == 1
    rank = rankdata(-scores, "max", axis=1)
    true_rank = rankdata(np.where(true, -scores, np.inf), "max", axis=1)  # true ones stand before all others
    count = true.sum(axis=1)
    shares = np.where(true, true_rank / rank, 0.0).sum(axis=1)
    return np.where((count == 0) | (count == labels.shape[1]), 1.0, shares / np.maximum(count, 1))


# -- probabilities -----------------------------------------------------------------------------------------------------


def class_log_loss(labels: np.ndarray, predictions: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return -ln of the probability of each true class."""
    return _surprise(scores[np.arange(len(labels)), labels])


def labels_log_loss(labels: np.ndarray, predictions: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return each example's mean over labels of -ln of the probability of what is the case."""
    return np.asarray(_surprise(np.where(labels == 1, scores, 1.0 - scores)).mean(axis=1))


def _surprise(probabilities: np.ndarray) -> np.ndarray:
    return np.asarray(0.0 - np.log(np.clip(probabilities, LEAST, 1.0)))


def class_brier(labels: np.ndarray, predictions: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return each example's sum over classes of squared errors, 0 to 2 (Brier 1950)."""
    return np.asarray(((scores - truth(labels, scores)) ** 2).sum(axis=1))


def labels_brier(labels: np.ndarray, predictions: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return each example's mean over labels of squared errors, 0 to 1."""
    return np.asarray(((scores - labels) ** 2).mean(axis=1))


def _gaps(labels: np.ndarray, predictions: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return what each example adds to the gap of its bin, (0, 1/15] to (14/15, 1], and 1; fp64 [n, 16]."""
    sure = scores.max(axis=1)
    place = np.clip(np.ceil(sure * BINS).astype(int) - 1, 0, BINS - 1)
    rows = np.zeros((len(labels), BINS + 1))
    rows[np.arange(len(labels)), place] = (labels == predictions) - sure
    rows[:, BINS] = 1.0
    return rows


calibration = of_sums(_gaps, lambda sums: np.abs(sums[:, :BINS]).sum(axis=1) / sums[:, BINS], needs_scores=True)
"""Expected calibration error (Guo et al. 2017): how far accuracy and top probability are apart, bin by bin."""
