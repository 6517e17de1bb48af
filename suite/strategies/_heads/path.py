"""Heads of all strengths along one path (`suite.stats.logistic`): each is the optimum, within the tolerance."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from suite.stats import logistic
from suite.stats.ridge import Line
from suite.strategies._heads._affine import Affine, Grid, Head, odds


def one_class(x: np.ndarray, labels: np.ndarray, grid: Grid) -> list[Head]:
    """Return multinomial regressions of a class index [n]; their answers are log-probabilities.

    Of two classes the first has nothing but zeros, and the second the one regression of right or wrong.
    """
    seen, places = np.unique(labels, return_inverse=True)
    if len(seen) > 2:
        lines = _fitted(logistic.one_of, x, places, grid)
        return [_head(Affine(line.weights.T, line.intercept, seen), line, grid) for line in lines]
    lines = _fitted(logistic.each, x, places[:, None], grid)
    return [
        _head(Affine(np.pad(line.weights.T, ((1, 0), (0, 0))), np.pad(line.intercept, (1, 0)), seen), line, grid)
        for line in lines
    ]


def right_choice(x: np.ndarray, right: np.ndarray, grid: Grid) -> list[Head]:
    """Return regressions of right (1) or wrong (0) [n]; their answers are decision values [n, 1]."""
    return [
        _head(Affine(line.weights.T, line.intercept), line, grid)
        for line in _fitted(logistic.each, x, right[:, None], grid)
    ]


def every_class(x: np.ndarray, labels: np.ndarray, grid: Grid) -> list[Head]:
    """Return regressions of each column of labels [n, k], 0 or 1; their answers are logits (`odds` where constant)."""
    constant, varied = odds(labels)
    heads = []
    for line in _fitted(logistic.each, x, labels[:, varied], grid):
        weight, bias = np.zeros((labels.shape[1], x.shape[1])), constant.copy()
        weight[varied], bias[varied] = line.weights.T, line.intercept
        heads.append(_head(Affine(weight, bias), line, grid))
    return heads


def _fitted(of: Callable[..., list[Line]], x: np.ndarray, labels: np.ndarray, grid: Grid) -> list[Line]:
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):  # the same bits whatever the number of cores
        return of(x, labels, grid.strengths, logistic.Limits(grid.tolerance, grid.max_iter))


def _head(head: Affine, line: Line, grid: Grid) -> Head:
    return Head(line.weights.size + line.intercept.size, lambda x: head.answers(x, grid.n_outputs), lambda: head)
