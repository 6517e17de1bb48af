"""Ranks over many tasks: Demsar's figures to the printed digit, scipy and scikit-learn as independent versions."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import friedmanchisquare, kendalltau, norm, rankdata

from suite.stats._ranks import shared_ranks, tau_b
from suite.stats.ranking import (
    bonferroni_dunn,
    bradley_terry,
    cliques,
    draw_means,
    friedman,
    mean_ranks,
    nemenyi,
    rank_distribution,
    rank_stability,
    tie_groups,
    why_untested,
)

# Demsar 2006, JMLR 7, table 6: AUC of C4.5, C4.5+m, C4.5+cf, C4.5+m+cf on 14 data sets; the tie of the
# thirteenth that rounding makes is taken apart as the paper's ranks have it.
DEMSAR = np.array(
    [
        [0.763, 0.599, 0.954, 0.628, 0.882, 0.936, 0.661, 0.583, 0.775, 1.0, 0.94, 0.619, 0.972, 0.957],
        [0.768, 0.591, 0.971, 0.661, 0.888, 0.931, 0.668, 0.583, 0.838, 1.0, 0.962, 0.666, 0.981, 0.978],
        [0.771, 0.59, 0.968, 0.654, 0.886, 0.916, 0.609, 0.563, 0.866, 1.0, 0.965, 0.614, 0.97501, 0.946],
        [0.798, 0.569, 0.967, 0.657, 0.898, 0.931, 0.685, 0.625, 0.875, 1.0, 0.962, 0.669, 0.975, 0.97],
    ]
)
grades = arrays(np.float64, st.tuples(st.integers(1, 6), st.integers(1, 6)), elements=st.integers(0, 4).map(float))


def test_demsar_to_the_printed_digit() -> None:
    found = friedman(DEMSAR)
    assert found is not None
    assert found.mean_ranks.round(3).tolist() == [3.143, 2.0, 2.893, 1.964]
    assert (round(found.chi2, 3), round(found.chi2_ties, 3)) == (9.279, 10.228)
    assert found.f is not None
    assert (round(found.f, 3), found.df_f, round(found.critical_f(), 3)) == (3.686, (3, 39), 2.845)
    assert round(nemenyi(4, 14), 3) == 1.254
    assert round(nemenyi(4, 14, alpha=0.1), 3) == 1.118
    assert round(bonferroni_dunn(4, 14), 3) == 1.168


def test_critical_values_are_those_of_demsars_table_5() -> None:
    unit = [math.sqrt(k * (k + 1) / 6) for k in range(2, 11)]
    found = {
        0.05: [1.960, 2.343, 2.569, 2.728, 2.850, 2.949, 3.031, 3.102, 3.164],
        0.10: [1.645, 2.052, 2.291, 2.459, 2.589, 2.693, 2.780, 2.855, 2.920],
    }
    for alpha, printed in found.items():
        ours = [nemenyi(k, 1, alpha) / u for k, u in zip(range(2, 11), unit, strict=True)]
        assert ours == pytest.approx(
            printed, abs=0.0011
        )  # the table is rounded, its last digit now and then off by one
    dunn = [bonferroni_dunn(k, 1) / math.sqrt(k * (k + 1) / 6) for k in range(2, 9)]
    assert dunn == pytest.approx([1.960, 2.241, 2.394, 2.498, 2.576, 2.638, 2.690], abs=0.0011)


def test_groups_of_demsars_example() -> None:
    # at 10%: C4.5 differs from both that tune m, and C4.5+cf from none
    assert cliques(mean_ranks(DEMSAR), nemenyi(4, 14, alpha=0.1)) == [(3, 1, 2), (2, 0)]
    assert cliques([1.0, 2.0], 1.0) == []  # "at least the critical difference" differs


@given(grades)
def test_friedman_equals_scipy_corrected_for_ties(scores: np.ndarray) -> None:
    assume(scores.shape[0] > 2)
    found = friedman(scores)
    if found is None:
        assert why_untested(scores)
        return
    expected = friedmanchisquare(*scores)
    assert found.chi2 <= found.chi2_ties + 1e-12
    assert found.chi2_ties == pytest.approx(expected.statistic, rel=1e-9, abs=1e-9)
    assert found.p_ties == pytest.approx(expected.pvalue, rel=1e-6, abs=1e-12)


def test_f_is_that_of_a_two_way_analysis_of_variance_of_the_ranks() -> None:
    scores = np.random.default_rng(0).normal(size=(5, 9)) + np.arange(5)[:, None] / 2
    ranks = rankdata(-scores, axis=0)
    between = 9 * ((ranks.mean(axis=1) - 3) ** 2).sum() / 4
    residual = ((ranks - ranks.mean(axis=1, keepdims=True)) ** 2).sum() / (4 * 8)
    found = friedman(scores)
    assert found is not None and found.f == pytest.approx(between / residual)


def test_tasks_that_all_agree_have_no_f_but_the_chance_of_that() -> None:
    scores = np.arange(4.0)[:, None] + np.arange(5)
    found = friedman(scores)
    assert found is not None and found.f is None
    assert found.p_f == pytest.approx((1 / 24) ** 4)
    assert found.chi2 == pytest.approx(5 * 3)
    many = friedman(np.arange(500.0)[:, None] + np.arange(3))
    assert many is not None and 0 <= many.p_f < 1e-300


def test_two_models_are_a_count_of_wins() -> None:
    scores = np.array([[1, 1, 1, 1, 0.0], [0, 0, 0, 0, 1]])
    found = friedman(scores)
    assert found is not None and found.chi2 == pytest.approx((4 - 1) ** 2 / 5)


@pytest.mark.parametrize(
    ("scores", "why"),
    [
        (np.ones((3, 4)), "all models score the same on every task"),
        (np.arange(3.0)[:, None], "two tasks"),
        (np.arange(3.0)[None], "two models"),
    ],
)
def test_no_test_without_reason(scores: np.ndarray, why: str) -> None:
    assert friedman(scores) is None
    assert why in str(why_untested(scores))


def test_ranks_ask_for_a_complete_table() -> None:
    for ask in (mean_ranks, friedman):
        with pytest.raises(ValueError, match="missing"):
            ask(np.array([[1, np.nan], [2, 3.0]]))
    with pytest.raises(ValueError, match="no task"):
        mean_ranks(np.zeros((3, 0)))
    for critical in (nemenyi, bonferroni_dunn):
        with pytest.raises(ValueError, match="two models"):
            critical(1, 5)


@pytest.mark.parametrize("k", [3, 8])
def test_nemenyi_errs_at_most_alpha_family_wise(k: int) -> None:
    # 20,000 boards of equal models: the Monte Carlo standard error at 5% is 0.15 points
    random = np.random.default_rng(k)
    ranks = random.random((20_000, k, 12)).argsort(axis=1).argsort(axis=1).mean(axis=2)
    rate = (np.ptp(ranks, axis=1) >= nemenyi(k, 12)).mean()
    assert 0.02 < rate < 0.055


@given(st.lists(st.integers(2, 20), min_size=1, max_size=8), st.floats(0.3, 8))
def test_groups_are_the_largest_and_hold_every_pair_that_is_close(halves: list[int], cd: float) -> None:
    ranks = np.array(halves) / 2
    groups = [set(group) for group in cliques(ranks, cd)]
    for one, other in itertools.combinations(range(len(ranks)), 2):
        together = any({one, other} <= group for group in groups)
        assert together == (abs(ranks[one] - ranks[other]) < cd)
    assert not any(a < b for a, b in itertools.permutations(groups, 2))


def test_strengths_equal_a_logistic_regression() -> None:
    from sklearn.linear_model import LogisticRegression

    scores = np.random.default_rng(1).normal(size=(6, 7))
    scores[np.random.default_rng(2).random((6, 7)) < 0.3] = np.nan
    rows, targets, weights = [], [], []
    for task in scores.T:
        for i, j in itertools.combinations(np.flatnonzero(~np.isnan(task)), 2):
            rows.append(np.eye(6)[i] - np.eye(6)[j])
            targets.append(task[i] > task[j])
            weights.append(1.0)
    for i, won in itertools.product(range(6), (False, True)):  # half a game won, half lost, to one of strength 0
        rows.append(np.eye(6)[i])
        targets.append(won)
        weights.append(0.5)
    fit = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-10, max_iter=1000).fit(rows, targets, weights)
    found = bradley_terry(scores)
    assert found is not None
    assert found == pytest.approx(fit.coef_[0] - fit.coef_[0].mean(), abs=1e-4)


@given(grades)
def test_strengths_on_a_complete_table_are_ordered_as_the_mean_ranks(scores: np.ndarray) -> None:
    found = bradley_terry(scores)
    assert found is not None and np.isfinite(found).all()
    assert found.mean() == pytest.approx(0, abs=1e-9)
    assert rankdata(-found.round(6)).tolist() == rankdata(mean_ranks(scores).round(9)).tolist()


def test_strengths_stay_finite_for_the_unbeaten_and_equal_for_equals() -> None:
    found = bradley_terry(np.array([[9.0, 9, 9], [1, 2, np.nan], [1, 2, np.nan], [0, 0, 0]]))
    assert found is not None
    assert found[1] == pytest.approx(found[2], abs=1e-6)
    assert found[0] > found[1] > found[3]
    assert np.abs(found).max() < 10


def test_strengths_want_a_chain_of_shared_tasks() -> None:
    nan = np.nan
    assert bradley_terry(np.array([[1, nan], [2, nan], [nan, 3], [nan, 4.0]])) is None
    assert bradley_terry(np.array([[1, nan], [2, 5], [nan, 4.0]])) is not None
    assert bradley_terry(np.array([[1, 2], [nan, nan]])) is None
    assert bradley_terry(np.array([[1.0, 2]])) == pytest.approx([0])


def test_strengths_find_the_order_where_the_mean_of_what_is_there_does_not() -> None:
    random = np.random.default_rng(3)
    ability = np.linspace(2, -2, 12)
    scores = 50 + 3 * ability[:, None] + np.array([30, 20, 10, 0, -10, -20.0]) + random.normal(size=(12, 6))
    scores[::2, 4:] = np.nan  # half the models skip the hard tasks
    found = bradley_terry(scores)
    assert found is not None
    assert np.corrcoef(rankdata(found), rankdata(ability))[0, 1] > 0.95
    assert np.corrcoef(rankdata(np.nanmean(scores, axis=1)), rankdata(ability))[0, 1] < 0.8


def test_groups_from_the_top_compare_with_their_first() -> None:
    means = [10, 9, 8, 7, 3]
    assert tie_groups(5, lambda one, other: means[one] - means[other] > 2) == [1, 1, 1, 2, 3]
    assert tie_groups(5, lambda one, other: False) == [1] * 5
    assert tie_groups(3, lambda one, other: True) == [1, 2, 3]
    assert tie_groups(1, lambda one, other: True) == [1]
    assert tie_groups(0, lambda one, other: True) == []


def test_stability_by_hand() -> None:
    # means 5, 4, 1; without task 0: 2, 4.5, 1 (one pair of three turned); without 1: 6.5, 4.5, 1; without 2: 6.5, 3, 1
    scores = np.array([[11, 2, 2], [3, 3, 6], [1, 1, 1.0]])
    found = rank_stability(scores)
    assert found is not None
    assert found.taus == pytest.approx((1 / 3, 1, 1))
    assert (found.lowest, found.mean) == pytest.approx((1 / 3, 7 / 9))
    assert (found.top_stays, found.flips) == (2, (0,))


def test_stability_where_little_can_be_said() -> None:
    assert rank_stability(np.array([[1.0], [2]])) is None
    assert rank_stability(np.array([[1.0, 2]])) is None
    equal = rank_stability(np.full((3, 4), 0.7))
    assert equal is not None and (equal.taus, equal.flips) == ((1.0,) * 4, ())
    cancel = rank_stability(np.array([[0.1, 0.2], [0.2, 0.1]]))
    assert cancel is not None and (cancel.taus, cancel.top_stays, cancel.flips) == ((0.0, 0.0), 0, (0, 1))


@given(arrays(np.float64, st.tuples(st.just(2), st.integers(2, 40)), elements=st.integers(0, 30).map(float)))
def test_ranks_and_tau_are_those_of_scipy_bit_for_bit(rows: np.ndarray) -> None:
    one, other = rows
    assert shared_ranks(one).tolist() == rankdata(one).tolist()
    assume(np.ptp(one) > 0 and np.ptp(other) > 0)
    assert tau_b(one, other) == kendalltau(one, other).statistic


@given(grades)
def test_stability_is_never_nan_and_takes_no_notice_of_the_order_of_models(scores: np.ndarray) -> None:
    found = rank_stability(scores)
    turned = rank_stability(scores[::-1])
    if found is None or turned is None:
        assert min(scores.shape) < 2
        return
    assert found.taus == pytest.approx(turned.taus)
    assert found.flips == turned.flips
    assert -1 <= found.lowest <= found.mean + 1e-12 <= 1 + 2e-12
    assert found.top_stays + len(found.flips) == scores.shape[1]


@given(arrays(np.float64, st.tuples(st.integers(1, 9), st.integers(1, 6)), elements=st.integers(0, 3).map(float)))
def test_chances_of_ranks_add_up_both_ways(draws: np.ndarray) -> None:
    chances = rank_distribution(draws)
    assert chances.sum(axis=0) == pytest.approx(np.ones(draws.shape[1]))
    assert chances.sum(axis=1) == pytest.approx(np.ones(draws.shape[1]))
    means = (chances * np.arange(1, draws.shape[1] + 1)).sum(axis=1)
    assert means == pytest.approx(rankdata(-draws, axis=1).mean(axis=0))


def test_chances_of_ranks_of_two_normal_means() -> None:
    # 40,000 draws: the Monte Carlo standard error is 0.0025 at most
    chances = rank_distribution(draw_means(np.array([1.0, 0.0]), np.array([1.0, 2.0]), draws=40_000))
    assert chances[0, 0] == pytest.approx(norm.cdf(1 / 5**0.5), abs=0.01)


def test_draws_follow_errors_covariance_and_degrees_of_freedom() -> None:
    means, errors = np.array([0.5, 0.6]), np.array([0.01, 0.03])
    assert (draw_means(means, errors, seed=3) == draw_means(means, errors, seed=3)).all()
    assert draw_means(means, errors).std(axis=0) == pytest.approx(errors, rel=0.03)
    covariance = np.array([[1.0, 0.8], [0.8, 1.0]])
    assert np.corrcoef(draw_means(means, covariance).T)[0, 1] == pytest.approx(0.8, abs=0.02)
    outside = (np.abs(draw_means(means, errors, df=3, draws=40_000) - means) > 3.182 * errors).mean()
    assert outside == pytest.approx(0.05, abs=0.005)
    together = draw_means(means, covariance, df=3, draws=40_000)
    assert (np.abs(together - means) > 3.182).mean() == pytest.approx(0.05, abs=0.006)
    with pytest.raises(ValueError, match="finite"):
        draw_means(means, np.array([0.1, np.nan]))
