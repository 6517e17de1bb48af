"""Every metric, for every target it fits: its range and direction, through `evaluate`, and by name."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suite import metrics
from suite.spec import DatasetRef, SuiteError, TaskSpec

Columns = tuple[Any, Any, Any]
"""Labels, predictions, scores."""

CASES = [(name, target) for name in metrics.names() for target in metrics.get(name).targets]
each = pytest.mark.parametrize(("name", "target"), CASES)

WORDS = ["the", "a", "cat", "cat,", "Cat", "sat.", "an", "dog!", "...", "mat", "écu"]
MARKS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC", "E-PER", "S-LOC", "B", "I", "B-A-B"]


# -- examples of every target ------------------------------------------------------------------------------------------


def _classes(classes: int, least: int) -> st.SearchStrategy[Columns]:
    index = st.integers(0, classes - 1)
    row = st.tuples(index, index, st.lists(st.integers(1, 5), min_size=classes, max_size=classes))

    def columns(rows: list[Any]) -> Columns:
        weights = np.array([weights for *_, weights in rows], dtype=float)
        scores = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
        return np.array([r[0] for r in rows]), np.array([r[1] for r in rows]), scores

    return st.lists(row, min_size=least, max_size=25).map(columns)


def _labels(least: int) -> st.SearchStrategy[Columns]:
    bits = st.lists(st.integers(0, 1), min_size=3, max_size=3)
    row = st.tuples(bits, bits, st.lists(st.integers(0, 6), min_size=3, max_size=3))

    def columns(rows: list[Any]) -> Columns:
        return (*(np.array([r[i] for r in rows]) for i in (0, 1)), np.array([r[2] for r in rows], dtype=np.float32) / 6)

    return st.lists(row, min_size=least, max_size=25).map(columns)


def _numbers(least: int) -> st.SearchStrategy[Columns]:
    number = st.integers(-8, 8).map(lambda whole: whole / 2)

    def columns(rows: list[tuple[float, float]]) -> Columns:
        labels, predictions = np.array(rows).T
        return labels, predictions, predictions[:, None].astype(np.float32)

    return st.lists(st.tuples(number, number), min_size=least, max_size=25).map(columns)


def _tags(least: int) -> st.SearchStrategy[Columns]:
    words = st.lists(st.tuples(st.sampled_from(MARKS), st.sampled_from(MARKS)), max_size=6)

    def columns(rows: list[Any]) -> Columns:
        pair = ([[word[i] for word in row] for row in rows] for i in (0, 1))
        return (*pair, [[0.5] * 2 * len(row) for row in rows])

    return st.lists(words, min_size=least, max_size=15).map(columns)


def _text(least: int) -> st.SearchStrategy[Columns]:
    text = st.lists(st.sampled_from(WORDS), max_size=4).map(" ".join)
    row = st.tuples(st.lists(text, max_size=3), text)

    def columns(rows: list[Any]) -> Columns:
        return [r[0] for r in rows], [r[1] for r in rows], np.zeros((len(rows), 2), dtype=np.float32)

    return st.lists(row, min_size=least, max_size=15).map(columns)


def examples(name: str, target: str, least: int = 1) -> st.SearchStrategy[Columns]:
    """Return random examples, with ties, gaps and classes that never occur."""
    if target == "class":
        return _classes(2, least) if name == "f1" else st.one_of(_classes(2, least), _classes(4, least))
    return {"labels": _labels, "number": _numbers, "tags": _tags, "text": _text}[target](least)


PERFECT: dict[str, Columns] = {
    "class": (np.array([0, 1, 1, 0]), np.array([0, 1, 1, 0]), np.eye(2)[[0, 1, 1, 0]]),
    "labels": (np.array([[1, 0], [0, 1]]), np.array([[1, 0], [0, 1]]), np.array([[1.0, 0.0], [0.0, 1.0]])),
    "number": (np.array([0.5, 2.0, 1.0]), np.array([0.5, 2.0, 1.0]), None),
    "tags": ([["B-PER", "I-PER", "O"], []], [["B-PER", "I-PER", "O"], []], None),
    "text": ([["the cat", "dog"], []], ["Cat!", ""], None),
}


# -- values ------------------------------------------------------------------------------------------------------------


@each
@given(st.data())
def test_a_value_lies_in_its_range(name: str, target: str, data: st.DataObject) -> None:
    low, high = metrics.get(name).range
    value = metrics.value(name, *data.draw(examples(name, target)))
    assert low is None or value >= low - 1e-9
    assert high is None or value <= high + 1e-9


@each
def test_perfect_predictions_get_the_best_value(name: str, target: str) -> None:
    metric = metrics.get(name)
    assert metrics.value(name, *PERFECT[target]) == pytest.approx(metric.range[1 if metric.greater_is_better else 0])


@each
def test_the_name_tells_the_direction(name: str, target: str) -> None:
    assert metrics.get(name).greater_is_better == (not name.endswith(("_error", "_loss")))


@each
@given(st.data())
def test_the_order_of_examples_does_not_matter(name: str, target: str, data: st.DataObject) -> None:
    columns = data.draw(examples(name, target))
    order = data.draw(st.permutations(range(len(columns[0]))))
    turned = [c[order] if isinstance(c, np.ndarray) else [c[i] for i in order] for c in columns]
    assert metrics.value(name, *turned) == pytest.approx(metrics.value(name, *columns), abs=1e-12)


@pytest.mark.parametrize(("name", "target"), [case for case in CASES if case[1] in ("class", "labels", "number")])
@given(st.data())
def test_scores_that_are_no_finite_numbers_count_as_zero(name: str, target: str, data: st.DataObject) -> None:
    labels, predictions, scores = data.draw(examples(name, target, least=2))
    strange = data.draw(st.sampled_from([np.nan, np.inf, -np.inf]))
    broken, mended = scores.copy(), scores.copy()
    broken[0], mended[0] = strange, 0.0
    pair = [predictions, predictions]
    if target == "number":
        pair = [np.where(np.arange(len(predictions)) == 0, fill, predictions) for fill in (strange, 0.0)]
    assert metrics.value(name, labels, pair[0], broken) == metrics.value(name, labels, pair[1], mended)
    assert np.isfinite(metrics.contributions(name, labels, pair[0], broken)).all()


def test_nothing_finite_at_all_is_a_value_too() -> None:
    labels, scores = np.array([0, 1, 2]), np.full((3, 3), np.nan, dtype=np.float32)
    assert metrics.value("roc_auc", labels, np.zeros(3, dtype=int), scores) == 0.5
    assert metrics.value("brier_loss", labels, np.zeros(3, dtype=int), scores) == 1.0
    assert metrics.value("pearson", np.array([0.0, 1.0]), np.array([np.nan, np.inf]), None) == 0.0


@pytest.mark.parametrize("name", ["pearson", "spearman"])
def test_a_constant_correlates_with_nothing(name: str) -> None:
    varied, constant = np.array([1.0, 2.0, 4.0]), np.full(3, 0.1)
    assert metrics.value(name, varied, constant) == metrics.value(name, constant, varied) == 0.0


def test_a_correlation_of_the_largest_and_the_smallest_numbers_of_fp32_is_right() -> None:
    labels = np.array([1.0, 2.0, 3.0])
    for scale in (1e38, 1e-44):
        assert metrics.value("pearson", labels, labels * scale) == pytest.approx(1.0)


def test_of_a_ranking_without_both_values_there_is_only_chance() -> None:
    ones, scores = np.ones(3, dtype=int), np.array([[0.2, 0.8], [0.5, 0.5], [0.9, 0.1]])
    assert metrics.value("roc_auc", ones, ones, scores) == 0.5
    assert metrics.value("average_precision", 0 * ones, ones, scores) == 0.0
    assert metrics.value("average_precision", ones, ones, scores) == 1.0


def test_f1_is_that_of_class_one() -> None:
    labels, predictions = np.array([1, 1, 0, 0]), np.array([1, 0, 0, 0])
    assert metrics.value("f1", labels, predictions) == pytest.approx(2 / 3)
    assert metrics.value("f1", 0 * labels, 0 * labels) == 0.0


def test_f1_of_more_than_two_classes_is_refused() -> None:
    for scorer in (metrics.value, metrics.score, metrics.contributions):
        wanted = ["f1"] if scorer is metrics.score else "f1"
        with pytest.raises(SuiteError, match=r"^f1 is for two classes, and there is a class 2. Use f1_macro.$"):
            scorer(wanted, np.array([0, 1, 2]), np.array([0, 1, 1]))
    assert metrics.score(["f1"], np.array([0, 1]), np.array([0, 1])) == {"f1": 1.0}


def test_a_metric_of_scores_without_scores_is_refused() -> None:
    for scorer in (metrics.value, metrics.contributions):
        with pytest.raises(SuiteError, match="roc_auc needs the score of each class"):
            scorer("roc_auc", np.array([0, 1]), np.array([0, 1]))
    with pytest.raises(SuiteError, match="roc_auc needs the score of each class"):
        metrics.score(["roc_auc"], np.array([0, 1]), np.array([0, 1]))


def test_examples_of_another_target_are_refused() -> None:
    for scorer in (metrics.value, metrics.contributions):
        with pytest.raises(SuiteError, match=r"entity_f1 scores tags targets; these are of target class."):
            scorer("entity_f1", np.array([0, 1]), np.array([0, 1]))


def test_lists_and_arrays_of_texts_are_the_same() -> None:
    golds, answers = [["cat"], []], ["the cat", "dog"]
    array = np.array(answers)
    assert metrics.value("squad_f1", golds, array) == metrics.value("squad_f1", golds, answers) == 0.5
    assert metrics.score(["squad_f1"], golds, array) == {"squad_f1": 0.5}


def test_scores_may_come_as_lists() -> None:
    labels, scores = np.array([0, 1, 1]), [[1, 0], [1, 0], [0, 1]]  # as a table keeps them
    assert metrics.value("roc_auc", labels, labels, scores) == 0.75
    assert metrics.score(["roc_auc"], labels, labels, scores) == {"roc_auc": 0.75}
    assert metrics.contributions("roc_auc", labels, labels, scores).tolist() == [1.25, 0.25, 1.25]


# -- through evaluate --------------------------------------------------------------------------------------------------


@each
@given(st.data())
@settings(max_examples=8)
def test_through_evaluate_a_score_is_what_the_plain_function_says(name: str, target: str, data: st.DataObject) -> None:
    columns = data.draw(examples(name, target))
    assert metrics.score([name], *columns) == {name: metrics.value(name, *columns)}


def test_class_indexes_beyond_int32_survive_evaluate() -> None:
    labels = np.array([2**40, 1, 2**40 + 1])
    assert metrics.score(["accuracy"], labels, np.array([2**40, 1, 2**40])) == {"accuracy": pytest.approx(2 / 3)}


def test_scores_that_differ_in_the_last_digit_of_fp32_survive_evaluate() -> None:
    near = np.nextafter(np.float32(0.5), np.float32(1))
    scores = np.array([[1 - near, near], [0.5, 0.5]], dtype=np.float32)
    assert metrics.score(["roc_auc"], np.array([1, 0]), np.array([1, 0]), scores) == {"roc_auc": 1.0}


def test_numbers_survive_evaluate_to_the_last_digit() -> None:
    labels, predictions = np.array([0.1, 1 / 3]), np.array([np.float32(0.7), 1e-300])
    wanted = ["mean_squared_error", "mean_absolute_error"]
    assert metrics.score(wanted, labels, predictions) == {n: metrics.value(n, labels, predictions) for n in wanted}


def test_our_metrics_are_metrics_of_the_library() -> None:
    import evaluate

    from suite.metrics._through_evaluate import wrapped

    metric = wrapped(metrics.get("accuracy"), "class")
    assert isinstance(metric, evaluate.Metric)
    metric.add_batch(predictions=[1, 0], references=[1, 1])
    assert metric.compute() == {"accuracy": 0.5}


def test_a_value_and_what_examples_give_need_no_evaluate() -> None:
    code = (
        "import sys, numpy as np\nfrom suite import metrics\n"
        "y = np.array([0, 1, 1])\ns = np.array([[.9, .1], [.2, .8], [.6, .4]])\n"
        "for name in metrics.names('class'):\n"
        "    metrics.value(name, y, y, s), metrics.contributions(name, y, y, s)\n"
        "assert not {'evaluate', 'datasets', 'torch'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


@pytest.mark.parametrize("target", metrics.TARGETS)
def test_nothing_to_score_is_a_suite_error(target: str) -> None:
    name = metrics.names(target)[0]
    empty = [] if target in ("tags", "text") else np.array([])
    for scorer in (metrics.value, metrics.contributions):
        with pytest.raises(SuiteError, match="no examples"):
            scorer(name, empty, empty)
    with pytest.raises(SuiteError, match="no examples"):
        metrics.score([name], empty, empty)


# -- names -------------------------------------------------------------------------------------------------------------


def test_names_are_those_that_fit() -> None:
    assert metrics.names("tags") == ["accuracy", "entity_f1"]
    assert metrics.names("text") == ["exact_match", "squad_f1"]
    assert metrics.names("number") == ["mean_absolute_error", "mean_squared_error", "pearson", "spearman"]
    assert set(metrics.names()) == {name for target in metrics.TARGETS for name in metrics.names(target)}


def test_an_unknown_metric_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(SuiteError, match=r"No metric named 'acuracy'. Did you mean 'accuracy'\?"):
        metrics.get("acuracy")


def task(*named: str, main: str | None = None, lines: dict[str, int] | None = None) -> TaskSpec:
    """Return a task that names metrics, on line 9 unless told."""
    return TaskSpec(
        name="t",
        version=1,
        kind="text_classification",
        dataset=DatasetRef(path="csv"),
        columns={},
        metrics=named,
        main=main or named[0],
        file="t.yaml",
        lines=lines or {"metrics": 9},
    )


@pytest.mark.parametrize(("lines", "line"), [({"metrics": 9}, 9), ({"metrics": 9, "main": 10}, 10)])
def test_a_task_with_an_unknown_metric_is_refused_with_its_line(lines: dict[str, int], line: int) -> None:
    with pytest.raises(SuiteError, match=rf"^t.yaml:{line}: .*Did you mean 'f1_macro'"):
        metrics.check(task("f1_macr", lines=lines), "class")


def test_a_task_with_a_metric_for_another_target_is_refused_with_those_that_fit() -> None:
    told = (
        "t.yaml:9: The metric 'accuracy' does not fit this kind of task. "
        "Those that do: mean_absolute_error, mean_squared_error, pearson, spearman."
    )
    with pytest.raises(SuiteError) as error:
        metrics.check(task("spearman", "accuracy"), "number")
    assert str(error.value) == told


@pytest.mark.parametrize("target", metrics.TARGETS)
def test_a_task_with_metrics_that_fit_passes(target: str) -> None:
    metrics.check(task(*metrics.names(target)), target)


@each
def test_a_record_keeps_what_a_metrics_value_means(name: str, target: str) -> None:
    info, metric = metrics.info(name, 0.25), metrics.get(name)
    assert (info.name, info.version, info.range, info.chance) == (name, metric.version, metric.range, 0.25)
    assert info.greater_is_better == metric.greater_is_better


def test_the_guide_lists_every_metric_that_a_target_has() -> None:
    from pathlib import Path

    guide = (Path(__file__).parent.parent / "docs" / "adding-a-task.md").read_text(encoding="utf-8")
    rows = [line for line in guide.partition("## Metrics")[2].splitlines() if line.startswith("| ")][2:]
    listed = [set(re.findall(r"`([a-z_0-9]+)`", row)) for row in rows]
    assert listed == [set(metrics.names(target)) for target in ("class", "labels", "number", "tags", "text")]
