"""Missing scores: exact where that is possible, the same in any order, honest about its errors, and better ranks."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import kendalltau

from suite.stats.completion import METHODS, Completed, complete
from suite.stats.completion import _models as models

nan = np.nan
grids = arrays(np.float64, st.tuples(st.integers(1, 7), st.integers(1, 5)), elements=st.integers(0, 6).map(float))


def factors(random: np.random.Generator, k: int, n: int, count: int, noise: float) -> np.ndarray:
    """Return scores [k, n] of `count` factors with unequal loadings, harder tasks spreading more, and noise."""
    loadings = np.sort(random.uniform(3, 14, n))[::-1] * np.where(np.arange(count) == 0, 1, 0.5)[:, None]
    loadings[1:] *= random.choice([-1, 1], (count - 1, n))
    return np.asarray(
        np.linspace(30, 75, n) + random.normal(size=(k, count)) @ loadings + noise * random.normal(size=(k, n))
    )


def additive(random: np.random.Generator, k: int, n: int) -> np.ndarray:
    """Return scores [k, n] of row and column effects, noise of 1 to 6 by task."""
    effects = 8 * random.normal(size=(k, 1)) + np.linspace(40, 75, n)
    return np.asarray(effects + random.uniform(1, 6, n) * random.normal(size=(k, n)))


def hide(x: np.ndarray, random: np.random.Generator, share: float) -> np.ndarray:
    """Return x with that share of cells missing, falling in equal steps from the first task to the last."""
    k, n = x.shape
    table = x.copy()
    for task in range(n):
        lacking = round(share * k * 2 * (n - task) / (n + 1))
        table[random.permutation(k)[:lacking], task] = nan
    alone = np.isnan(table).all(axis=1)
    table[alone] = x[alone]
    return table


def covered(table: np.ndarray, x: np.ndarray, done: Completed) -> tuple[np.ndarray, np.ndarray]:
    """Return which filled cells and which means of incomplete rows lie in their intervals."""
    gaps, truth = np.isnan(table), x.mean(axis=1)
    rows = gaps.any(axis=1)
    low, high = done.intervals[gaps].T
    bottom, top = done.mean_intervals[rows].T
    return (low <= x[gaps]) & (x[gaps] <= high), (bottom <= truth[rows]) & (truth[rows] <= top)


@given(grids, st.sampled_from(METHODS))
def test_a_complete_table_comes_back_unchanged(scores: np.ndarray, method: str) -> None:
    done = complete(scores, method)
    assert (done.scores == scores).all()
    assert done.means == pytest.approx(scores.mean(axis=1))
    assert (done.intervals == scores[:, :, None]).all()
    assert done.method == "none" and not done.errors.any()
    assert done.interval_of(0) is None and done.mean_of(0) == pytest.approx(scores[0].mean())


@settings(max_examples=60, deadline=None)
@given(grids, st.data())
def test_no_nan_and_no_interval_without_width_whatever_is_missing(scores: np.ndarray, data: st.DataObject) -> None:
    mask = data.draw(arrays(np.bool_, scores.shape))
    method = data.draw(st.sampled_from(METHODS))
    bounds = data.draw(st.sampled_from([None, np.tile([0.0, 6.0], (scores.shape[1], 1))]))
    done = complete(np.where(mask, nan, scores), method, bounds)
    for values in (done.scores, done.intervals, done.means, done.mean_intervals, done.errors):
        assert not np.isnan(values).any()
    answered = done.rows[:, None] & done.columns
    gaps = mask & answered
    low, high = done.intervals[gaps].T
    assert ((low <= done.scores[gaps]) & (done.scores[gaps] <= high) & (low < high)).all()
    assert (done.scores[answered & ~mask] == scores[answered & ~mask]).all()
    for row in np.flatnonzero(gaps.any(axis=1)):
        bottom, top = done.mean_intervals[row]
        assert bottom <= done.means[row] <= top and bottom < top
    if bounds is not None:
        assert ((low >= 0) & (high <= 6)).all()
    assert not mask[:, ~done.columns].all() or not mask.all() or not done.rows.any()
    assert all(done.mean_of(row) is None for row in np.flatnonzero(~done.rows))


@given(st.data())
def test_an_additive_table_is_recovered_exactly(data: st.DataObject) -> None:
    k, n = data.draw(st.tuples(st.integers(2, 8), st.integers(2, 6)))
    effects = arrays(np.float64, k + n, elements=st.integers(-50, 50).map(float))
    both = data.draw(effects)
    x = both[:k, None] + both[k:]
    mask = data.draw(arrays(np.bool_, (k, n)))
    done = complete(np.where(mask, nan, x), data.draw(st.sampled_from(METHODS)))
    answered = np.ix_(done.rows, done.columns)
    assert done.scores[answered] == pytest.approx(x[answered], abs=1e-8)
    # a fit without residuals says nothing of its errors
    assert all(done.interval_of(row) is None for row in range(k))


def test_additive_equals_least_squares_on_indicator_columns() -> None:
    random = np.random.default_rng(0)
    table = hide(random.normal(size=(9, 5)), random, 0.3)
    rows, columns = np.nonzero(~np.isnan(table))
    design = np.zeros((len(rows), 14))
    design[np.arange(len(rows)), rows] = design[np.arange(len(rows)), 9 + columns] = 1
    effects = np.linalg.lstsq(design, table[rows, columns], rcond=None)[0]
    expected = np.where(np.isnan(table), effects[:9, None] + effects[9:], table)
    assert complete(table, "additive").scores == pytest.approx(expected)


def test_regression_with_one_task_missing_is_least_squares_on_the_other() -> None:
    # Anderson 1957, JASA 52, 200-203: with two columns and gaps in one, the likelihood is that of the regression
    random = np.random.default_rng(1)
    x = random.normal(size=40)
    y = 3 + 0.6 * x + random.normal(size=40) * 0.5
    table = np.column_stack([x, np.where(np.arange(40) < 12, nan, y)])
    slope, start = np.polyfit(x[12:], y[12:], 1)
    found = complete(table, "regression")
    assert found.method == "regression"
    assert found.scores[:12, 1] == pytest.approx(start + slope * x[:12], abs=2e-3)


def test_two_factors_are_found_where_row_and_column_effects_are_not_enough() -> None:
    random = np.random.default_rng(2)
    x = factors(random, 120, 8, 2, 0.3)
    table = hide(x, random, 0.2)
    gaps = np.isnan(table)
    errors = {method: float(np.sqrt(((complete(table, method).scores - x)[gaps] ** 2).mean())) for method in METHODS}
    assert errors["rank2"] < errors["additive"] / 4
    assert errors["auto"] < errors["additive"] / 4


@pytest.mark.parametrize("method", METHODS)
def test_the_order_of_rows_and_columns_does_not_matter(method: str) -> None:
    random = np.random.default_rng(3)
    table = hide(factors(random, 15, 5, 1, 3.0), random, 0.2)
    down, across = random.permutation(15), random.permutation(5)
    done, moved = complete(table, method), complete(table[np.ix_(down, across)], method)
    assert moved.method == done.method
    assert moved.scores == pytest.approx(done.scores[np.ix_(down, across)])
    assert moved.intervals == pytest.approx(done.intervals[np.ix_(down, across)])
    assert moved.mean_intervals == pytest.approx(done.mean_intervals[down])


@pytest.mark.parametrize("method", ["additive", "rank2", "regression"])
def test_another_unit_gives_the_same_answer_in_that_unit(method: str) -> None:
    random = np.random.default_rng(4)
    table = hide(factors(random, 25, 5, 1, 3.0), random, 0.2)
    done, turned = complete(table, method), complete(20 - table / 100, method)
    assert turned.scores == pytest.approx(20 - done.scores / 100, abs=0.01)
    middle = done.intervals.mean(axis=-1)
    assert middle == pytest.approx(done.scores)


def test_two_rows() -> None:
    shared = complete(np.array([[1, 2, 4], [2, 3.5, nan]]))
    assert shared.scores[1, 2] == pytest.approx(5.25)
    assert shared.interval_of(1) is not None and shared.interval_of(0) is None
    one = complete(np.array([[1, 2], [2, nan]]))
    assert one.scores[1, 1] == pytest.approx(3)
    assert one.mean_of(1) == pytest.approx(2.5)
    assert one.interval_of(1) is None and one.df == 0


def test_what_nobody_has_is_left_out_of_the_mean() -> None:
    done = complete(np.array([[1, nan, 3], [2, nan, 5.0]]))
    assert done.columns.tolist() == [True, False, True]
    assert done.means == pytest.approx([2, 3.5])
    alone = complete(np.array([[4, nan, 8.0]]))
    assert alone.mean_of(0) == pytest.approx(6) and alone.method == "none"


def test_who_has_nothing_has_no_mean() -> None:
    done = complete(np.array([[1, 3], [nan, nan], [2, 5.0]]))
    assert done.rows.tolist() == [True, False, True]
    assert done.mean_of(1) is None and done.interval_of(1) is None
    column = complete(np.array([[1], [nan], [2.0]]))
    assert [column.mean_of(row) for row in range(3)] == [1, None, 2]
    nothing = complete(np.full((2, 3), nan))
    assert not nothing.rows.any() and not nothing.columns.any()
    assert complete(np.zeros((0, 3))).means.tolist() == []
    assert complete(np.zeros((3, 0))).rows.tolist() == [False] * 3


def test_tables_without_a_link_share_no_scale() -> None:
    apart = np.array([[1, 2, nan, nan], [2, 4, nan, nan], [3, 3, nan, nan], [nan, nan, 7, 8]])
    done = complete(apart)
    assert done.rows.tolist() == [True, True, True, False]
    assert done.columns.tolist() == [True, True, False, False]
    even = complete(np.array([[1, nan], [nan, 2.0]]))
    assert not even.rows.any()


def test_equal_scores_are_completed_without_an_interval() -> None:
    table = np.full((6, 4), 0.7)
    table[2, 1] = nan
    done = complete(table)
    assert done.scores[2, 1] == pytest.approx(0.7)
    assert done.interval_of(2) is None


def test_bounds_hold_and_log_odds_help_at_the_floor() -> None:
    random = np.random.default_rng(5)
    ability, ease = random.normal(size=(60, 1)), np.linspace(-3, 2, 6)
    x = 100 / (1 + np.exp(-ease - ability * np.linspace(1.5, 0.7, 6) - 0.2 * random.normal(size=(60, 6))))
    table, bounds = hide(x, random, 0.3), np.tile([0.0, 100.0], (6, 1))
    gaps = np.isnan(table)
    free, bound = complete(table), complete(table, bounds=bounds)
    assert bound.log_odds and not free.log_odds
    assert bound.intervals.min() >= 0 and bound.intervals.max() <= 100
    errors = [np.sqrt(((done.scores - x)[gaps] ** 2).mean()) for done in (free, bound)]
    assert errors[1] < 0.8 * errors[0]


def test_a_slip_is_named() -> None:
    with pytest.raises(ValueError, match="rank3"):
        complete(np.zeros((2, 2)), "rank3")
    with pytest.raises(ValueError, match="infinite"):
        complete(np.array([[1, np.inf]]))


def test_small_boards_take_the_additive_model_unless_another_is_clearly_better() -> None:
    # 20 boards of 9 x 5 that are additive: another model may look better by chance, seldom
    random = np.random.default_rng(6)
    taken = [complete(hide(additive(random, 9, 5), random, 0.1)).method for _ in range(20)]
    assert taken.count("additive") >= 14
    assert complete(hide(additive(random, 4, 5), random, 0.1), "rank2").method == "additive"


def test_intervals_cover_on_small_boards() -> None:
    # 300 boards of 6 x 4 with two missing: the Monte Carlo standard error at 95% is about 1 point
    random = np.random.default_rng(7)
    cells, means = [], []
    for _ in range(300):
        x = additive(random, 6, 4)
        table = x.copy()
        table[random.permutation(6)[:2], random.integers(0, 2, 2)] = nan
        hits = covered(table, x, complete(table, "additive"))
        cells.append(hits[0])
        means.append(hits[1])
    assert 0.92 <= np.concatenate(cells).mean() <= 0.985
    assert 0.92 <= np.concatenate(means).mean() <= 0.985


def test_intervals_of_a_task_that_two_of_ten_have() -> None:
    # 300 boards: the standard error over boards is 0.6 points; with the table's degrees of freedom it is 93%
    random = np.random.default_rng(10)
    cells = []
    for _ in range(300):
        x = additive(random, 10, 5)
        table = x.copy()
        table[random.permutation(10)[2:], 0] = nan
        cells.append(covered(table, x, complete(table, "additive"))[0].mean())
    assert 0.945 <= np.mean(cells) <= 0.99
    assert complete(table, "regression").df == 1


def test_errors_of_a_row_go_together_as_the_additive_model_says() -> None:
    # 3,000 tables of one pattern with noise of 1: the standard error of a covariance is about 0.03
    random = np.random.default_rng(11)
    errors, said = [], []
    for _ in range(3000):
        x = random.normal(size=(12, 5))
        table = x.copy()
        table[0, :3] = table[3:5, 1] = nan
        found = models.additive(table)
        errors.append((found.scores - x)[0, :3])
        said.append(found.covariance[0, :3, :3])
    assert np.mean(said, axis=0) == pytest.approx(np.cov(np.array(errors).T), abs=0.12)


@pytest.mark.slow
@pytest.mark.parametrize(
    "draw",
    [
        lambda random: additive(random, 20, 6),
        lambda random: factors(random, 20, 6, 1, 3.0),
        lambda random: factors(random, 60, 6, 2, 2.0),
    ],
    ids=["additive", "one factor", "two factors"],
)
def test_intervals_cover(draw: Callable[[np.random.Generator], np.ndarray]) -> None:
    # 20 boards, 30% missing, most of the hardest task: cells of one board err together, so that the standard
    # error over boards is 1 point
    random = np.random.default_rng(8)
    cells, means = [], []
    for _ in range(20):
        x = draw(random)
        table = hide(x, random, 0.3)
        hits = covered(table, x, complete(table))
        cells.append(hits[0].mean())
        means.append(hits[1].mean())
    assert 0.9 <= np.mean(cells) <= 0.98
    assert 0.9 <= np.mean(means) <= 0.98


def test_completion_ranks_where_the_mean_of_what_is_there_does_not() -> None:
    # 15 boards of 100 models and 6 tasks, two factors, 30% missing; the spread of tau over boards is about 0.01
    random = np.random.default_rng(9)
    present, additive_, auto = [], [], []
    for _ in range(15):
        x = factors(random, 100, 6, 2, 2.0)
        table = hide(x, random, 0.3)
        truth = x.mean(axis=1)
        present.append(kendalltau(np.nanmean(table, axis=1), truth).statistic)
        additive_.append(kendalltau(complete(table, "additive").means, truth).statistic)
        auto.append(kendalltau(complete(table).means, truth).statistic)
    assert np.mean(auto) >= 0.9
    assert np.mean(auto) > np.mean(additive_) + 0.01
    assert np.mean(present) < 0.75
