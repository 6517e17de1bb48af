"""Ridge regression in closed form: one decomposition for all strengths, and what rows get that are left out.

min over w, b of |y - xw - b|^2 + alpha |w|^2; the intercept b is not penalised. With the thin singular value
decomposition x - mean(x) = U diag(s) V', the fitted values are Hy with H = 11'/n + U diag(s^2 / (s^2 + alpha)) U'.
A row that is left out of the fit misses by e_i / (1 - h_ii), where e = y - Hy (Allen 1974, Technometrics 16, 125-127);
rows G that are left out together miss by (I - H_GG)^-1 e_G.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Line:
    """A fitted map x -> x @ weights [width, k] + intercept [k]."""

    weights: np.ndarray
    intercept: np.ndarray

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Return the values [n, k] for x [n, width]."""
        values: np.ndarray = x @ self.weights + self.intercept
        return values


def fit(x: np.ndarray, y: np.ndarray, strengths: Sequence[float]) -> list[Line]:
    """Return for each strength alpha > 0 the ridge regression of y [n, k] on x [n, width]."""
    mean, offset = x.mean(axis=0), y.mean(axis=0)
    left, values, right = _decompose(x - mean)
    projected = left.T @ (y - offset)
    lines = []
    for strength in strengths:
        weights = right.T @ ((values / (values**2 + strength))[:, None] * projected)
        lines.append(Line(weights, offset - mean @ weights))
    return lines


def left_out(
    x: np.ndarray, y: np.ndarray, strengths: Sequence[float], groups: Sequence[str] | None = None
) -> np.ndarray:
    """Return [strengths, n, k]: what each row is given by the regression on the rows outside its group.

    Args:
        x: features [n, width].
        y: targets [n, k].
        strengths: the alphas, all above 0.
        groups: a row's group; without, every row is one. There are two at least.
    """
    n = len(x)
    left, values, _ = _decompose(x - x.mean(axis=0))
    centred = y - y.mean(axis=0)
    projected = left.T @ centred
    outside = centred - left @ projected  # what no line can fit
    members = _together(groups or ())
    found = np.empty((len(strengths), *y.shape))
    for place, strength in enumerate(strengths):
        shrunk = strength / (values**2 + strength)
        errors = outside + left @ (shrunk[:, None] * projected)
        alone = np.maximum(1 - 1 / n - (left**2).sum(axis=1), 0) + (left**2) @ shrunk  # 1 - h_ii, without cancellation
        missed = errors / alone[:, None]
        for rows in members:
            part = left[rows]
            together = np.eye(len(rows)) - 1 / n - (part * (1 - shrunk)) @ part.T
            missed[rows] = np.linalg.solve(together, errors[rows])
        found[place] = y - missed
    return found


def chosen_without(errors: np.ndarray, groups: Sequence[str] | None = None) -> np.ndarray:
    """Return for each row the number of the strength with the least sum of errors [strengths, n] over the other groups.

    A row's own error has no say in its strength; of equal sums the first wins.
    """
    own = errors
    if groups is not None:
        _, place = np.unique(np.asarray(groups), return_inverse=True)
        sums = np.stack([np.bincount(place, weights=row) for row in errors])
        own = sums[:, place]
    chosen: np.ndarray = (errors.sum(axis=1, keepdims=True) - own).argmin(axis=0)
    return chosen


def _together(groups: Sequence[str]) -> list[np.ndarray]:
    """Return the rows of each group that has more than one."""
    rows: dict[str, list[int]] = {}
    for row, group in enumerate(groups):
        rows.setdefault(group, []).append(row)
    return [np.array(some) for some in rows.values() if len(some) > 1]


def _decompose(centred: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the thin singular value decomposition without the directions that hold nothing but rounding."""
    left, values, right = np.linalg.svd(centred, full_matrices=False)
    kept = values > values[0] * max(centred.shape) * np.finfo(np.float64).eps
    return left[:, kept], values[kept], right[kept]
