"""Every head by scikit-learn's LogisticRegression from a start at zero: recipes that name no solver mean this.

L-BFGS stops where no slope of the mean loss is above 1e-4. Under a weak penalty that is far from the optimum.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from suite.strategies._heads._affine import Affine, Grid, Head, log_probabilities, narrow, odds

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression


def one_class(x: np.ndarray, labels: np.ndarray, grid: Grid) -> list[Head]:
    """Return multinomial regressions of a class index [n]; their answers are log-probabilities."""
    probes = [regression(x, labels, strength, grid.max_iter) for strength in grid.strengths]
    return [
        _head([probe], lambda x, probe=probe: outputs(probe, x, grid.n_outputs), lambda probe=probe: _of_classes(probe))  # type: ignore[misc]
        for probe in probes
    ]


def _of_classes(probe: LogisticRegression) -> Affine:
    """Return a regression of classes; of two the first has nothing but zeros, as `outputs` has it."""
    weight, bias = probe.coef_, probe.intercept_
    if len(weight) == 1:
        weight, bias = np.stack([np.zeros_like(weight[0]), weight[0]]), np.array([0.0, bias[0]])
    return Affine(weight, bias, probe.classes_)


def right_choice(x: np.ndarray, right: np.ndarray, grid: Grid) -> list[Head]:
    """Return regressions of right (1) or wrong (0) [n]; their answers are decision values [n, 1]."""
    probes = [regression(x, right, strength, grid.max_iter) for strength in grid.strengths]
    return [
        _head([p], lambda x, p=p: narrow(p.decision_function(x)[:, None]), lambda p=p: Affine(p.coef_, p.intercept_))  # type: ignore[misc]
        for p in probes
    ]


def every_class(x: np.ndarray, labels: np.ndarray, grid: Grid) -> list[Head]:
    """Return regressions of each column of labels [n, k], 0 or 1; their answers are logits (`odds` where constant)."""
    constant, varied = odds(labels)
    heads = []
    for strength in grid.strengths:
        probes = [regression(x, labels[:, column], strength, grid.max_iter) for column in varied]

        def logits(x: np.ndarray, probes: list[LogisticRegression] = probes) -> np.ndarray:
            found = np.tile(constant, (len(x), 1))
            for column, probe in zip(varied, probes, strict=True):
                found[:, column] = probe.decision_function(x)
            return narrow(found)

        def kept(probes: list[LogisticRegression] = probes) -> Affine:
            weight, bias = np.zeros((labels.shape[1], x.shape[1])), constant.copy()
            for column, probe in zip(varied, probes, strict=True):
                weight[column], bias[column] = probe.coef_[0], probe.intercept_[0]
            return Affine(weight, bias)

        heads.append(_head(probes, logits, kept))
    return heads


def regression(x: np.ndarray, labels: np.ndarray, strength: float, max_iter: int) -> LogisticRegression:
    """Return multinomial logistic regression, L2-penalised with inverse strength C, fitted by L-BFGS."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1), warnings.catch_warnings():  # so small a problem is slower, not faster, on several
        warnings.simplefilter("ignore", ConvergenceWarning)  # a weak penalty may stop at the limit; validation decides
        return LogisticRegression(C=strength, max_iter=max_iter).fit(x, labels)


def outputs(probe: LogisticRegression, x: np.ndarray, n_outputs: int) -> np.ndarray:
    """Return log-probabilities fp32 [n, n_outputs]; a class that was not seen gets the lowest float."""
    decision = probe.decision_function(x)
    seen = decision if decision.ndim == 2 else np.stack([np.zeros_like(decision), decision], axis=1)
    return log_probabilities(seen, probe.classes_, n_outputs)


def _head(
    probes: list[LogisticRegression], answers: Callable[[np.ndarray], np.ndarray], kept: Callable[[], Affine]
) -> Head:
    return Head(sum(probe.coef_.size + probe.intercept_.size for probe in probes), answers, kept)
