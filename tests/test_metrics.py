from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given, settings
from hypothesis import strategies as st

from suite import metrics
from suite.spec import DatasetRef, SuiteError, TaskSpec

NAMES = metrics.names()

REFERENCE = {
    "accuracy": lambda y, p: (y == p).mean(),
    "balanced_accuracy": lambda y, p: np.mean([(p[y == c] == c).mean() for c in np.unique(y)]),
    "f1_macro": lambda y, p: sklearn.metrics.f1_score(y, p, average="macro", zero_division=0),
    "f1_micro": lambda y, p: (y == p).mean(),
    "f1_weighted": lambda y, p: sklearn.metrics.f1_score(y, p, average="weighted", zero_division=0),
    "matthews_correlation": lambda y, p: _correlation(y, p),
}


def _correlation(y: np.ndarray, p: np.ndarray) -> float:
    """Return the R_K statistic from its definition: the correlation of one-hot codes (Gorodkin 2004)."""
    classes = np.union1d(y, p)
    a, b = ((z[:, None] == classes).astype(float) for z in (y, p))
    a, b = a - a.mean(0), b - b.mean(0)
    spread = np.sqrt((a * a).sum() * (b * b).sum())
    return float((a * b).sum() / spread) if spread > 1e-12 else 0.0


def _pairs(least: int = 1, most: int = 40, classes: int = 4) -> st.SearchStrategy[tuple[np.ndarray, np.ndarray]]:
    cell = st.tuples(st.integers(0, classes - 1), st.integers(0, classes - 1))
    return st.lists(cell, min_size=least, max_size=most).map(lambda rows: tuple(np.array(rows).T))  # type: ignore[arg-type,return-value]


pairs = _pairs()
each = pytest.mark.parametrize("name", NAMES)


def test_every_metric_has_a_reference_here() -> None:
    assert set(REFERENCE) == set(NAMES)


@each
@given(pairs)
def test_a_value_is_what_its_definition_says(name: str, rows: tuple[np.ndarray, np.ndarray]) -> None:
    assert metrics.value(name, *rows) == pytest.approx(REFERENCE[name](*rows), abs=1e-9)


@each
@given(pairs)
def test_a_value_lies_in_its_range(name: str, rows: tuple[np.ndarray, np.ndarray]) -> None:
    low, high = metrics.get(name).range
    assert low - 1e-9 <= metrics.value(name, *rows) <= high + 1e-9


@each
@given(_pairs(least=2))
def test_perfect_predictions_get_the_best_value(name: str, rows: tuple[np.ndarray, np.ndarray]) -> None:
    labels = np.concatenate([rows[0], [0, 1]])  # a correlation needs two classes
    metric = metrics.get(name)
    assert metrics.value(name, labels, labels) == pytest.approx(metric.range[1 if metric.greater_is_better else 0])


@each
@given(pairs, st.data())
def test_the_order_of_examples_does_not_matter(
    name: str, rows: tuple[np.ndarray, np.ndarray], data: st.DataObject
) -> None:
    order = data.draw(st.permutations(range(len(rows[0]))))
    assert metrics.value(name, rows[0][order], rows[1][order]) == pytest.approx(metrics.value(name, *rows), abs=1e-12)


@each
@given(pairs, st.data())
def test_a_weight_counts_as_so_many_repetitions(
    name: str, rows: tuple[np.ndarray, np.ndarray], data: st.DataObject
) -> None:
    weights = np.array(data.draw(st.lists(st.integers(1, 4), min_size=len(rows[0]), max_size=len(rows[0]))))
    repeated = metrics.value(name, *(np.repeat(column, weights) for column in rows))
    assert metrics.get(name).function(*rows, weights) == pytest.approx(repeated, abs=1e-9)


@given(pairs)
@settings(max_examples=20)
def test_through_evaluate_a_score_is_what_the_plain_function_says(rows: tuple[np.ndarray, np.ndarray]) -> None:
    assert metrics.score(NAMES, *rows) == {name: metrics.value(name, *rows) for name in NAMES}


def test_class_indexes_beyond_int32_survive_evaluate() -> None:
    labels = np.array([2**40, 1, 2**40 + 1])
    assert metrics.score(["accuracy"], labels, np.array([2**40, 1, 2**40])) == {"accuracy": pytest.approx(2 / 3)}


def test_as_evaluate_gives_a_metric_of_the_library() -> None:
    import evaluate

    metric = metrics.as_evaluate("accuracy")
    assert isinstance(metric, evaluate.Metric)
    metric.add_batch(predictions=[1, 0], references=[1, 1])
    assert metric.compute() == {"accuracy": 0.5}


def test_nothing_to_score_is_a_suite_error() -> None:
    with pytest.raises(SuiteError, match="no examples"):
        metrics.score(["accuracy"], np.array([], dtype=int), np.array([], dtype=int))


# -- what each example gives -------------------------------------------------------------------------------------------


@given(pairs)
def test_for_accuracy_each_example_gives_whether_it_is_right(rows: tuple[np.ndarray, np.ndarray]) -> None:
    given_by = metrics.contributions("accuracy", *rows)
    assert given_by.tolist() == (rows[0] == rows[1]).astype(float).tolist()
    assert given_by.mean() == pytest.approx(metrics.value("accuracy", *rows))


@pytest.mark.parametrize("name", [name for name in NAMES if not metrics.get(name).mean])
@given(_pairs(least=2))
def test_otherwise_each_example_gives_its_jackknife_pseudo_value(
    name: str, rows: tuple[np.ndarray, np.ndarray]
) -> None:
    n, whole = len(rows[0]), metrics.value(name, *rows)
    without = [metrics.value(name, np.delete(rows[0], i), np.delete(rows[1], i)) for i in range(n)]
    brute = n * whole - (n - 1) * np.array(without)
    found = metrics.contributions(name, *rows)
    assert found.dtype == np.float64 and np.allclose(found, brute, atol=1e-8)


@each
def test_the_contributions_standard_error_is_the_metrics(name: str) -> None:
    generator = np.random.default_rng(0)

    def sample() -> tuple[np.ndarray, np.ndarray]:
        labels = generator.choice(3, 400, p=[0.5, 0.3, 0.2])
        return labels, np.where(generator.random(400) < 0.7, labels, generator.integers(0, 3, 400))

    draws = [sample() for _ in range(400)]
    spread = np.std([metrics.value(name, *rows) for rows in draws])
    errors = [metrics.contributions(name, *rows).std(ddof=1) / np.sqrt(400) for rows in draws[:20]]
    assert np.mean(errors) == pytest.approx(spread, rel=0.15)


@each
def test_a_single_example_gives_a_finite_number(name: str) -> None:
    assert np.isfinite(metrics.contributions(name, np.array([1]), np.array([0]))).all()


# -- names -------------------------------------------------------------------------------------------------------------


def test_an_unknown_metric_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(SuiteError, match=r"No metric named 'acuracy'. Did you mean 'accuracy'\?"):
        metrics.get("acuracy")


@pytest.mark.parametrize(("lines", "line"), [({"metrics": 9}, 9), ({"metrics": 9, "main": 10}, 10)])
def test_a_task_with_an_unknown_metric_is_refused_with_its_line(lines: dict[str, int], line: int) -> None:
    task = TaskSpec(
        name="t",
        version=1,
        kind="text_classification",
        dataset=DatasetRef(path="csv"),
        columns={},
        metrics=("f1_macr",),
        main="f1_macr",
        file="t.yaml",
        lines=lines,
    )
    with pytest.raises(SuiteError, match=rf"^t.yaml:{line}: .*Did you mean 'f1_macro'"):
        metrics.check(task)


@each
def test_a_record_keeps_what_a_metrics_value_means(name: str) -> None:
    info, metric = metrics.info(name, 0.25), metrics.get(name)
    assert (info.name, info.version, info.range, info.chance) == (name, metric.version, metric.range, 0.25)
    assert info.greater_is_better == metric.greater_is_better
