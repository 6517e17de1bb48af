"""What a metric is: a name, what its number means, and how it is had for each target that it fits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from suite.metrics._ways import Examples, Way
from suite.spec import SuiteError

TARGETS = ("class", "labels", "number", "tags", "text")


@dataclass(frozen=True)
class Metric:
    """A metric, its range, and which way is up; `ways` says how it is had, for each target that it fits."""

    name: str
    range: tuple[float | None, float | None]
    ways: Mapping[str, Way]
    greater_is_better: bool = True
    version: int = 1

    @property
    def targets(self) -> tuple[str, ...]:
        """The targets that it fits."""
        return tuple(self.ways)

    def function(self, labels: Examples, predictions: Examples, scores: Examples = None) -> float:
        """Return the value, from plain functions.

        Raises:
            SuiteError: as for `way`.
        """
        way = self.way(labels, predictions, scores)
        return way.value(
            labels, _finite(predictions), _finite(np.asarray(scores, dtype=np.float64)) if way.needs_scores else None
        )

    def contributions(self, labels: Examples, predictions: Examples, scores: Examples = None) -> np.ndarray:
        """Return what each example gives, fp64 [n].

        Raises:
            SuiteError: as for `way`.
        """
        way = self.way(labels, predictions, scores)
        return way.contributions(
            labels, _finite(predictions), _finite(np.asarray(scores, dtype=np.float64)) if way.needs_scores else None
        )

    def way(self, labels: Examples, predictions: Examples, scores: Examples) -> Way:
        """Return how it is had for these examples.

        Raises:
            SuiteError: there are no examples, the metric does not fit them, or their scores are needed.
        """
        if len(labels) == 0:
            raise SuiteError("There are no examples to score.")
        target = target_of(labels, predictions)
        if target not in self.ways:
            raise SuiteError(f"{self.name} scores {' or '.join(self.targets)} targets; these are of target {target}.")
        way = self.ways[target]
        if way.needs_scores and scores is None:
            raise SuiteError(f"{self.name} needs the score of each class, and there are predictions only.")
        return way


def target_of(labels: Examples, predictions: Examples) -> str:
    """Return the target of examples, told by the types of labels and predictions."""
    if not isinstance(predictions, np.ndarray) or predictions.dtype.kind in "OU":
        return "text" if isinstance(predictions[0], str) else "tags"
    if predictions.ndim == 2:
        return "labels"
    return "number" if "f" in (predictions.dtype.kind, labels.dtype.kind) else "class"


def _finite(values: Any) -> Any:
    """Return floats in fp64, and 0 for what is no finite number: a run that went astray still gets a value."""
    if not isinstance(values, np.ndarray) or values.dtype.kind != "f":
        return values
    return np.where(np.isfinite(values), values, 0.0).astype(np.float64)
