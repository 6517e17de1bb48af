"""The door to `evaluate`: what a metric's number is, which way is up, and what each example gave to it.

The maths are plain functions (scikit-learn's); `evaluate.Metric` objects wrap them, so that a task is
scored the way the field scores. `import evaluate` takes seconds and is put off until a score is asked.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from suite.spec import MetricInfo, SuiteError, TaskSpec, unknown

if TYPE_CHECKING:
    import evaluate

Function = Callable[[np.ndarray, np.ndarray, np.ndarray | None], float]


@dataclass(frozen=True)
class Metric:
    """A plain function of (labels [n], predictions [n], weights [n] or None), and what its value means.

    `mean` says that the value is the mean of per-example scores: 1 where the prediction is right.
    """

    name: str
    function: Function
    range: tuple[float | None, float | None]
    greater_is_better: bool = True
    mean: bool = False
    version: int = 1


def _accuracy(labels: np.ndarray, predictions: np.ndarray, weights: np.ndarray | None) -> float:
    from sklearn.metrics import accuracy_score

    return float(accuracy_score(labels, predictions, sample_weight=weights))


def _balanced_accuracy(labels: np.ndarray, predictions: np.ndarray, weights: np.ndarray | None) -> float:
    """Return the mean recall over the classes that the labels have."""
    from sklearn.metrics import recall_score

    present = np.unique(labels)
    recall = recall_score(labels, predictions, labels=present, average="macro", sample_weight=weights, zero_division=0)
    return float(recall)


def _f1(average: str) -> Function:
    def value(labels: np.ndarray, predictions: np.ndarray, weights: np.ndarray | None) -> float:
        from sklearn.metrics import f1_score

        return float(f1_score(labels, predictions, average=average, sample_weight=weights, zero_division=0))

    return value


def _matthews(labels: np.ndarray, predictions: np.ndarray, weights: np.ndarray | None) -> float:
    from sklearn.metrics import matthews_corrcoef

    if len(np.union1d(labels, predictions)) < 2:
        return 0.0  # one class and no other: nothing to correlate, which scikit-learn would warn about
    return float(matthews_corrcoef(labels, predictions, sample_weight=weights))


_METRICS = {
    metric.name: metric
    for metric in (
        Metric("accuracy", _accuracy, (0.0, 1.0), mean=True),
        Metric("balanced_accuracy", _balanced_accuracy, (0.0, 1.0)),
        Metric("f1_macro", _f1("macro"), (0.0, 1.0)),
        Metric("f1_micro", _f1("micro"), (0.0, 1.0)),
        Metric("f1_weighted", _f1("weighted"), (0.0, 1.0)),
        Metric("matthews_correlation", _matthews, (-1.0, 1.0)),
    )
}


def names() -> list[str]:
    """Return the known metrics."""
    return sorted(_METRICS)


def get(name: str) -> Metric:
    """Return a metric by name.

    Raises:
        SuiteError: nobody knows the name.
    """
    if name not in _METRICS:
        raise unknown("metric", name, _METRICS)
    return _METRICS[name]


def check(task: TaskSpec) -> None:
    """Refuse a task that names an unknown metric, with the line it stands on."""
    for name in task.metrics:
        if name not in _METRICS:
            place = task.where("main") if name == task.main and "main" in task.lines else task.where("metrics")
            raise SuiteError(f"{place}: {unknown('metric', name, _METRICS)}")


def info(name: str, chance: float | None) -> MetricInfo:
    """Return what a record keeps of a metric's meaning."""
    metric = get(name)
    return MetricInfo(
        name=name,
        version=metric.version,
        greater_is_better=metric.greater_is_better,
        range=metric.range,
        chance=chance,
    )


def score(wanted: Iterable[str], labels: np.ndarray, predictions: np.ndarray) -> dict[str, float]:
    """Return each metric's value through `evaluate`, for class indexes [n].

    Raises:
        SuiteError: a metric is unknown, or there is nothing to score.
    """
    if len(labels) == 0:
        raise SuiteError("There are no examples to score.")
    return {name: _through_evaluate(name, labels, predictions) for name in wanted}


def value(name: str, labels: np.ndarray, predictions: np.ndarray) -> float:
    """Return a metric's value from the plain function, without loading `evaluate`."""
    return get(name).function(labels, predictions, None)


def _through_evaluate(name: str, labels: np.ndarray, predictions: np.ndarray) -> float:
    result = as_evaluate(name).compute(predictions=predictions, references=labels)
    assert result is not None
    return float(result[name])


@functools.cache
def as_evaluate(name: str) -> evaluate.Metric:
    """Return the metric as an `evaluate.Metric`, kept in memory: workers never wait for its lock."""
    import datasets
    import evaluate

    metric = get(name)

    class Wrapped(evaluate.Metric):  # type: ignore[misc]  # evaluate has no types
        def _info(self) -> Any:
            indexes = datasets.Value("int64")
            return evaluate.MetricInfo(
                description=f"{metric.name}, version {metric.version}",
                citation="",
                inputs_description="predictions and references: class indexes",
                features=datasets.Features({"predictions": indexes, "references": indexes}),
            )

        def _compute(self, predictions: Sequence[int], references: Sequence[int]) -> dict[str, float]:
            return {metric.name: metric.function(np.asarray(references), np.asarray(predictions), None)}

    return Wrapped(keep_in_memory=True)


def contributions(name: str, labels: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """Return one number an example, fp64 [n], whose mean's standard error is the metric's.

    For a mean of per-example scores these are the scores. Otherwise they are jackknife pseudo-values
    n * value - (n - 1) * value without the example (Efron & Tibshirani 1993, chapter 11); examples
    with equal label and prediction share theirs.
    """
    metric = get(name)
    if metric.mean:
        return np.asarray(labels == predictions, dtype=np.float64)
    n = len(labels)
    pairs, place, counts = np.unique(np.stack([labels, predictions]), axis=1, return_inverse=True, return_counts=True)
    whole = metric.function(pairs[0], pairs[1], counts)
    without = np.empty(len(counts))
    for cell in range(len(counts)):
        fewer = counts - (np.arange(len(counts)) == cell)
        kept = fewer > 0
        without[cell] = metric.function(pairs[0][kept], pairs[1][kept], fewer[kept]) if kept.any() else whole
    return np.asarray((n * whole - (n - 1) * without)[place.reshape(-1)], dtype=np.float64)
