"""Three models of a table of scores with gaps: additive, rank-2, regression. Each fills and says how sure it is.

A table is fp64 [k models, n tasks] with NaN for gaps, linked, and with at least one gap.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

PRIOR_ROWS = 5  # what the prior of the correlations counts for
PRIOR_RESIDUALS = 4  # what the pooled variance counts for in a task's own
STEPS, TOLERANCE = 300, 1e-4  # of expectation-maximisation; in standard deviations of a task
MARGIN = 0.005  # of the range, added at both ends before log odds are taken


@dataclass(frozen=True)
class Filled:
    """A table [k, n] without gaps, the covariance [k, n, n] of each row's errors in its gaps (else 0), and its df.

    `df` is that of the task with gaps that fewest models have; 0 says that nothing is known of the errors.
    """

    scores: np.ndarray
    covariance: np.ndarray
    df: int


Model = Callable[[np.ndarray], Filled]
Structure = Callable[[np.ndarray, int, np.ndarray], tuple[np.ndarray, np.ndarray]]


def additive(table: np.ndarray) -> Filled:
    """Return the table filled with row + column effects, least squares on the cells that are there.

    The rows' effects are swept out first, so that only the columns' normal equations [n, n] are solved. A
    task's residual variance is drawn towards that of all tasks (after Smyth 2004, Stat. Appl. Genet. Mol.
    Biol. 3, article 3, with a prior of fixed weight).
    """
    present = ~np.isnan(table)
    x, gaps = np.where(present, table, 0), ~present
    per_row, per_column = present.sum(axis=1), present.sum(axis=0)
    shares = present / per_row[:, None]
    normal = np.diag(per_column) - present.T @ shares
    columns = np.linalg.pinv(normal, hermitian=True) @ (x.sum(axis=0) - shares.T @ x.sum(axis=1))
    rows = (x - present * columns).sum(axis=1) / per_row
    fitted = rows[:, None] + columns
    variances, df = _residual_variances(np.where(present, table - fitted, 0), x, present)
    own = np.where(gaps, variances * (1 + 1 / per_column), 0)[:, :, None] * np.eye(len(columns))
    shared = (present * variances).sum(axis=1) / per_row**2
    covariance = own + shared[:, None, None] * (gaps[:, :, None] & gaps[:, None, :])
    return Filled(np.where(present, table, fitted), covariance, df)


def _residual_variances(residuals: np.ndarray, x: np.ndarray, present: np.ndarray) -> tuple[np.ndarray, int]:
    """Return each column's residual variance [n] and its degrees of freedom, 0 and 0 where nothing is left over."""
    k, n = present.shape
    df = int(present.sum()) - (k + n - 1)
    if df < 1 or np.abs(residuals).max() <= 1e-10 * np.abs(x).max():
        return np.zeros(n), 0
    squares = (residuals**2).sum(axis=0)
    own = present.sum(axis=0) * df / present.sum()
    variances = (squares + PRIOR_RESIDUALS * squares.sum() / df) / (own + PRIOR_RESIDUALS)
    fewest = own[~present.all(axis=0)].min()
    return variances, min(df, int(fewest + PRIOR_RESIDUALS))


def rank2(table: np.ndarray) -> Filled:
    """Return the table filled by two factors and a variance of its own for each task: maximum likelihood by EM.

    Rubin & Thayer 1982, Psychometrika 47, 69-76, with gaps; the loadings given the tasks' own variances are
    Lawley's, from the eigenvectors of the scaled covariance.
    """
    return _normal(table, _two_factors)


def regression(table: np.ndarray) -> Filled:
    """Return the table filled by regression of each task on the others that a row has: normal rows, by EM.

    Dempster, Laird & Rubin 1977, JRSS B 39, 1-38. The correlations are drawn towards their mean as if five
    more rows had it (the target of Ledoit & Wolf 2004, J. Portfolio Management 30(4), 110-119).
    """
    return _normal(table, _towards_one_correlation)


def _normal(table: np.ndarray, structure: Structure) -> Filled:
    """Return the rows' expectation in the gaps, for rows that are normal with a covariance of that structure."""
    k, n = table.shape
    filled = additive(table).scores
    spread = filled - filled.mean(axis=0)
    covariance = spread.T @ spread / max(k - 1, 1)
    if not covariance.any():
        return Filled(filled, np.zeros((k, n, n)), 0)
    covariance = covariance + np.diag(_deviations(covariance) ** 2) / 10
    errors, noise = np.zeros((k, n, n)), np.full(n, 0.3)
    for _ in range(STEPS):
        before = filled
        filled, errors = _expected(table, filled.mean(axis=0), covariance)
        spread = filled - filled.mean(axis=0)
        deviations = _deviations(moments := (spread.T @ spread + errors.sum(axis=0)) / (k - 1))
        scale = np.outer(deviations, deviations)
        correlations, noise = structure(moments / scale, k, noise)
        covariance = correlations * scale
        if (np.abs(filled - before) <= TOLERANCE * deviations).all():
            break
    counts = (~np.isnan(table)).sum(axis=0)
    return Filled(filled, errors, max(1, int(counts.min()) - 1))


def _deviations(covariance: np.ndarray) -> np.ndarray:
    """Return the standard deviations [n]; a task on which all score the same gets next to none, not none."""
    deviations = np.sqrt(np.diag(covariance))
    return np.asarray(np.maximum(deviations, 1e-6 * deviations.max()))


def _expected(table: np.ndarray, means: np.ndarray, covariance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return each row's expectation [k, n] in its gaps given the rest of it, and the covariance [k, n, n] there."""
    expected, errors = table.copy(), np.zeros((*table.shape, len(means)))
    rows = np.isnan(table).any(axis=1)
    present = ~np.isnan(table[rows])
    gaps = ~present
    known = np.where(present[:, :, None] & present[:, None, :], covariance, 0) + gaps[:, :, None] * np.eye(len(means))
    across = np.where(gaps[:, :, None] & present[:, None, :], covariance, 0)
    slopes = np.linalg.solve(known, across.transpose(0, 2, 1)).transpose(0, 2, 1)
    filled = means + (slopes @ np.where(present, table[rows] - means, 0)[:, :, None])[:, :, 0]
    expected[rows] = np.where(present, table[rows], filled)
    inside = np.where(gaps[:, :, None] & gaps[:, None, :], covariance, 0)
    errors[rows] = inside - slopes @ across.transpose(0, 2, 1)
    return expected, errors


def _towards_one_correlation(correlations: np.ndarray, k: int, noise: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    n = len(correlations)
    common = min(max(float(correlations.sum() - n) / (n * (n - 1)), 0.0), 0.99)
    target = common + (1 - common) * np.eye(n)
    return (k * correlations + PRIOR_ROWS * target) / (k + PRIOR_ROWS), noise


def _two_factors(correlations: np.ndarray, k: int, noise: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the correlations of two factors, and the tasks' own variances [n], a step on from `noise`."""
    scale = np.sqrt(noise)
    values, vectors = np.linalg.eigh(correlations / np.outer(scale, scale))
    count = min(2, len(noise) - 1)
    loadings = scale[:, None] * vectors[:, -count:] * np.sqrt(np.maximum(values[-count:] - 1, 0))
    own = np.maximum(np.diag(correlations) - (loadings**2).sum(axis=1), 1e-3)
    own = (k * own + PRIOR_ROWS * own.mean()) / (k + PRIOR_ROWS)
    return loadings @ loadings.T + np.diag(own), own


def on_log_odds(model: Model, bounds: np.ndarray) -> Model:
    """Return the model applied to log odds of scores between their bounds [n, 2], errors carried over by the slope."""

    def fill(table: np.ndarray) -> Filled:
        from scipy.special import expit

        low, high = bounds.T
        low, high = low - MARGIN * (high - low), high + MARGIN * (high - low)
        inside = np.clip(table, *bounds.T)
        found = model(np.log((inside - low) / (high - inside)))
        shares = expit(found.scores)
        slopes = ((high - low) * shares * (1 - shares)).mean(axis=0)
        scores = np.clip(low + (high - low) * shares, *bounds.T)
        covariance = found.covariance * np.outer(slopes, slopes)
        return Filled(np.where(np.isnan(table), scores, table), covariance, found.df)

    return fill
