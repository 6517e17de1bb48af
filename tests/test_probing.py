"""Probes at the optimum, whatever ran before them: agreement with scikit-learn, features in memory, order of runs."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from suite import evaluation, features
from suite.environment import Machine
from suite.spec import RunSpec
from suite.stats import logistic
from suite.stats.logistic import Limits
from suite.stats.ridge import Line
from suite.strategies import _heads, linear_probe
from suite.strategies._heads import Grid

STRENGTHS = (0.001, 0.1, 1.0)
TIGHT, DEFAULT = Limits(1e-9), Limits(0.01)
SIZES = {"more rows": (400, 30), "more features": (120, 200)}


def _rows(n: int, width: int, k: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return standardised features [n, width], correlated as real ones are, and classes that they tell in part."""
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(n, width)) @ generator.normal(size=(width, width)) * np.geomspace(1, 0.05, width)
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    told = x @ generator.normal(size=(width, k)) / np.sqrt(width) + generator.gumbel(size=(n, k))
    labels = told.argmax(axis=1)
    labels[:k] = np.arange(k)  # each class has a row
    return x, labels


def _theirs(x: np.ndarray, labels: np.ndarray, strength: float) -> LogisticRegression:
    return LogisticRegression(C=strength, tol=1e-10, max_iter=20_000).fit(x, labels)


def _height(x: np.ndarray, hits: np.ndarray, line: Line, strength: float, apart: bool) -> float:
    """Return the sum of losses and penalty; where columns stand apart the mean of theirs."""
    values = line(x)
    if apart:
        losses = np.logaddexp(0, values).sum() - (hits * values).sum()
    else:
        largest = values.max(axis=1)
        losses = (np.log(np.exp(values - largest[:, None]).sum(axis=1)) + largest).sum() - (hits * values).sum()
    whole = float(losses + (line.weights**2).sum() / (2 * strength))
    return whole / values.shape[1] if apart else whole


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("k", [3, 45])
def test_one_of_many_classes_is_scikit_learns_at_its_optimum(size: str, k: int) -> None:
    x, labels = _rows(*SIZES[size], k)
    for strength, line in zip(STRENGTHS, logistic.one_of(x, labels, STRENGTHS, TIGHT), strict=True):
        theirs = _theirs(x, labels, strength)
        assert np.abs(line(x) - theirs.decision_function(x)).max() < 2e-4
        assert np.abs(line.weights.T - theirs.coef_).max() < 1e-4
        assert line(x).sum(axis=1) == pytest.approx(np.zeros(len(x)), abs=1e-6)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("k", [1, 12])
def test_each_column_is_scikit_learns_regression_of_two_classes(size: str, k: int) -> None:
    x, labels = _rows(*SIZES[size], max(k, 2))
    hits = (labels[:, None] == np.arange(k)).astype(int)
    for strength, line in zip(STRENGTHS, logistic.each(x, hits, STRENGTHS, TIGHT), strict=True):
        for column in range(k):
            theirs = _theirs(x, hits[:, column], strength)
            assert np.abs(line(x)[:, column] - theirs.decision_function(x)).max() < 2e-4


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("apart", [False, True])
def test_the_default_tolerance_keeps_its_promise_along_a_long_path(size: str, apart: bool) -> None:
    x, labels = _rows(*SIZES[size], 10)
    hits = np.eye(10)[labels]
    grid = [10.0**power for power in range(-4, 3)]
    of, told = (logistic.each, hits) if apart else (logistic.one_of, labels)
    for strength, line, exact in zip(grid, of(x, told, grid, DEFAULT), of(x, told, grid, TIGHT), strict=True):
        gap = _height(x, hits, line, strength, apart) - _height(x, hits, exact, strength, apart)
        assert -1e-6 < gap < DEFAULT.tolerance


def test_scikit_learns_default_is_farther_from_the_optimum_than_ours() -> None:
    x, labels = _rows(400, 30, 10)
    (ours,), (exact,) = (logistic.one_of(x, labels, [10.0], limits) for limits in (DEFAULT, TIGHT))
    probe = LogisticRegression(C=10.0, max_iter=1000).fit(x, labels)
    theirs = Line(probe.coef_.T, probe.intercept_)
    heights = [_height(x, np.eye(10)[labels], line, 10.0, False) for line in (exact, ours, theirs)]
    assert heights[0] <= heights[1] < heights[2]


def test_the_order_of_the_strengths_and_repeated_ones_change_no_bit() -> None:
    x, labels = _rows(100, 20, 4)
    grid = [0.01, 1.0, 0.1]
    found = logistic.one_of(x, labels, grid, DEFAULT)
    again = logistic.one_of(x, labels, [*reversed(grid), 1.0], DEFAULT)
    for one, two in zip([*found, found[1]], [again[2], again[1], again[0], again[3]], strict=True):
        assert np.array_equal(one.weights, two.weights) and np.array_equal(one.intercept, two.intercept)


def test_a_column_does_not_depend_on_the_others_within_the_tolerance() -> None:
    x, labels = _rows(300, 20, 5)
    hits = (labels[:, None] == np.arange(5)).astype(int)
    together = logistic.each(x, hits, [1.0], TIGHT)[0](x)
    alone = [logistic.each(x, hits[:, [column]], [1.0], TIGHT)[0](x)[:, 0] for column in range(5)]
    assert np.abs(together - np.stack(alone, axis=1)).max() < 1e-4


@hypothesis_settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.integers(2, 60), st.integers(1, 40), st.integers(2, 5), st.floats(-8, 8))
def test_any_rows_have_an_answer(seed: int, n: int, width: int, k: int, power: float) -> None:
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(n, width)) * 10.0 ** generator.integers(-3, 4, width)
    x[:, 0] = 7.0  # a constant
    x[:, -1] = x[:, width // 2]  # a twin
    labels = np.concatenate([np.arange(k), generator.integers(0, k, n)])[: max(n, k)]
    x = np.concatenate([x, x])[: len(labels)]
    if len(x) < len(labels):
        labels = np.unique(labels[: len(x)], return_inverse=True)[1]
    for line in logistic.one_of(x, labels, [10.0**power], Limits(0.01, 50)):
        assert np.isfinite(line(x)).all()


def test_classes_that_a_plane_divides_have_a_finite_answer_under_the_weakest_penalty() -> None:
    x = np.concatenate([np.full((20, 3), -1.0), np.full((20, 3), 1.0)])
    hits = np.repeat([[0], [1]], 20, axis=0)
    (line,) = logistic.each(x, hits, [1e8], DEFAULT)
    assert np.isfinite(line.weights).all()
    assert ((line(x) > 0) == hits).all()


def test_a_limit_on_the_steps_holds() -> None:
    x, labels = _rows(200, 20, 4)
    (some,), (none,) = (logistic.one_of(x, labels, [1.0], Limits(1e-9, steps)) for steps in (1, 100))
    assert _height(x, np.eye(4)[labels], some, 1.0, False) > _height(x, np.eye(4)[labels], none, 1.0, False) + 1e-9


def test_a_protocol_may_name_the_solvers_that_there_are() -> None:
    assert set(linear_probe.SOLVERS) == set(_heads.SOLVERS)


@pytest.mark.parametrize("name", ["one_class", "right_choice", "every_class"])
def test_both_solvers_give_the_same_sorts_of_heads(name: str) -> None:
    x, labels = _rows(200, 10, 2 if name == "right_choice" else 3)
    if name == "one_class":
        labels = labels + 1  # of five classes the first and the last have no row
    told = np.eye(3, dtype=int)[labels] if name == "every_class" else labels
    outputs = {"one_class": 5, "right_choice": 1, "every_class": 3}[name]
    grid = Grid([0.01, 1.0], 20_000, outputs, 1e-9)
    asked = np.random.default_rng(1).normal(size=(30, 10))
    ours, theirs = (getattr(_heads.SOLVERS[solver], name)(x, told, grid) for solver in ("path", "lbfgs"))
    for one, other in zip(ours, theirs, strict=True):
        assert one.size == other.size
        assert one.outputs(asked).dtype == np.float32
        assert one.outputs(asked) == pytest.approx(other.outputs(asked), abs=0.02, rel=1e-3)  # L-BFGS stops early
        assert np.array_equal(one.outputs(asked), one.kept().answers(asked, outputs))


# -- runs --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def forgetful(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Return a function that forgets the features that this process has read."""

    def forget() -> None:
        monkeypatch.setattr(features, "_MEMORY", features.Memory(features.MOST_IN_MEMORY))

    forget()
    return forget


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Collect the files of features that are read."""
    found: list[Path] = []
    inner = features._load

    def load(path: Path) -> Any:
        found.append(path)
        return inner(path)

    monkeypatch.setattr(features, "_load", load)
    return found


def _evaluate(spec: RunSpec, machine: Machine) -> Any:
    (result,) = evaluation.evaluate(spec, machine, lambda event: None)
    return result


def test_a_run_gives_the_same_bits_whatever_ran_before_it(
    planned: Any,
    tiny_bert: Path,
    text_task: Path,
    pair_task: Path,
    machine: Machine,
    own_cache: Path,
    forgetful: Callable[[], None],
) -> None:
    specs = [
        *planned(tiny_bert, text_task, "linear_probe", seeds=2),
        *planned(tiny_bert, pair_task, "linear_probe"),
        planned(tiny_bert, text_task, "linear_probe")[0].model_copy(update={"resample": "kfold:3", "fold": 1}),
        planned(tiny_bert, text_task, "linear_probe", settings={"C": [1.0, 0.01]})[0],
    ]
    found: dict[int, list[Any]] = {place: [] for place in range(len(specs))}
    orders = [range(len(specs)), reversed(range(len(specs))), (2, 0, 4, 1, 3)]
    for order in orders:
        forgetful()
        for place in order:
            result = _evaluate(specs[place], machine)
            training = {name: value for name, value in result.record.training.items() if "features" not in name}
            found[place].append((result.columns["scores"], training, result.record.metrics))
    assert all(len(results) == len(orders) and results.count(results[0]) == len(orders) for results in found.values())


def test_a_repeated_probe_reads_nothing_anew(
    planned: Any,
    tiny_bert: Path,
    text_task: Path,
    machine: Machine,
    own_cache: Path,
    forgetful: Callable[[], None],
    opened: list[Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, *others = planned(tiny_bert, text_task, "linear_probe", seeds=3)
    once = _evaluate(first, machine)
    assert len(opened) == 3  # looked for, one a split
    monkeypatch.setattr(evaluation.models, "load", lambda *_: pytest.fail("a model was built"))
    again = [_evaluate(spec, machine) for spec in (first, *others)]
    assert len(opened) == 3
    assert again[0].columns["scores"] == once.columns["scores"]
    assert all(result.record.training["features_stored"] for result in again)
    assert all(result.record.cost["reused_seconds"] > 0 for result in again)
    forgetful()  # as another process
    assert _evaluate(first, machine).columns["scores"] == once.columns["scores"]
    assert len(opened) == 6


def _some(seed: int, rows: int = 4) -> features.Features:
    return features.Features({"features": np.full((rows, 4), seed, dtype=np.float32)}, 1.0, 10)


def test_memory_holds_what_was_asked_for_last_and_no_more_than_its_bytes(tmp_path: Path) -> None:
    memory = features.Memory(3 * 4 * 4 * 4)
    paths = [tmp_path / str(place) for place in range(4)]
    for place, path in enumerate(paths[:3]):
        path.touch()
        memory.remember(path, _some(place))
    memory.remember(paths[0], _some(0))  # asked for again
    paths[3].touch()
    memory.remember(paths[3], _some(3))
    assert [memory.recall(path) is not None for path in paths] == [True, False, True, True]
    memory.remember(paths[1], _some(1, rows=13))  # more than it may hold
    assert [memory.recall(path) for path in paths] == [None] * 4


def test_memory_forgets_a_file_that_is_not_what_it_was(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for change in (lambda: path.write_bytes(b"other"), path.unlink, lambda: path.replace(tmp_path / "elsewhere")):
        memory = features.Memory(1000)
        path.write_bytes(b"one")
        memory.remember(path, _some(1))
        assert memory.recall(path) is not None
        change()
        assert memory.recall(path) is None


def test_nobody_writes_into_features_that_others_share(tmp_path: Path) -> None:
    memory, found = features.Memory(1000), _some(1)
    memory.remember(tmp_path, found)
    with pytest.raises(ValueError, match="read-only"):
        found.arrays["features"][0] = 2


def test_every_seed_and_fold_of_an_old_recipe_still_has_its_own_key(
    planned: Any, tiny_bert: Path, text_task: Path
) -> None:
    (spec,) = planned(tiny_bert, text_task, "linear_probe")
    old = {name: value for name, value in spec.settings.items() if name not in ("solver", "tolerance")}
    settings = [spec.settings, old, spec.settings | {"solver": "lbfgs"}]
    keys = [spec.model_copy(update={"settings": one}).key() for one in settings]
    assert all(one != two for one, two in itertools.combinations(keys, 2))
