from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import Ridge
from threadpoolctl import threadpool_limits

from suite.stats import ridge

STRENGTHS = (10_000.0, 100.0, 1.0, 0.1)


def _rows(n: int, width: int, k: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(n, width)) * generator.uniform(0.5, 2, width) + generator.normal(size=width)
    return x, x @ generator.normal(size=(width, k)) + 3 * generator.normal(size=(n, k)) + 5


def _one_by_one(x: np.ndarray, y: np.ndarray, strengths: tuple[float, ...], groups: list[str]) -> np.ndarray:
    """Fit again without each group."""
    found = np.empty((len(strengths), *y.shape))
    for place, strength in enumerate(strengths):
        for group in set(groups):
            inside = np.array([g == group for g in groups])
            line = Ridge(alpha=strength, solver="svd").fit(x[~inside], y[~inside])
            found[place, inside] = line.predict(x[inside]).reshape(inside.sum(), -1)
    return found


@pytest.mark.parametrize("width", [5, 60])
def test_a_line_is_scikit_learns(width: int) -> None:
    x, y = _rows(40, width, 2)
    for strength, line in zip(STRENGTHS, ridge.fit(x, y, STRENGTHS), strict=True):
        theirs = Ridge(alpha=strength).fit(x, y)
        assert np.allclose(line(x), theirs.predict(x), atol=1e-8)
        assert np.allclose(line.weights, theirs.coef_.T, atol=1e-8)


@pytest.mark.parametrize("width", [20, 99, 150])
@pytest.mark.parametrize("size", [1, 3])
def test_what_is_left_out_is_predicted_as_if_it_had_not_been_there(width: int, size: int) -> None:
    x, y = _rows(100, width, 3)
    groups = [f"g{i // size}" for i in range(100)]
    found = ridge.left_out(x, y, STRENGTHS, groups)
    assert np.abs(found - _one_by_one(x, y, STRENGTHS, groups)).max() < 1e-8
    if size == 1:
        assert np.array_equal(found, ridge.left_out(x, y, STRENGTHS))


def test_equal_rows_that_are_left_out_together_say_nothing_of_themselves() -> None:
    x, y = _rows(30, 50, 1)
    x, y = np.concatenate([x, x]), np.concatenate([y, y + 100])
    apart = ridge.left_out(x, y, (0.1,))
    together = ridge.left_out(x, y, (0.1,), [f"r{i % 30}" for i in range(60)])
    assert np.corrcoef(apart[0, :30, 0], y[30:, 0])[0, 1] > 0.9 > np.corrcoef(together[0, :30, 0], y[30:, 0])[0, 1]


def test_without_a_feature_that_varies_the_mean_of_the_others_is_all_there_is() -> None:
    y = np.array([[1.0], [2.0], [6.0]])
    found = ridge.left_out(np.full((3, 4), 7.0), y, (1.0,))
    assert found[0, :, 0] == pytest.approx([4.0, 3.5, 1.5])
    assert ridge.fit(np.full((3, 4), 7.0), y, (1.0,))[0](np.full((1, 4), 7.0)) == pytest.approx(np.array([[3.0]]))


@given(st.integers(0, 2**32 - 1), st.integers(0, 11), st.integers(0, 3), st.floats(0, 1e6))
def test_a_rows_own_error_has_no_say_in_its_strength(seed: int, row: int, strength: int, error: float) -> None:
    errors = np.random.default_rng(seed).exponential(size=(4, 12))
    chosen = ridge.chosen_without(errors)[row]
    assert chosen == np.delete(errors, row, axis=1).sum(axis=1).argmin()
    errors[strength, row] = error
    assert ridge.chosen_without(errors)[row] == np.delete(errors, row, axis=1).sum(axis=1).argmin() == chosen


def test_neither_have_the_errors_of_its_group() -> None:
    errors = np.random.default_rng(1).exponential(size=(4, 30))
    groups = [f"g{i % 7}" for i in range(30)]
    for row, chosen in enumerate(ridge.chosen_without(errors, groups)):
        others = [i for i in range(30) if groups[i] != groups[row]]
        assert chosen == errors[:, others].sum(axis=1).argmin()


def test_of_equal_sums_the_first_is_chosen() -> None:
    assert ridge.chosen_without(np.ones((3, 5))).tolist() == [0] * 5


def test_2000_rows_of_384_features_and_10_classes_take_less_than_five_seconds_on_one_thread() -> None:
    x, y = _rows(2000, 384, 10)
    started = time.perf_counter()
    with threadpool_limits(1):
        found = ridge.left_out(x, y, (*STRENGTHS, 10.0))
        ridge.chosen_without(((found - y) ** 2).sum(axis=2))
    assert time.perf_counter() - started < 5
