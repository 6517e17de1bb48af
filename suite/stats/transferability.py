"""How well features or a source head would serve a task, told from one pass over its rows, without training.

LogME: the log evidence of a Bayesian linear model of the targets at its best prior and noise, a row (You et al.
2021, arXiv 2102.11005). H-score: how far class means lie apart in whitened features (Bao et al. 2019), by
the shrunk covariance of Ibrahim et al. 2021 (arXiv 2110.06893). LEEP: the log-likelihood of the classes given what a
source head says (Nguyen et al. 2020, arXiv 2002.12462). More is better in all of them, and none of them can
be compared between tasks.
"""

from __future__ import annotations

import numpy as np

PRIOR = 1e-12
"""Shape and rate of the gamma priors on both precisions: as good as flat."""

MOST_ITERATIONS = 1000


def logme(features: np.ndarray, targets: np.ndarray) -> float | None:
    """Return the largest log evidence of a linear model, divided by the number of rows; None where there is none.

    Both precisions follow MacKay's fixed point, as in scikit-learn's `BayesianRidge` without an intercept, whose score
    divided by n this is. Of several columns it is the mean.

    Args:
        features: [n, d], as they are: neither centred nor scaled.
        targets: class indexes, int [n] (each class against the rest is a column), or numbers, float [n] or [n, k].

    Returns:
        None with fewer than two rows, one class only, or where no column of numbers varies.

    Raises:
        ValueError: the shapes do not fit, or a number is not finite.
    """
    x = _features(features, len(targets))
    y = _columns(targets)
    if len(x) < 2 or y.shape[1] == 0:
        return None
    left, values, _ = np.linalg.svd(x, full_matrices=False)
    projected = left.T @ y
    outside = ((y - left @ projected) ** 2).sum(axis=0)
    return float(_evidence(values**2, projected**2, outside, y).mean() / len(x))


def _evidence(eigen: np.ndarray, squares: np.ndarray, outside: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return each column's log evidence [k] at the fixed point.

    Args:
        eigen: squared singular values of the features [r].
        squares: squared parts of the columns along the left singular vectors [r, k].
        outside: squared length of what no linear model can fit [k].
        y: the columns [n, k].
    """
    n = len(y)
    noise = 1 / (y.var(axis=0) + np.finfo(np.float64).eps)
    weight = np.ones_like(noise)
    for _ in range(MOST_ITERATIONS):
        norm, missed = _fit(eigen, squares, outside, weight / noise)
        ratio = noise * eigen[:, None]
        used = (ratio / (weight + ratio)).sum(axis=0)
        before = np.log([weight, noise])
        weight = (used + 2 * PRIOR) / (norm + 2 * PRIOR)
        noise = (n - used + 2 * PRIOR) / (missed + 2 * PRIOR)
        if np.abs(np.log([weight, noise]) - before).max() < 1e-11:
            break
    norm, missed = _fit(eigen, squares, outside, weight / noise)
    shrunk = np.log1p(noise * eigen[:, None] / weight).sum(axis=0)
    prior = PRIOR * (np.log(weight) - weight + np.log(noise) - noise)
    likelihood = n * np.log(noise / (2 * np.pi)) - noise * missed - weight * norm - shrunk
    found: np.ndarray = prior + likelihood / 2
    return found


def _fit(
    eigen: np.ndarray, squares: np.ndarray, outside: np.ndarray, strength: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the squared length [k] of ridge weights of these strengths [k], and of what they miss."""
    shrunk = squares / (eigen[:, None] + strength) ** 2
    return (shrunk * eigen[:, None]).sum(axis=0), (shrunk * strength**2).sum(axis=0) + outside


def h_score(features: np.ndarray, targets: np.ndarray) -> float | None:
    """Return tr(C^-1 (1 - a) cov(E[f | y])), C the Ledoit-Wolf covariance of the features and a its shrinkage.

    This is Ibrahim et al.'s (2021) version of Bao et al.'s (2019) H-score, whose empirical covariance is near
    singular where there are few rows a feature. Between 0 and the number of classes less one; 0 where the features are
    constant.

    Args:
        features: [n, d].
        targets: class indexes, int [n], or several labels a row, 0 or 1 [n, k], whose scores are averaged.

    Returns:
        None with fewer than two rows, one class only, or where no label varies.

    Raises:
        ValueError: the shapes do not fit, or a number is not finite.
    """
    x = _features(features, len(targets))
    labellings = [targets] if targets.ndim == 1 else list(targets.T)
    varied = [labels for labels in labellings if len(np.unique(labels)) > 1]
    if len(x) < 2 or not varied:
        return None
    centred = x - x.mean(axis=0)
    left, values, _ = np.linalg.svd(centred, full_matrices=False)
    if values[0] <= np.finfo(np.float64).eps * max(x.shape) * np.abs(x).max():
        return 0.0
    from sklearn.covariance import ledoit_wolf_shrinkage

    shrinkage = float(ledoit_wolf_shrinkage(centred, assume_centered=True))
    variances = values**2 / len(x)
    whitened = (1 - shrinkage) * variances / ((1 - shrinkage) * variances + shrinkage * variances.sum() / x.shape[1])
    return float(np.mean([_between(left, labels) @ whitened for labels in varied]))


def _between(left: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the share [r] of each column of orthonormal vectors [n, r] that class means explain."""
    codes = np.unique(labels, return_inverse=True)[1]
    sizes = np.bincount(codes)
    sums = np.zeros((len(sizes), left.shape[1]))
    np.add.at(sums, codes, left)
    share: np.ndarray = (sums**2 / sizes[:, None]).sum(axis=0)
    return share


def leep(probabilities: np.ndarray, labels: np.ndarray) -> float | None:
    """Return the mean log-likelihood of the classes by the empirical predictor; at most 0.

    That predictor goes from a source head's classes z to the task's y by P(y | z), the share of the rows' probability
    of z that rows of class y have.

    Args:
        probabilities: what the source head gives to its own classes, [n, z], each row summing to 1.
        labels: class indexes, int [n].

    Returns:
        None where there is one class only.

    Raises:
        ValueError: the shapes do not fit, or rows are no probabilities.
    """
    p = np.asarray(probabilities, dtype=np.float64)
    if p.ndim != 2 or len(p) != len(labels):
        raise ValueError(f"expected probabilities [{len(labels)}, z], found {p.shape}")
    if not np.isfinite(p).all() or (p < 0).any() or (np.abs(p.sum(axis=1) - 1) > 1e-3).any():
        raise ValueError("rows are no probabilities: expected numbers of at least 0 that sum to 1")
    names, codes = np.unique(labels, return_inverse=True)
    if len(names) < 2:
        return None
    joint = np.zeros((len(names), p.shape[1]))
    np.add.at(joint, codes, p)
    totals = joint.sum(axis=0)
    given = joint / np.where(totals > 0, totals, 1.0)
    return float(np.log((given[codes] * p).sum(axis=1)).mean())


def _features(features: np.ndarray, rows: int) -> np.ndarray:
    x = np.asarray(features, dtype=np.float64)
    if x.ndim != 2 or len(x) != rows or x.shape[1] == 0:
        raise ValueError(f"expected features [{rows}, d], found {x.shape}")
    if not np.isfinite(x).all():
        raise ValueError("a feature is not finite")
    return x


def _columns(targets: np.ndarray) -> np.ndarray:
    """Return the columns that a linear model is to give, fp64 [n, k], those that do not vary left out."""
    if targets.ndim == 1 and np.issubdtype(targets.dtype, np.integer):
        y = (targets[:, None] == np.unique(targets)).astype(np.float64)
    else:
        y = np.asarray(targets, dtype=np.float64).reshape(len(targets), -1)
    if not np.isfinite(y).all():
        raise ValueError("a target is not finite")
    varied = np.ptp(y, axis=0) > 0 if len(y) else np.zeros(y.shape[1], dtype=bool)
    return np.asarray(y[:, varied])
