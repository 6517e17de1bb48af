"""Linear heads of frozen features, by scikit-learn or in closed form, one for each strength of a grid."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from suite.spec import SuiteError
from suite.stats import ridge

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression


@dataclass(frozen=True)
class Scale:
    """What gives each column of features mean 0 and variance 1: `mean` and `deviation`, fp64 [width]."""

    mean: np.ndarray
    deviation: np.ndarray

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """Return standardised features, fp64 [n, width]."""
        scaled: np.ndarray = (features - self.mean) / self.deviation
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
        return _narrow(values) if self.classes is None else log_probabilities(values, self.classes, n_outputs)


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
    """The strengths C to fit, larger ones penalising less, the solver's limit, and k."""

    strengths: Sequence[float]
    max_iter: int
    n_outputs: int


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
        _head([p], lambda x, p=p: _narrow(p.decision_function(x)[:, None]), lambda p=p: Affine(p.coef_, p.intercept_))  # type: ignore[misc]
        for p in probes
    ]


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

        def kept(probes: list[LogisticRegression] = probes) -> Affine:
            weight, bias = np.zeros((labels.shape[1], x.shape[1])), constant.copy()
            for column, probe in zip(varied, probes, strict=True):
                weight[column], bias[column] = probe.coef_[0], probe.intercept_[0]
            return Affine(weight, bias)

        heads.append(_head(probes, logits, kept))
    return heads


def number(x: np.ndarray, labels: np.ndarray, grid: Grid) -> list[Head]:
    """Return ridge regressions of a number [n], of strength alpha = 1/C."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):  # the same bits whatever the number of cores
        lines = ridge.fit(x, labels[:, None].astype(np.float64), [1 / strength for strength in grid.strengths])
    return [
        Head(
            line.weights.size + 1,
            lambda x, line=line: _narrow(line(x)),  # type: ignore[misc]
            lambda line=line: Affine(line.weights.T, line.intercept),  # type: ignore[misc]
        )
        for line in lines
    ]


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


def log_probabilities(seen: np.ndarray, classes: np.ndarray, n_outputs: int) -> np.ndarray:
    """Return fp32 [n, n_outputs] from decision values [n, m] of m classes; the others get the lowest float."""
    from scipy.special import log_softmax

    logits = np.full((len(seen), n_outputs), np.finfo(np.float32).min, dtype=np.float32)
    logits[:, classes] = log_softmax(seen, axis=1)  # predict_log_proba gives -inf where a probability is tiny
    return logits


def _head(
    probes: list[LogisticRegression], answers: Callable[[np.ndarray], np.ndarray], kept: Callable[[], Affine]
) -> Head:
    return Head(sum(probe.coef_.size + probe.intercept_.size for probe in probes), answers, kept)


def _narrow(values: np.ndarray) -> np.ndarray:
    return values.astype(np.float32)


FILES = ("head.safetensors", "head.json")
_WORDS = {
    "features": "of the base checkpoint by `pooling`; of a word, those of its first token",
    "x": "(features - mean) / deviation",
    "values": "x @ weight.T + bias",
    "answers": "values",
}
_LOGARITHMS = "log_softmax(values) for `seen`, which are places in `classes`; the lowest float for the others"


def save(head: Affine, scale: Scale, about: dict[str, object], folder: Path) -> None:
    """Write a head with the scale of its features; `about` goes into head.json, beside what to do with the numbers."""
    from safetensors.numpy import save_file

    arrays = {"weight": head.weight, "bias": head.bias, "mean": scale.mean, "deviation": scale.deviation}
    said = about | _WORDS
    if head.classes is not None:
        said |= {"answers": _LOGARITHMS, "seen": head.classes.tolist()}
    folder.mkdir(parents=True, exist_ok=True)
    save_file(
        {name: np.ascontiguousarray(array, dtype=np.float64) for name, array in arrays.items()}, folder / FILES[0]
    )
    (folder / FILES[1]).write_text(json.dumps(said, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def load(folder: Path) -> tuple[Affine, Scale]:
    """Return what `save` wrote.

    Raises:
        SuiteError: the folder does not hold it.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        arrays = load_file(folder / FILES[0])
        seen = json.loads((folder / FILES[1]).read_text(encoding="utf-8")).get("seen")
        classes = None if seen is None else np.array(seen, dtype=np.int64)
        return Affine(arrays["weight"], arrays["bias"], classes), Scale(arrays["mean"], arrays["deviation"])
    except (OSError, SafetensorError, ValueError, KeyError, AttributeError) as error:
        raise SuiteError(f"The head in '{folder}' cannot be loaded: {error}") from None
