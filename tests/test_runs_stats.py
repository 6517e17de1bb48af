"""Several runs of one procedure: another one, the best of them, those that collapse, and what is outside."""

import itertools
import math

import numpy as np
import pytest
import simulated_rates as rates
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import binom, t
from simulated_scores import Setting

from suite.stats.runs import Collapses, collapse, expected_best, iqm, miss_rate, predictive_interval, re_run_p

scores = arrays(np.float64, st.integers(1, 12), elements=st.integers(0, 1000).map(lambda v: v / 1000))
levels = st.floats(0.5, 0.999)


# -- one more run ------------------------------------------------------------------------------------------------------


def test_the_predictive_interval_of_a_hand_computation() -> None:
    """Scores 1, 2, 3: mean 2, deviation 1, Student's quantile at 2 degrees of freedom 4.3027."""
    half = 4.302652729749464 * math.sqrt(4 / 3)
    assert predictive_interval(np.array([1.0, 2.0, 3.0])) == pytest.approx((2 - half, 2 + half))
    assert re_run_p(np.array([1.0, 2.0, 3.0]), 2 + half) == pytest.approx(0.05)


@given(scores, st.floats(-1, 2), levels)
def test_p_is_below_alpha_outside_the_interval(values: np.ndarray, again: float, level: float) -> None:
    bounds, p = predictive_interval(values, level), re_run_p(values, again)
    assert (bounds is None) == (p is None) == (np.ptp(values) == 0)
    if bounds and p is not None and abs(p - (1 - level)) > 1e-9:
        assert 0 <= p <= 1 and (p < 1 - level) == (not bounds[0] <= again <= bounds[1])


@given(scores, st.floats(0.1, 10), st.floats(-5, 5), levels)
def test_the_predictive_interval_moves_and_stretches(
    values: np.ndarray, scale: float, shift: float, level: float
) -> None:
    one, other = predictive_interval(values, level), predictive_interval(scale * values + shift, level)
    if one and other:
        assert other == pytest.approx((scale * one[0] + shift, scale * one[1] + shift), abs=1e-9)
        assert one[0] < values.mean() < one[1]


@pytest.mark.parametrize("values", [[0.7], [0.7] * 5, [0.9 - 0.8, 0.7 - 0.6, 0.3 - 0.2]])
def test_runs_that_do_not_differ_predict_nothing(values: list[float]) -> None:
    assert predictive_interval(np.array(values)) is None
    assert re_run_p(np.array(values), 0.2) is None


# -- collapses ---------------------------------------------------------------------------------------------------------


def test_collapses_are_counted_apart() -> None:
    found = collapse(np.array([0.9, 0.5, 0.92, 0.94, 0.5]), np.array([False, True, False, False, True]))
    half = t.ppf(0.975, 2) * 0.02 / math.sqrt(3)
    assert (found.count, found.n, found.rate) == (2, 5, 0.4)
    assert found.rate_interval == pytest.approx((0.0527, 0.8534), abs=1e-4)
    assert found.mean == pytest.approx(0.92) and found.interval == pytest.approx((0.92 - half, 0.92 + half))


@pytest.mark.parametrize(
    ("values", "lost", "mean"), [([0.5, 0.5], [1, 1], None), ([0.5, 0.9], [1, 0], 0.9), ([0.9, 0.9], [0, 0], 0.9)]
)
def test_where_fewer_than_two_others_differ_their_mean_has_no_interval(
    values: list[float], lost: list[int], mean: float | None
) -> None:
    found: Collapses = collapse(np.array(values), np.array(lost, dtype=bool))
    assert (found.mean, found.interval) == (mean, None)
    assert found.rate_interval[0] < found.rate_interval[1]


# -- the best of several -----------------------------------------------------------------------------------------------


@given(scores, st.integers(1, 30))
def test_the_expected_best_grows_from_the_mean_to_the_maximum(values: np.ndarray, n: int) -> None:
    assert expected_best(values, 1) == pytest.approx(values.mean())
    assert expected_best(values, n) <= expected_best(values, n + 1) + 1e-12
    assert expected_best(values, 10_000) == pytest.approx(values.max(), abs=1e-9)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_the_expected_best_is_the_mean_over_all_draws(n: int) -> None:
    values = [0.3, 0.9, 0.5, 0.4]
    draws = [max(draw) for draw in itertools.product(values, repeat=n)]
    assert expected_best(np.array(values), n) == pytest.approx(np.mean(draws))


def test_the_best_of_no_trial_is_refused() -> None:
    with pytest.raises(ValueError, match="best of 0"):
        expected_best(np.array([0.5]), 0)


# -- the middle half ---------------------------------------------------------------------------------------------------


@given(scores)
def test_the_middle_half_is_the_textbooks(values: np.ndarray) -> None:
    """The k lowest count as the next one up, the k highest as the next one down; h = n - 2k are kept."""
    mean, bounds = iqm(values)
    n, k, in_order = len(values), len(values) // 4, sorted(values.tolist())
    h = n - 2 * k
    assert mean == pytest.approx(sum(in_order[k : n - k]) / h)
    if bounds:
        pulled = [in_order[k]] * k + in_order[k : n - k] + [in_order[n - k - 1]] * k
        squares = sum((v - sum(pulled) / n) ** 2 for v in pulled)
        half = t.ppf(0.975, h - 1) * math.sqrt(squares / (h * (h - 1)))
        assert bounds == pytest.approx((mean - half, mean + half))
        assert bounds[0] < mean < bounds[1]


def test_one_outlier_does_not_move_the_middle_half() -> None:
    values = np.array([0.90, 0.91, 0.92, 0.93, 0.94])
    assert iqm(np.append(values[1:], 0.1))[0] == pytest.approx(iqm(values)[0], abs=0.011)
    assert iqm(np.array([0.5]))[1] is None and iqm(np.full(5, 0.5))[1] is None


# -- many re-runs ------------------------------------------------------------------------------------------------------


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_miss_rate_is_held_against_5_percent(counts: tuple[int, int]) -> None:
    misses, n = counts
    found = miss_rate(misses, n)
    assert found is not None
    assert found.p == pytest.approx(float(binom.sf(misses - 1, n, 0.05)), abs=1e-12)
    assert found.rate == misses / n and found.interval[0] < found.interval[1]


def test_the_miss_rate_of_no_re_run_is_none_and_of_too_many_misses_refused() -> None:
    assert miss_rate(0, 0) is None
    with pytest.raises(ValueError, match="3 misses of 2"):
        miss_rate(3, 2)


@pytest.mark.parametrize("wrong", [[], [0.5, math.nan], [math.inf]])
def test_scores_that_are_no_numbers_are_refused(wrong: list[float]) -> None:
    values = np.array(wrong)
    for call in (
        lambda: predictive_interval(values),
        lambda: re_run_p(values, 0.5),
        lambda: collapse(values, np.zeros(len(values), dtype=bool)),
        lambda: expected_best(values, 2),
        lambda: iqm(values),
    ):
        with pytest.raises(ValueError, match="not finite"):
            call()
    with pytest.raises(ValueError, match="not finite"):
        re_run_p(np.array([0.5, 0.6]), math.nan)
    with pytest.raises(ValueError, match="1 scores, but 2"):
        collapse(np.array([0.5]), np.array([True, False]))


# -- simulations; benchmarks/coverage.py has the same at full size -----------------------------------------------------


@pytest.mark.parametrize(("seeds", "caught"), [(3, 0.4), (5, 0.7), (10, 0.88)])
def test_a_re_run_alarms_in_5_percent_and_catches_what_is_4_deviations_worse(seeds: int, caught: float) -> None:
    """Promised: at most 7% false alarms, and 60% caught with 5 seeds; of 4,000 the simulation's error is .4 points."""
    values = rates.generator(seeds, 9).normal(size=(4000, seeds + 1))
    false, found, contrary = rates.re_run_rates(values, 1.0)
    assert 0.035 <= false <= 0.065 and found >= caught and contrary == 0


def test_a_re_run_over_one_test_set_alarms_as_seldom() -> None:
    false, found, _ = rates.re_run_rates(*rates.re_runs(Setting(5, 300, 0.4), 400))
    assert false <= 0.08 and found >= 0.6


@pytest.mark.parametrize("seeds", [5, 10])
def test_with_collapses_the_parts_are_covered_and_their_mean_is_not(seeds: int) -> None:
    """Of 4,000 the simulation's own error is .4 points; Clopper and Pearson's interval covers more than it says."""
    rate, others, naive = rates.collapse_coverages(seeds, 4000)
    assert rate >= 0.93 and 0.935 <= others <= 0.97
    assert naive <= 0.5


@pytest.mark.parametrize(("seeds", "collapses"), [(3, 0.0), (5, 0.05), (8, 0.05), (20, 0.0)])
def test_the_middle_half_is_covered(seeds: int, collapses: float) -> None:
    """93.5 to 96% of 8,000, whether runs collapse or not; of 3,000 the simulation's own error is .5 points."""
    assert 0.92 <= rates.iqm_coverage(seeds, 3000, collapses) <= 0.965
