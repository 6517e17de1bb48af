"""Scores that are missing, completed from the ones that are there.

The mean of what happens to be present flatters a model that skipped the hard tasks. Here a missing
score is predicted from the model's other scores and the task's other models, with an interval.
Scores are fp64 [k models, n tasks] with NaN for what is missing, all in units that may be averaged.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

METHODS = ("auto", "additive", "rank2")


@dataclass(frozen=True)
class Completed:
    """A table with its missing cells filled, and how far these and the means can be trusted.

    `rows` [k] and `columns` [n] mark the largest set of models and tasks that scores link; only they have an
    answer, and elsewhere the arrays hold 0. Over them `scores` [k, n] are those given, with the gaps filled,
    and `means` [k] the means over `columns`. `intervals` [k, n, 2] and `mean_intervals` [k, 2] are 95%
    intervals for what the missing scores would be: those given count as exact, so that theirs have no width,
    and infinite where too little is known. `errors` [k] are the standard errors of the means by what is missing
    alone, 0 for a complete row, and `df` their degrees of freedom (0: the errors are unknown).
    """

    scores: np.ndarray
    intervals: np.ndarray
    means: np.ndarray
    mean_intervals: np.ndarray
    errors: np.ndarray
    df: float
    rows: np.ndarray
    columns: np.ndarray
    method: str

    def mean_of(self, row: int) -> float | None:
        """Return the row's mean over `columns`, or None where it cannot be had."""
        return float(self.means[row]) if self.rows[row] else None

    def interval_of(self, row: int) -> tuple[float, float] | None:
        """Return the interval of the row's mean, or None where there is none: a complete row, or too little known."""
        low, high = (float(end) for end in self.mean_intervals[row])
        return (low, high) if self.rows[row] and np.isfinite(high - low) and high > low else None


def complete(scores: np.ndarray, method: str = "auto", bounds: np.ndarray | None = None) -> Completed:
    """Return scores [k, n] with the NaN filled, by an additive or a rank-2 model.

    `bounds` [n, 2] are the lowest and highest scores of the tasks; a filled cell and its interval stay inside.

    Raises:
        ValueError: no method has this name, or a score is infinite.
    """
    if method not in METHODS:
        raise ValueError(f"no method {method!r}; there are {', '.join(METHODS)}")
    if np.isinf(scores).any():
        raise ValueError("a score is infinite")
    rows, columns = linked(~np.isnan(scores))
    table = scores[np.ix_(rows, columns)]
    filled, covariance, df = _additive(table)
    if bounds is not None:
        filled = np.clip(filled, *bounds[columns].T)
    return _place(scores.shape, (rows, columns), table, (filled, covariance, df))


def _place(shape, where, table, found) -> Completed:  # type: ignore[no-untyped-def]
    from scipy.stats import t

    (rows, columns), (filled, covariance, df) = where, found
    q = float(t.ppf(0.975, df)) if df > 0 else np.inf
    missing = np.isnan(table)
    with np.errstate(invalid="ignore"):
        half = np.where(missing, q * np.sqrt(np.einsum("ijj->ij", covariance)), 0)
        errors = np.sqrt(covariance.sum(axis=(1, 2))) / max(table.shape[1], 1)
        mean_half = np.where(missing.any(axis=1), q * errors, 0)
    means = filled.mean(axis=1) if filled.size else np.zeros(len(filled))
    k, n = shape
    out = Completed(
        np.zeros((k, n)), np.zeros((k, n, 2)), np.zeros(k), np.zeros((k, 2)), np.zeros(k), df, rows, columns, "additive"
    )
    at = np.ix_(rows, columns)
    out.scores[at] = filled
    out.intervals[at] = np.stack([filled - half, filled + half], axis=-1)
    out.means[rows] = means
    out.mean_intervals[rows] = np.stack([means - mean_half, means + mean_half], axis=-1)
    out.errors[rows] = errors
    return out


def linked(present: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the models [k] and tasks [n] of the largest set that scores link: most models, then most scores.

    Two sets without a shared model or task have no common scale. Where two are equally large there is none.
    """
    from scipy.sparse.csgraph import connected_components

    k, n = present.shape
    graph = np.zeros((k + n, k + n), dtype=bool)
    graph[:k, k:] = present
    labels = connected_components(graph, directed=False)[1]
    sizes = [(int((labels[:k] == c).sum()), int(present[labels[:k] == c].sum())) for c in range(labels.max() + 1)]
    largest = max(sizes)
    chosen = sizes.index(largest)
    if largest[1] == 0 or sizes.count(largest) > 1:
        chosen = -1
    return labels[:k] == chosen, labels[k:] == chosen


def _additive(table: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Return the table [k, n] filled by row + column effects, the errors' covariance [k, n, n] and its df."""
    present = ~np.isnan(table)
    k, n = table.shape
    x = np.where(present, table, 0)
    counts = present.sum(axis=1)
    shares = present / counts[:, None]
    within = np.diag(present.sum(axis=0)) - present.T @ shares
    columns = np.linalg.pinv(within, hermitian=True) @ (x.sum(axis=0) - shares.T @ x.sum(axis=1))
    rows = (x - present * columns).sum(axis=1) / counts
    fitted = rows[:, None] + columns[None, :]
    df = int(present.sum()) - (k + n - 1)
    residual = np.where(present, table - fitted, 0)
    variance = float((residual**2).sum()) / df if df > 0 else 0.0
    missing = ~present
    own = np.einsum("ij,jl->ijl", missing, np.eye(n)) * (1 + 1 / present.sum(axis=0))
    shared = np.einsum("ij,il->ijl", missing, missing) / counts[:, None, None]
    return np.where(present, table, fitted), variance * (own + shared), float(max(df, 0))
