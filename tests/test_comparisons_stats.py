"""Two checkpoints compared: equal to the textbook, the same from either side, and wrong as seldom as promised."""

import math
import time

import numpy as np
import pytest
import simulated_rates as rates
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import mannwhitneyu, wilcoxon
from simulated_scores import Setting, differences

from suite.stats.comparisons import (
    ProbabilityOfImprovement,
    Side,
    equivalence,
    holm,
    p_better,
    seeds_needed,
    signed_rank_rope,
    signed_ranks,
    verdict,
)
from suite.stats.intervals import NOTHING, Estimate, Share, p_value, paired_difference, pooled

p_values = st.lists(st.floats(0, 1), min_size=0, max_size=30)
shares = st.builds(Share, st.floats(1e-6, 1e-2), st.floats(1.0, 2000.0))
estimates = st.builds(Estimate, st.floats(-0.3, 0.3), shares, shares)
scores = arrays(np.float64, st.integers(2, 10), elements=st.integers(0, 20).map(lambda v: v / 20))
gaps = arrays(np.float64, st.integers(1, 20), elements=st.integers(-50, 50).map(lambda v: v / 1000))


# -- Holm --------------------------------------------------------------------------------------------------------------


@given(p_values.filter(bool))
def test_holm_is_statsmodels(raw: list[float]) -> None:
    from statsmodels.stats.multitest import multipletests

    assert holm(raw) == pytest.approx(multipletests(raw, method="holm")[1].tolist(), abs=1e-12)


@given(p_values)
def test_holm_keeps_the_order_and_never_lowers(raw: list[float]) -> None:
    found = holm(raw)
    assert all(adjusted is not None and p <= adjusted <= 1 for p, adjusted in zip(raw, found, strict=True))
    in_order = [found[i] for i in np.argsort(raw, kind="stable")]
    assert in_order == sorted(in_order, key=float)
    assert holm(raw[::-1]) == pytest.approx(found[::-1])


def test_holm_counts_no_test_that_was_not_made() -> None:
    assert holm([0.01, None, 0.04, 0.03]) == pytest.approx([0.03, None, 0.06, 0.06])
    assert holm([None]) == [None] and holm([]) == []


@pytest.mark.parametrize("wrong", [-0.1, 1.1, math.nan])
def test_holm_refuses_what_is_no_p(wrong: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        holm([0.5, wrong])


# -- verdicts ----------------------------------------------------------------------------------------------------------


@given(estimates, st.floats(0.001, 0.4))
def test_the_same_is_a_90_percent_interval_within_the_margin(found: Estimate, delta: float) -> None:
    p, (low, high) = equivalence(found, delta), found.interval(0.9) or (0, 0)
    assert p is not None and 0 <= p <= 1
    if abs(p - 0.05) > 1e-9:
        assert (p < 0.05) == (-delta < low and high < delta)


@given(estimates, st.floats(0.001, 0.4), st.floats(0, 1))
def test_a_verdict_is_the_same_from_either_side(found: Estimate, delta: float, p: float) -> None:
    turned = Estimate(-found.mean, found.item, found.seed)
    assert equivalence(found, delta) == pytest.approx(equivalence(turned, delta), abs=1e-9)
    assert verdict(found, delta, p) == verdict(turned, delta, p)


def test_verdicts_of_plain_cases() -> None:
    close = Share(1e-6, 500)
    for mean, p, expected in ((0.03, 0.001, "different"), (0.001, 0.3, "same"), (0.0095, 0.3, "undecided")):
        assert verdict(Estimate(mean, close), 0.01, p) == expected
    assert verdict(Estimate(0.005, close), 0.01, 1e-6) == "different"  # and within the margin, too
    assert verdict(Estimate(0.005, Share(1e-3, 500)), 0.01, 0.9) == "undecided"
    assert verdict(Estimate(0.0), 0.01, None) == "undecided"  # nothing is known of how far it might be


def test_all_examples_alike_give_a_verdict_by_counts() -> None:
    found = paired_difference(np.full((2, 40), 0.502), np.full((2, 40), 0.5))
    assert verdict(found, 0.01, p_value(found)) == "different"
    few = paired_difference(np.full((2, 4), 0.502), np.full((2, 4), 0.5))
    assert p_value(few) == pytest.approx(1 / 8)
    assert verdict(few, 0.01, p_value(few)) == "same"
    assert verdict(few, 0.001, p_value(few)) == "undecided"


@pytest.mark.parametrize("delta", [0.0, -0.01, math.nan])
def test_a_margin_of_nothing_is_refused(delta: float) -> None:
    with pytest.raises(ValueError, match="above 0"):
        equivalence(Estimate(0.1, Share(1e-4, 10)), delta)


# -- seeds that would decide -------------------------------------------------------------------------------------------


def sides(seeds_a: int, sd_a: float, seeds_b: int, sd_b: float) -> tuple[Side, Side]:
    a, b = ((n, Share(sd**2 / n, n - 1.0)) for n, sd in ((seeds_a, sd_a), (seeds_b, sd_b)))
    return Side(*a), Side(*b)


def of(mean: float, item: float, both: tuple[Side, Side]) -> Estimate:
    return Estimate(mean, Share(item, 999.0), pooled(side.share for side in both))


@given(
    st.floats(-0.05, 0.05),
    st.floats(1e-7, 1e-3),
    st.integers(2, 8),
    st.integers(2, 8),
    st.floats(0, 0.05),
    st.floats(0, 0.05),
    st.sampled_from([1.0, 3.0, 40.0]),
)
def test_the_seeds_needed_decide_and_one_less_does_not(
    mean: float, item: float, seeds_a: int, seeds_b: int, sd_a: float, sd_b: float, adjustment: float
) -> None:
    both = sides(seeds_a, sd_a, seeds_b, sd_b)

    def decided(seeds: int) -> bool:
        then = of(mean, item, (Side(seeds, both[0].at(seeds)), Side(seeds, both[1].at(seeds))))
        p = p_value(then)
        return verdict(then, 0.01, min(1.0, adjustment * p) if p is not None else None) != "undecided"

    needed = seeds_needed(of(mean, item, both), both, 0.01, adjustment)
    if needed is None:
        assert not decided(1000)
    else:
        assert needed >= max(seeds_a, seeds_b) and decided(needed)
        assert needed == max(seeds_a, seeds_b) or not decided(needed - 1)


def test_more_seeds_do_not_help_where_the_examples_are_too_few() -> None:
    both = sides(3, 0.005, 3, 0.005)
    assert seeds_needed(of(0.02, 4e-4, both), both, 0.01) is None
    assert seeds_needed(of(0.007, 1e-6, both), both, 0.0001) == 6


def test_one_seed_or_no_error_says_nothing_of_more() -> None:
    both = Side(1, NOTHING), Side(5, Share(1e-5, 4))
    assert seeds_needed(Estimate(0.02, Share(1e-3, 99), Share(1e-5, 4)), both, 0.01) is None
    assert seeds_needed(Estimate(0.02), sides(3, 0.01, 3, 0.01), 0.01) is None


def test_the_seeds_needed_are_about_those_that_do() -> None:
    """With as many seeds as the median of 60 undecided comparisons of 3 asked for, half of 200 others are decided."""
    few, rng = Setting(3, 2000, 0.05), np.random.default_rng(5)
    found = [one for one in differences(rng, few, 60, 1.0, 0.02) if (p_value(one) or 1) > 0.05]
    needed = []
    for one in found:
        half = Share(one.seed.variance / 2, 2.0)
        needed.append(seeds_needed(one, (Side(3, half), Side(3, half)), 0.001) or 1000)
    many = Setting(int(np.median(needed)), 2000, 0.05)
    decided = np.mean([(p_value(one) or 1) < 0.05 for one in differences(rng, many, 200, 1.0, 0.02)])
    assert len(found) > 10 and decided > 0.5


# -- P(A > B) ----------------------------------------------------------------------------------------------------------


@given(scores, scores)
def test_p_better_is_mann_and_whitneys_share(a: np.ndarray, b: np.ndarray) -> None:
    found, turned = p_better(a, b), p_better(b, a)
    assert found is not None and turned is not None
    assert found.value == pytest.approx(mannwhitneyu(a, b).statistic / (len(a) * len(b)))
    assert found.value == pytest.approx(1 - turned.value)
    assert found.interval == pytest.approx((1 - turned.interval[1], 1 - turned.interval[0]), abs=1e-9)
    low, high = found.interval
    assert 0 <= low <= found.value <= high <= 1 and high - low > 0.1


@given(scores, scores)
def test_p_better_knows_order_alone(a: np.ndarray, b: np.ndarray) -> None:
    assert p_better(np.exp(3 * a), np.exp(3 * b)) == p_better(a, b)


def test_p_better_of_runs_that_never_cross() -> None:
    """With 3 a side the exact p is .1, with 5 it is .008: only the second leaves one half out."""
    three, five = (p_better(np.arange(n) + 10.0, np.arange(n) + 0.0) for n in (3, 5))
    assert three is not None and five is not None
    assert three.value == five.value == three.interval[1] == 1
    assert three.interval[0] == pytest.approx(0.336576, abs=1e-5) and five.interval[0] == pytest.approx(0.562444)
    assert five.meaningful and not three.meaningful
    assert not ProbabilityOfImprovement(0.7, (0.55, 0.8)).meaningful


def test_p_better_takes_two_runs_and_finite_ones() -> None:
    assert p_better(np.array([0.9]), np.array([0.1, 0.2])) is None
    assert p_better(np.array([0.9, 0.8]), np.array([])) is None
    same = p_better(np.ones(3), np.ones(4))
    assert same is not None and same.value == 0.5 and same.interval[0] < 0.2
    with pytest.raises(ValueError, match="not finite"):
        p_better(np.array([0.9, math.nan]), np.array([0.1, 0.2]))


# -- many tasks --------------------------------------------------------------------------------------------------------

# Demsar 2006, table 6: AUC of C4.5 and of C4.5 with the parameter m tuned
C45 = [0.763, 0.599, 0.954, 0.628, 0.882, 0.936, 0.661, 0.583, 0.775, 1, 0.94, 0.619, 0.972, 0.957]
TUNED = [0.768, 0.591, 0.971, 0.661, 0.888, 0.931, 0.668, 0.583, 0.838, 1, 0.962, 0.666, 0.981, 0.978]
DEMSAR = np.array(TUNED) - np.array(C45)


def test_signed_ranks_of_demsars_table() -> None:
    found = signed_ranks(DEMSAR)
    assert found is not None
    assert (found.plus, found.minus) == (93, 12)
    assert found.z == pytest.approx(-2.542, abs=5e-4)
    scipys = wilcoxon(np.round(DEMSAR, 6), zero_method="zsplit", method="asymptotic", correction=False)
    assert scipys.pvalue == pytest.approx(0.01097, abs=5e-6)
    assert found.p == pytest.approx(scipys.pvalue, abs=1e-4)  # scipy corrects for ties


@given(gaps)
def test_signed_ranks_mirror(differences: np.ndarray) -> None:
    one, other = signed_ranks(differences), signed_ranks(-differences)
    assert (one is None) == (other is None) == (not differences.any())
    if one and other:
        assert (one.plus, one.minus, one.p) == (other.minus, other.plus, other.p)
        assert 0 < one.p <= 1
        assert one.plus + one.minus == len(differences) * (len(differences) + 1) / 2


def test_the_bayesian_signed_ranks_are_baycomps() -> None:
    """baycomp 1.0.3 gives .671, .329 and 0 from 200,000 samples; each P here varies by .002."""
    assert signed_rank_rope(DEMSAR, 0.01) == pytest.approx((0.6714, 0.3287, 0), abs=0.008)


@given(gaps, st.sampled_from([0.0, 0.001, 0.01]))
def test_the_bayesian_signed_ranks_mirror(differences: np.ndarray, rope: float) -> None:
    better, same, worse = signed_rank_rope(differences, rope, 2000)
    assert better + same + worse == pytest.approx(1) and min(better, same, worse) >= 0
    assert signed_rank_rope(-differences, rope, 2000) == pytest.approx((worse, same, better))
    assert signed_rank_rope(differences[::-1], rope, 2000, 3) == pytest.approx((better, same, worse), abs=0.1)


def test_the_bayesian_signed_ranks_of_clear_cases() -> None:
    assert signed_rank_rope(np.full(10, 0.05), 0.01)[0] > 0.999
    assert signed_rank_rope(np.full(10, -0.05), 0.01)[2] > 0.999
    assert signed_rank_rope(np.full(10, 0.001), 0.01)[1] == 1
    assert signed_rank_rope(np.zeros(5), 0.01) == (0, 1, 0)
    assert signed_rank_rope(np.zeros(5), 0.0) == (0.5, 0, 0.5)  # nothing is the same within no margin
    assert signed_rank_rope(np.full(10, 0.05), 0.01) == signed_rank_rope(np.full(10, 0.05), 0.01)


@pytest.mark.parametrize(("differences", "rope"), [([], 0.01), ([0.1], -0.01), ([0.1, math.nan], 0.01)])
def test_the_bayesian_signed_ranks_refuse(differences: list[float], rope: float) -> None:
    with pytest.raises(ValueError, match=r"finite|at least one"):
        signed_rank_rope(np.array(differences), rope)


# -- simulations; benchmarks/coverage.py has the same at full size -----------------------------------------------------


@pytest.mark.parametrize("seeds", [3, 5, 10])
def test_equal_checkpoints_are_told_apart_in_5_percent(seeds: int) -> None:
    """At most 5% are promised; of 2,000 the simulation's own error is .5 points, three times that is granted."""
    assert rates.false_different(Setting(seeds, 500, 0.05), 1.0, 2000) <= 0.065
    assert rates.false_different(Setting(seeds, 500, 0.05), 0.8, 1000) <= 0.07


@pytest.mark.parametrize("seeds", [3, 10])
def test_of_twenty_equal_checkpoints_seldom_any_are_told_apart(seeds: int) -> None:
    """Of all 190 pairs, with Holm: at most 5% promised, 60 repetitions. Unadjusted it is nearly always one."""
    holms, unadjusted = rates.family_wise(Setting(seeds, 300, 0.05), 1.0, 20, 60)
    assert holms <= 0.12 and unadjusted >= 0.7


@pytest.mark.parametrize("seeds", [3, 5, 10])
def test_what_differs_by_the_margin_is_called_the_same_in_5_percent(seeds: int) -> None:
    """And what does not differ is called so far more often: of 10 seeds and 2,000 examples, nearly always."""
    setting = Setting(seeds, 2000, 0.05)
    assert rates.same(setting, 0.9, 0.03, 0.03, 1000) <= 0.071
    assert rates.same(setting, 0.9, 0.03, 0.0, 200) >= {3: 0.15, 5: 0.5, 10: 0.9}[seeds]


@pytest.mark.parametrize("draw", [rates.normal_scores, rates.uneven_scores, rates.skewed_scores])
@pytest.mark.parametrize(("s_a", "s_b"), [(3, 3), (5, 5), (10, 5), (10, 10)])
def test_p_better_is_covered(draw: rates.Draw, s_a: int, s_b: int) -> None:
    """93.8% at the worst of 8,000; of 1,500 the simulation's own error is .6 points. With 3 a side up to all."""
    for truth in (0.5, 0.75, 0.95):
        assert rates.p_better_coverage(draw, truth, s_a, s_b, 1500) >= 0.92, truth


def test_two_checkpoints_of_5_seeds_and_10000_examples_take_a_moment() -> None:
    rng = np.random.default_rng(0)
    a, b = ((rng.random((5, 10_000)) < 0.8).astype(np.float64) for _ in range(2))
    started = time.perf_counter()
    found = paired_difference(a, b)
    assert verdict(found, 0.01, p_value(found)) in ("same", "undecided", "different")
    assert time.perf_counter() - started < 0.2
