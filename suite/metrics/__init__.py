"""The door to `evaluate`: what a metric's number is, which way is up, and what each example gives to it.

A task's target says what labels, predictions and scores are, for n examples:

    class    int64 [n], int64 [n], probabilities [n, k]
    labels   0/1 int64 [n, k], the same, probabilities [n, k]
    number   fp64 [n], fp64 [n], [n, 1]
    tags     n lists of tag names, the same
    text     n lists of gold answers (empty: there is none), n texts

The maths are plain functions, checked against scikit-learn, scipy, seqeval and SQuAD's script;
`evaluate.Metric` objects wrap them, so that a task is scored the way the field scores. A score that is
no finite number counts as 0. SQuAD's metrics are shares here, 0 to 1, not percentages.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from suite.metrics import _counts, _hub, _numbers, _scores, _tags, _text
from suite.metrics._metric import TARGETS, Metric
from suite.metrics._tags import entities
from suite.metrics._through_evaluate import compute
from suite.metrics._ways import Examples, LeaveOneOut, Mean, Regrouped
from suite.spec import MetricInfo, SuiteError, TaskSpec, unknown

__all__ = ["HUB", "TARGETS", "Metric", "check", "contributions", "entities", "get", "info", "names", "score", "value"]

HUB = _hub.PREFIX
"""How the name of a metric begins that is code of the Hub: `hub:owner/name@<commit>`."""

_SHARE, _CORRELATION, _ERROR = (0.0, 1.0), (-1.0, 1.0), (0.0, None)


def _f1(statistic: _counts.Statistic) -> dict[str, LeaveOneOut]:
    return {"class": _counts.of_classes(statistic), "labels": _counts.of_labels(statistic)}


_METRICS = {
    metric.name: metric
    for metric in (
        Metric("accuracy", _SHARE, {"class": Mean(_counts.right), "tags": _tags.accuracy}),
        Metric("balanced_accuracy", _SHARE, {"class": _counts.of_classes(_counts.balanced_accuracy)}),
        Metric("f1", _SHARE, {"class": _counts.binary_f1}),
        Metric("f1_macro", _SHARE, _f1(_counts.f1_macro)),
        Metric("f1_micro", _SHARE, _f1(_counts.f1_micro)),
        Metric("f1_weighted", _SHARE, _f1(_counts.f1_weighted)),
        Metric("matthews_correlation", _CORRELATION, {"class": _counts.of_classes(_counts.matthews)}),
        Metric("exact_match", _SHARE, {"labels": Mean(_counts.all_right), "text": Mean(_text.exact)}),
        Metric("squad_f1", _SHARE, {"text": Mean(_text.f1)}),
        Metric("entity_f1", _SHARE, {"tags": _tags.entity_f1}),
        Metric("pearson", _CORRELATION, {"number": LeaveOneOut(_numbers.pearson, _numbers.pearson_without)}),
        Metric("spearman", _CORRELATION, {"number": Regrouped(_numbers.spearman)}),
        Metric("mean_squared_error", _ERROR, {"number": Mean(_numbers.squared_error)}, False),
        Metric("mean_absolute_error", _ERROR, {"number": Mean(_numbers.absolute_error)}, False),
        Metric("roc_auc", _SHARE, dict.fromkeys(("class", "labels"), _scores.roc_auc)),
        Metric("average_precision", _SHARE, dict.fromkeys(("class", "labels"), _scores.mean_average_precision)),
        Metric("label_ranking_average_precision", _SHARE, {"labels": Mean(_scores.label_ranking, True)}),
        Metric(
            "log_loss",
            _ERROR,
            {"class": Mean(_scores.class_log_loss, True), "labels": Mean(_scores.labels_log_loss, True)},
            False,
        ),
        Metric(
            "brier_loss",  # 2 for one class of several, as Brier (1950) has it; at most 1 for labels
            (0.0, 2.0),
            {"class": Mean(_scores.class_brier, True), "labels": Mean(_scores.labels_brier, True)},
            False,
        ),
        Metric("expected_calibration_error", _SHARE, {"class": _scores.calibration}, False),
    )
}


def names(target: str | None = None) -> list[str]:
    """Return the known metrics, or those that fit a target."""
    return sorted(name for name, metric in _METRICS.items() if target is None or target in metric.targets)


def get(name: str) -> Metric:
    """Return a metric by name, or a pinned one of the Hub.

    Raises:
        SuiteError: nobody knows the name.
    """
    if name.startswith(_hub.PREFIX):
        return _hub.get(name)
    if name not in _METRICS:
        raise unknown("metric", name, _METRICS)
    return _METRICS[name]


def check(task: TaskSpec, target: str) -> None:
    """Refuse a task that names a metric which cannot score it, with the line it stands on.

    A metric of the Hub is loaded, so that nothing is trained before it is had.

    Raises:
        SuiteError: a metric is unknown, does not fit the target, or is of the Hub and cannot be used.
    """
    for name in task.metrics:
        place = task.where("main") if name == task.main and "main" in task.lines else task.where("metrics")
        try:
            _check(name, name == task.main, target)
        except SuiteError as error:
            raise SuiteError(f"{place}: {error}") from error


def _check(name: str, main: bool, target: str) -> None:
    if target not in get(name).targets:
        raise SuiteError(f"The metric '{name}' does not fit this kind of task. Those that do: {_listed(target)}.")
    if not name.startswith(_hub.PREFIX):
        return
    if main:
        raise SuiteError(
            f"'{name}' cannot be main: of a Hub metric neither range nor direction is known. "
            f"Those that can: {_listed(target)}."
        )
    _hub.load(name)


def _listed(target: str) -> str:
    return ", ".join(names(target))


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


def score(wanted: Iterable[str], labels: Examples, predictions: Examples, scores: Examples = None) -> dict[str, float]:
    """Return each metric's value through `evaluate`.

    Raises:
        SuiteError: a metric is unknown or not for such examples, or there is nothing to score.
    """
    return {name: _score(name, labels, predictions, scores) for name in wanted}


def _score(name: str, labels: Examples, predictions: Examples, scores: Examples) -> float:
    metric = get(name)
    if name.startswith(_hub.PREFIX):  # is an evaluate.Metric already
        return metric.function(labels, predictions, scores)
    return compute(metric, labels, predictions, scores)


def value(name: str, labels: Examples, predictions: Examples, scores: Examples = None) -> float:
    """Return a metric's value from the plain function, without loading `evaluate`.

    Raises:
        SuiteError: as for `score`.
    """
    return get(name).function(labels, predictions, scores)


def contributions(name: str, labels: Examples, predictions: Examples, scores: Examples = None) -> np.ndarray:
    """Return one number an example, fp64 [n], whose mean's standard error is the metric's.

    For a mean of per-example scores these are the scores. Otherwise they are jackknife pseudo-values
    n * value - (n - 1) * value without the example (Efron & Tibshirani 1993, chapter 11), exact for
    all but `spearman`, which leaves out groups above 1,000 examples.

    Raises:
        SuiteError: as for `score`.
    """
    return get(name).contributions(labels, predictions, scores)
