"""Strengths of models from the pairs of them that have a task in common."""

from __future__ import annotations

import numpy as np


def bradley_terry(scores: np.ndarray) -> np.ndarray | None:
    """Return log strengths [k] with mean 0 from scores [k, n] with NaN, or None where they cannot be had.

    P(i beats j) = 1/(1 + exp(s_j - s_i)) (Bradley & Terry 1952, Biometrika 39, 324-345) over all tasks that
    both have; a tie is half a win. Every model also wins and loses half a game against one of strength 0, so
    that an unbeaten one stays finite. On a complete table the order is that of the mean ranks. Models
    that no chain of shared tasks links have no common scale: None.
    """
    from scipy.optimize import minimize
    from scipy.special import expit

    wins = _wins(scores)
    if not _linked(wins):
        return None
    games = wins + wins.T

    def loss(s: np.ndarray) -> tuple[float, np.ndarray]:
        gaps = s[:, None] - s
        value = (wins * np.logaddexp(0, -gaps)).sum() + (np.logaddexp(0, s) - s / 2).sum()
        return float(value), (games * expit(gaps) - wins).sum(axis=1) + expit(s) - 0.5

    def curvature(s: np.ndarray) -> np.ndarray:
        chance, at_zero = expit(s[:, None] - s), expit(s)
        weights = games * chance * (1 - chance)
        return np.asarray(np.diag(weights.sum(axis=1) + at_zero * (1 - at_zero)) - weights)

    start = np.zeros(len(wins))
    found = minimize(loss, start, jac=True, hess=curvature, method="trust-ncg", options={"gtol": 1e-7})
    return np.asarray(found.x - found.x.mean())


def _wins(scores: np.ndarray) -> np.ndarray:
    """Return how many shared tasks the row's model won against the column's [k, k], a tie being half."""
    present = np.isfinite(scores)
    wins = np.zeros((len(scores), len(scores)))
    for column, has in zip(scores.T, present.T, strict=True):
        both = np.outer(has, has)
        np.fill_diagonal(both, False)
        gaps = np.where(both, np.where(has, column, 0)[:, None] - np.where(has, column, 0)[None, :], 0)
        wins += both * (np.sign(gaps) + 1) / 2
    return wins


def _linked(wins: np.ndarray) -> bool:
    """Return whether a chain of comparisons links any two models."""
    from scipy.sparse.csgraph import connected_components

    return bool(connected_components(wins + wins.T > 0, directed=False)[0] == 1)
