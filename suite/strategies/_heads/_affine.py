"""What a linear head is: the scale of its features, the map, and what becomes of its values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Scale:
    """What gives each column of features mean 0 and variance 1: `mean` and `deviation`, fp64 [width]."""

    mean: np.ndarray
    deviation: np.ndarray

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """Return standardised features, fp64 [n, width]."""
        scaled: np.ndarray = features - self.mean
        scaled /= self.deviation
        return scaled


@dataclass(frozen=True)
class Affine:
    """A head as it is kept: x @ weight.T + bias, fp64 [m, width] and [m], and what becomes of these m numbers.

    They are the answers as they stand; or where `classes` [m] is given, the answers are the log-probabilities of
    these classes, and the lowest float of all others.
    """

    weight: np.ndarray
    bias: np.ndarray
    classes: np.ndarray | None = None

    def answers(self, x: np.ndarray, n_outputs: int) -> np.ndarray:
        """Return the answers fp32 [n, m], or [n, n_outputs] log-probabilities, to standardised features [n, width]."""
        values = x @ self.weight.T + self.bias
        return narrow(values) if self.classes is None else log_probabilities(values, self.classes, n_outputs)


@dataclass(frozen=True)
class Head:
    """A fitted head: how many parameters it has, and its answers fp32 [n, k] to standardised features [n, width].

    `kept()` returns it in the form in which it is kept.
    """

    size: int
    outputs: Callable[[np.ndarray], np.ndarray]
    kept: Callable[[], Affine]


@dataclass(frozen=True)
class Grid:
    """The strengths C to fit, larger ones penalising less, the solver's limits, and k.

    `tolerance` is how far the sum of losses and penalty may be above its minimum; L-BFGS has its own rule for that.
    """

    strengths: Sequence[float]
    max_iter: int
    n_outputs: int
    tolerance: float


Fit = Callable[[np.ndarray, np.ndarray, Grid], list[Head]]


@dataclass(frozen=True)
class Solver:
    """What fits heads of classes, each for standardised features [n, width], labels and a grid of strengths.

    `one_class` takes a class index [n], `right_choice` right (1) or wrong (0) [n], `every_class` 0 or 1 [n, k].
    """

    one_class: Fit
    right_choice: Fit
    every_class: Fit


def log_probabilities(seen: np.ndarray, classes: np.ndarray, n_outputs: int) -> np.ndarray:
    """Return fp32 [n, n_outputs] from decision values [n, m] of m classes; the others get the lowest float."""
    from scipy.special import log_softmax

    logits = np.full((len(seen), n_outputs), np.finfo(np.float32).min, dtype=np.float32)
    logits[:, classes] = log_softmax(seen, axis=1)  # predict_log_proba gives -inf where a probability is tiny
    return logits


def odds(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return for each column of labels [n, k], 0 or 1, the log of the odds, fp64 [k], and which columns hold both.

    Half a row is added on both sides. Of a column that is 0 or 1 throughout there is nothing else to fit.
    """
    n, ones = len(labels), labels.sum(axis=0)
    return np.log((ones + 0.5) / (n - ones + 0.5)), np.flatnonzero((ones > 0) & (ones < n))


def narrow(values: np.ndarray) -> np.ndarray:
    """Return fp32."""
    return values.astype(np.float32)
