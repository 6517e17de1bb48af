"""Our metrics as `evaluate.Metric` objects. `import evaluate` takes seconds and is put off until one is made."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from suite.metrics._metric import Metric, target_of
from suite.metrics._ways import Examples

if TYPE_CHECKING:
    import evaluate

_READ: dict[str, Callable[[Any], Any]] = {
    "class": lambda column: np.asarray(column, dtype=np.int64),
    "labels": lambda column: np.asarray(column, dtype=np.int64),
    "number": lambda column: np.asarray(column, dtype=np.float64),
    "tags": list,
    "text": list,
}


def compute(metric: Metric, labels: Examples, predictions: Examples, scores: Examples) -> float:
    """Return a metric's value from what `evaluate` stored of the examples."""
    columns = {"predictions": predictions, "references": labels}
    if metric.way(labels, predictions, scores).needs_scores:
        columns["scores"] = scores
    plain = {name: column.tolist() if isinstance(column, np.ndarray) else column for name, column in columns.items()}
    result = wrapped(metric, target_of(labels, predictions)).compute(**plain)
    assert result is not None
    return float(result[metric.name])


def _features(target: str, needs_scores: bool) -> Any:
    """Return the columns of a target: int64 class indexes, fp64 numbers (which hold fp32 exactly), strings, lists."""
    from datasets import Features, List, Value

    index, number, text = Value("int64"), Value("float64"), Value("string")
    predictions, references = {
        "class": (index, index),
        "labels": (List(index), List(index)),
        "number": (number, number),
        "tags": (List(text), List(text)),
        "text": (text, List(text)),
    }[target]
    scores = {"scores": List(number)} if needs_scores else {}
    return Features({"predictions": predictions, "references": references, **scores})


def wrapped(metric: Metric, target: str) -> evaluate.Metric:
    """Return a metric for a target, kept in memory: workers never wait for the lock of a cache file.

    It is made anew each time (0.1 ms): one whose computation failed would keep its examples for the next.
    """
    import evaluate

    read, needs_scores = _READ[target], metric.ways[target].needs_scores

    class Wrapped(evaluate.Metric):  # type: ignore[misc]  # evaluate has no types
        def _info(self) -> Any:
            return evaluate.MetricInfo(
                description=f"{metric.name}, version {metric.version}",
                citation="",
                inputs_description=f"predictions and references of the target '{target}'",
                features=_features(target, needs_scores),
            )

        def _compute(self, predictions: Any, references: Any, scores: Any = None) -> dict[str, float]:
            seen = None if scores is None else np.asarray(scores, dtype=np.float64)
            return {metric.name: metric.function(read(references), read(predictions), seen)}

    return Wrapped(keep_in_memory=True)
