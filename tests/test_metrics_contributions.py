"""What each example gives to a metric: its own score or its pseudo-value, whose spread is the metric's error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_metrics import CASES, Columns, each, examples

from suite import metrics
from suite.metrics import _ways

MEANS = {(name, target) for name, target in CASES if isinstance(metrics.get(name).ways[target], _ways.Mean)}


def test_the_means_are_those_that_should_be() -> None:
    expected = {
        ("accuracy", "class"),
        ("brier_loss", "class"),
        ("brier_loss", "labels"),
        ("exact_match", "labels"),
        ("exact_match", "text"),
        ("label_ranking_average_precision", "labels"),
        ("log_loss", "class"),
        ("log_loss", "labels"),
        ("mean_absolute_error", "number"),
        ("mean_squared_error", "number"),
        ("squad_f1", "text"),
    }
    assert expected == MEANS


@pytest.mark.parametrize(("name", "target"), sorted(MEANS))
@given(st.data())
def test_for_a_mean_each_example_gives_its_own_score(name: str, target: str, data: st.DataObject) -> None:
    columns = data.draw(examples(name, target))
    given_by = metrics.contributions(name, *columns)
    assert given_by.dtype == np.float64
    alone = [metrics.value(name, *(c[i : i + 1] for c in columns)) for i in range(len(columns[0]))]
    assert given_by == pytest.approx(np.array(alone), abs=1e-12)
    assert given_by.mean() == pytest.approx(metrics.value(name, *columns), abs=1e-12)


@pytest.mark.parametrize(("name", "target"), sorted(set(CASES) - MEANS))
@given(st.data())
def test_otherwise_each_example_gives_its_pseudo_value(name: str, target: str, data: st.DataObject) -> None:
    columns = data.draw(examples(name, target, least=2))
    n, whole = len(columns[0]), metrics.value(name, *columns)
    without = [metrics.value(name, *(left_out(c, i) for c in columns)) for i in range(n)]
    found = metrics.contributions(name, *columns)
    assert found.dtype == np.float64 and found.shape == (n,)
    assert found == pytest.approx(n * whole - (n - 1) * np.array(without), abs=1e-7)


def left_out(column: Any, i: int) -> Any:
    return np.delete(column, i, axis=0) if isinstance(column, np.ndarray) else column[:i] + column[i + 1 :]


@each
@given(st.data())
@settings(max_examples=10)
def test_a_single_example_gives_the_value(name: str, target: str, data: st.DataObject) -> None:
    columns = [c[:1] for c in data.draw(examples(name, target))]
    assert metrics.contributions(name, *columns) == pytest.approx([metrics.value(name, *columns)])


def test_one_far_number_is_left_out_exactly() -> None:
    labels, predictions = np.array([1.0, 2.0, 3.0, 1e9]), np.array([2.0, 1.0, 3.0, 1e9])
    without = metrics.value("pearson", labels[:3], predictions[:3])
    found = metrics.contributions("pearson", labels, predictions)
    assert found[3] == pytest.approx(4 * metrics.value("pearson", labels, predictions) - 3 * without, abs=1e-9)


def test_many_classes_are_left_out_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 40, 300)
    predictions = np.where(generator.random(300) < 0.5, labels, generator.integers(0, 40, 300))
    codes = np.eye(40, dtype=int)[labels], np.eye(40, dtype=int)[predictions]
    for columns in ((labels, predictions), codes):
        at_once = metrics.contributions("f1_macro", *columns)
        with monkeypatch.context() as patch:
            patch.setattr("suite.metrics._counts.CELLS", 1_000)
            assert metrics.contributions("f1_macro", *columns).tolist() == at_once.tolist()


# -- the spread --------------------------------------------------------------------------------------------------------

Sampler = Callable[[np.random.Generator, int], Columns]


def classes(generator: np.random.Generator, n: int) -> Columns:
    labels = generator.choice(3, n, p=[0.5, 0.3, 0.2])
    logits = 1.2 * np.eye(3)[labels] + generator.normal(size=(n, 3))
    scores = np.exp(2 * logits) / np.exp(2 * logits).sum(axis=1, keepdims=True)
    return labels, scores.argmax(axis=1), scores


def labels(generator: np.random.Generator, n: int) -> Columns:
    true = (generator.random((n, 4)) < [0.1, 0.3, 0.5, 0.2]).astype(int)
    scores = 1 / (1 + np.exp(-(2.0 * true - 1 + generator.normal(size=(n, 4)))))
    return true, (scores > 0.5).astype(int), scores


def numbers(generator: np.random.Generator, n: int) -> Columns:
    true = generator.exponential(size=n)
    return true, true + generator.normal(size=n), None


def tags(generator: np.random.Generator, n: int) -> Columns:
    true = [list(generator.choice(["O", "B-A", "I-A", "B-B"], generator.integers(1, 12))) for _ in range(n)]
    found = [[tag if generator.random() < 0.8 else "O" for tag in row] for row in true]
    return true, found, None


@pytest.mark.parametrize(
    ("name", "sampler", "n"),
    [
        ("mean_squared_error", numbers, 400),  # a mean
        ("balanced_accuracy", classes, 400),  # counts of classes
        ("f1_macro", classes, 400),
        ("matthews_correlation", classes, 400),
        ("f1_macro", labels, 400),  # counts of labels
        ("entity_f1", tags, 300),  # sums
        ("accuracy", tags, 300),
        ("expected_calibration_error", classes, 1_000),
        ("pearson", numbers, 400),  # centred sums
        ("roc_auc", labels, 400),  # rankings
        ("average_precision", classes, 400),
        ("spearman", numbers, 300),  # each example in turn
        ("spearman", numbers, 2_500),  # groups of examples
    ],
)
def test_the_contributions_standard_error_is_the_metrics(name: str, sampler: Sampler, n: int) -> None:
    generator = np.random.default_rng(0)
    draws = [sampler(generator, n) for _ in range(400)]
    spread = np.std([metrics.value(name, *columns) for columns in draws], ddof=1)  # known to 3.5%
    errors = [metrics.contributions(name, *columns).std(ddof=1) / np.sqrt(n) for columns in draws[:10]]
    assert np.sqrt(np.mean(np.square(errors))) == pytest.approx(spread, rel=0.12)


def test_groups_are_the_same_for_two_runs_over_the_same_examples() -> None:
    generator = np.random.default_rng(0)
    labels, noise = generator.normal(size=(2, 2_000))
    runs = [labels + noise, labels + 1.05 * noise]
    a, b = (metrics.contributions("spearman", labels, run) for run in runs)
    assert (a - b).std() < 0.2 * a.std()  # their difference is known far better than either


def test_groups_centre_on_the_value() -> None:
    labels, predictions, _ = numbers(np.random.default_rng(0), 2_345)
    found = metrics.contributions("spearman", labels, predictions)
    assert len(set(found)) == _ways.GROUPS
    assert found.mean() == pytest.approx(metrics.value("spearman", labels, predictions), abs=0.01)
