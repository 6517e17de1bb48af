"""Linear heads of frozen features, by scikit-learn or in closed form, one for each strength of a grid."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from suite.stats import ridge

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression


@dataclass(frozen=True)
class Head:
    """A fitted head: how many parameters it has, and its answers fp32 [n, k] to standardised features [n, width]."""

    size: int
    outputs: Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Grid:
    """The strengths C to fit, larger ones penalising less, the solver's limit, and k."""

    strengths: Sequence[float]
    max_iter: int
    n_outputs: int


def one_class(x: np.ndarray, labels: np.ndarray, grid: Grid) -> list[Head]:
    """Return multinomial regressions of a class index [n]; their answers are log-probabilities."""
    probes = [regression(x, labels, strength, grid.max_iter) for strength in grid.strengths]
    return [_head([probe], lambda x, probe=probe: outputs(probe, x, grid.n_outputs)) for probe in probes]  # type: ignore[misc]


def right_choice(x: np.ndarray, right: np.ndarray, grid: Grid) -> list[Head]:
    """Return regressions of right (1) or wrong (0) [n]; their answers are decision values [n, 1]."""
    probes = [regression(x, right, strength, grid.max_iter) for strength in grid.strengths]
    return [_head([p], lambda x, p=p: _narrow(p.decision_function(x)[:, None])) for p in probes]  # type: ignore[misc]


def every_class(x: np.ndarray, labels: np.ndarray, grid: Grid) -> list[Head]:
    """Return regressions of each column of labels [n, k], 0 or 1; their answers are logits.

    A column that is 0 or 1 throughout has nothing to fit: its logit is the log of the odds, half a row
    being added on both sides.
    """
    n, ones = len(labels), labels.sum(axis=0)
    constant = np.log((ones + 0.5) / (n - ones + 0.5))
    varied = np.flatnonzero((ones > 0) & (ones < n))
    heads = []
    for strength in grid.strengths:
        probes = [regression(x, labels[:, column], strength, grid.max_iter) for column in varied]

        def logits(x: np.ndarray, probes: list[LogisticRegression] = probes) -> np.ndarray:
            found = np.tile(constant, (len(x), 1))
            for column, probe in zip(varied, probes, strict=True):
                found[:, column] = probe.decision_function(x)
            return _narrow(found)

        heads.append(_head(probes, logits))
    return heads


def number(x: np.ndarray, labels: np.ndarray, grid: Grid) -> list[Head]:
    """Return ridge regressions of a number [n], of strength alpha = 1/C."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):  # the same bits whatever the number of cores
        lines = ridge.fit(x, labels[:, None].astype(np.float64), [1 / strength for strength in grid.strengths])
    return [Head(line.weights.size + 1, lambda x, line=line: _narrow(line(x))) for line in lines]  # type: ignore[misc]


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
    from scipy.special import log_softmax

    decision = probe.decision_function(x)
    seen = decision if decision.ndim == 2 else np.stack([np.zeros_like(decision), decision], axis=1)
    logits = np.full((len(x), n_outputs), np.finfo(np.float32).min, dtype=np.float32)
    logits[:, probe.classes_] = log_softmax(seen, axis=1)  # predict_log_proba gives -inf where a probability is tiny
    return logits


def _head(probes: list[LogisticRegression], answers: Callable[[np.ndarray], np.ndarray]) -> Head:
    return Head(sum(probe.coef_.size + probe.intercept_.size for probe in probes), answers)


def _narrow(values: np.ndarray) -> np.ndarray:
    return values.astype(np.float32)
