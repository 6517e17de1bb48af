"""The intervals: equal to a slow textbook version, symmetric, and covering what they say they cover."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import norm, t

from suite.stats.intervals import NOTHING, Estimate, Share, clopper_pearson, mean_of, paired_difference, pooled, two_way

matrices = arrays(
    np.float64, st.tuples(st.integers(1, 5), st.integers(2, 30)), elements=st.floats(-10, 10).map(lambda v: round(v, 3))
)


def textbook(x: np.ndarray) -> tuple[float, float]:
    """Return the examples' and the seeds' share of the variance by sums over single cells."""
    seeds, items = x.shape
    grand = sum(x[s, j] for s, j in itertools.product(range(seeds), range(items))) / (seeds * items)
    by_item = [sum(x[s, j] for s in range(seeds)) / seeds for j in range(items)]
    by_seed = [sum(x[s, j] for j in range(items)) / items for s in range(seeds)]
    v_item = sum((m - grand) ** 2 for m in by_item) / (items - 1)
    if seeds == 1:
        return v_item / items, 0.0
    v_seed = sum((m - grand) ** 2 for m in by_seed) / (seeds - 1)
    residuals = (x[s, j] - by_seed[s] - by_item[j] + grand for s, j in itertools.product(range(seeds), range(items)))
    v_cell = sum(r**2 for r in residuals) / ((seeds - 1) * (items - 1))
    return v_item / items, max(v_seed / seeds - v_cell / (items * seeds), 0.0)


@given(matrices)
def test_two_way_equals_the_textbook(x: np.ndarray) -> None:
    found, (item, seed) = two_way(x), textbook(x)
    assert found.mean == pytest.approx(x.mean(), abs=1e-12)
    if found.item is None:
        assert item == pytest.approx(0, abs=1e-12)
        return
    assert found.item.variance == pytest.approx(item, rel=1e-9, abs=1e-12)
    assert found.seed.variance == pytest.approx(seed, rel=1e-9, abs=1e-12)
    assert found.error == pytest.approx(math.sqrt(item + seed), abs=1e-9)


@given(matrices, st.floats(-5, 5), st.randoms())
def test_two_way_moves_with_the_data_and_not_with_their_order(x: np.ndarray, shift: float, random: object) -> None:
    shuffled = x[:, np.random.default_rng(0).permutation(x.shape[1])][::-1]
    a, b = two_way(x), two_way(shuffled)
    assert a.mean == pytest.approx(b.mean)
    assert (a.error is None) == (b.error is None)
    if a.error is not None and b.error is not None:
        assert a.error == pytest.approx(b.error, abs=1e-9)


def test_one_example_has_no_interval() -> None:
    assert two_way(np.ones((3, 1))).interval() is None


def test_all_right_has_a_width() -> None:
    low, high = two_way(np.ones((3, 100))).interval() or (0, 0)
    assert high == 1 and low == pytest.approx(0.025 ** (1 / 100))


def test_clopper_pearson_of_a_known_table() -> None:
    assert clopper_pearson(5, 75) == pytest.approx((0.0220, 0.1488), abs=1e-4)


def test_one_seed_is_the_plain_interval_over_examples() -> None:
    x = np.random.default_rng(0).normal(size=(1, 200))
    half = t.ppf(0.975, 199) * x.std(ddof=1) / math.sqrt(200)
    assert two_way(x).interval() == pytest.approx((x.mean() - half, x.mean() + half))


@given(matrices, matrices)
def test_a_difference_is_antisymmetric(a: np.ndarray, b: np.ndarray) -> None:
    n = min(a.shape[1], b.shape[1])
    one, other = paired_difference(a[:, :n], b[:, :n]), paired_difference(b[:, :n], a[:, :n])
    assert one.mean == pytest.approx(-other.mean)
    assert one.error == pytest.approx(other.error) if one.error is not None else other.error is None


def test_right_on_all_against_wrong_on_all_is_a_clear_difference() -> None:
    low, high = paired_difference(np.ones((2, 50)), np.zeros((3, 50))).interval() or (0, 0)
    assert 0.9 < low < high == 1


def test_the_same_answers_have_no_interval() -> None:
    assert paired_difference(np.ones((2, 50)), np.ones((2, 50))).interval() is None


def test_a_difference_over_other_examples_is_refused() -> None:
    with pytest.raises(ValueError, match="different numbers"):
        paired_difference(np.zeros((2, 3)), np.zeros((2, 4)))


def test_mean_of_parts_without_an_error_has_none() -> None:
    assert mean_of([Estimate(0.5, Share(0.01, 10)), Estimate(0.7)], [1, 1]) == Estimate(0.6)


def test_shares_of_one_sort_pool_their_degrees_of_freedom() -> None:
    assert pooled([Share(2.0, 4), Share(2.0, 4), NOTHING]) == Share(4.0, pytest.approx(8))


def draws(rng: np.random.Generator, seeds: int, items: int, noise: float) -> tuple[np.ndarray, float]:
    """Draw right-or-wrong answers of several seeds on several items, and give the true mean."""
    spread = math.sqrt(1 + noise**2 + 0.5**2)
    latent = rng.normal(size=items) + noise * rng.normal(size=(seeds, 1)) + 0.5 * rng.normal(size=(seeds, items))
    return (latent > -0.8).astype(float), float(norm.cdf(0.8 / spread))


@pytest.mark.slow
@pytest.mark.parametrize(("seeds", "items"), [(3, 500), (5, 500), (10, 500), (3, 2000), (5, 2000), (10, 2000)])
@pytest.mark.parametrize("noise", [0.01, 0.05, 0.2, 0.5])
def test_the_interval_covers_another_seed_and_another_test_set(seeds: int, items: int, noise: float) -> None:
    """95% nominal, 93 to 97 aimed at; with 2,000 repetitions the simulation's own error is 0.5 points."""
    rng = np.random.default_rng([seeds, items, round(noise * 100)])
    hits = 0
    for _ in range(2000):
        x, truth = draws(rng, seeds, items, noise)
        low, high = two_way(x).interval() or (math.nan, math.nan)
        hits += low <= truth <= high
    assert 0.925 <= hits / 2000 <= 0.975


@pytest.mark.slow
def test_two_equal_checkpoints_are_seldom_told_apart() -> None:
    rng = np.random.default_rng(1)
    alarms = 0
    for _ in range(1000):
        items = rng.normal(size=500)
        a, b = (
            (items + 0.1 * rng.normal(size=(5, 1)) + 0.5 * rng.normal(size=(5, 500)) > -0.8).astype(float)
            for _ in range(2)
        )
        low, high = paired_difference(a, b).interval() or (0, 0)
        alarms += low > 0 or high < 0
    assert alarms / 1000 <= 0.06
