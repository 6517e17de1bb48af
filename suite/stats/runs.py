"""Several runs of one procedure: what another one may score, whether it was the same, how often runs collapse.

Scores are [S], one a run, and finite; what one run or runs that do not differ cannot tell is None.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from suite.stats.intervals import mean_interval
from suite.stats.proportions import clopper_pearson


def predictive_interval(scores: np.ndarray, level: float = 0.95) -> tuple[float, float] | None:
    """Return where one more run falls with such probability: m +- t_{S-1} s sqrt(1 + 1/S).

    For runs that are normal (Hahn & Meeker 1991, Statistical Intervals, chapter 4). None with one run, or where all
    score the same: they say nothing of how far another may lie.

    Raises:
        ValueError: a score is not finite.
    """
    from scipy.special import stdtrit

    spread = _spread(scores)
    if spread is None:
        return None
    mean, half = float(np.mean(scores)), float(stdtrit(len(scores) - 1, (1 + level) / 2)) * spread
    return mean - half, mean + half


def re_run_p(scores: np.ndarray, again: float) -> float | None:
    """Return the two-sided p of one more run that scored `again`; below .05 it is outside the predictive interval.

    Raises:
        ValueError: a score is not finite.
    """
    from scipy.special import stdtr

    _finite(np.array([again]))
    spread = _spread(scores)
    if spread is None:
        return None
    distance = abs(again - float(np.mean(scores)))
    return 2 * float(stdtr(len(scores) - 1, -distance / spread))


def _spread(scores: np.ndarray) -> float | None:
    """Return the standard error of predicting one run, or None where there is none to be had."""
    values = _finite(scores)
    if len(values) < 2 or np.ptp(values) <= 1e-12 * max(1.0, float(np.abs(values).max())):
        return None
    return float(values.std(ddof=1) * np.sqrt(1 + 1 / len(values)))


def _finite(scores: np.ndarray) -> np.ndarray:
    values = np.asarray(scores, dtype=np.float64)
    if not len(values) or not np.isfinite(values).all():
        raise ValueError("there is no score, or one that is not finite")
    return values


@dataclass(frozen=True)
class Collapses:
    """How many of n runs collapsed, their rate with its 95% interval, and the others' mean with theirs."""

    count: int
    n: int
    rate: float
    rate_interval: tuple[float, float]
    mean: float | None
    interval: tuple[float, float] | None


def collapse(scores: np.ndarray, collapsed: np.ndarray) -> Collapses:
    """Return what runs scoring [S] did, apart for those that collapsed, bool [S], and the others.

    One mean over both lies where no run is, and Student's interval for it covers far too seldom. The rate has Clopper
    and Pearson's interval, the others' mean Student's; they have none where fewer than two differ.

    Raises:
        ValueError: there is no score, or one that is not finite, or the two differ in length.
    """
    values, lost = _finite(scores), np.asarray(collapsed, dtype=bool)
    if len(values) != len(lost):
        raise ValueError(f"{len(values)} scores, but {len(lost)} are told to have collapsed or not")
    count, n = int(lost.sum()), len(lost)
    mean, interval = mean_interval(values[~lost]) if count < n else (None, None)
    return Collapses(count, n, count / n, clopper_pearson(count, n), mean, interval)


def expected_best(scores: np.ndarray, n: int) -> float:
    """Return the expected best of n trials, more being better: sum_i x_(i) ((i/V)^n - ((i-1)/V)^n) over V scores.

    Dodge et al. 2019 (arXiv 1909.03004, section 3): the mean of the maximum of n draws with replacement, a little
    below that without (Tang et al. 2020, arXiv 2004.13705). For n above V it nears the best seen, and says nothing
    of what was not.

    Raises:
        ValueError: n is below 1, or a score is not finite.
    """
    if n < 1:
        raise ValueError(f"the best of {n} trials is nothing")
    values = np.sort(_finite(scores))
    steps = (np.arange(len(values) + 1) / len(values)) ** n
    return float(np.sum(values * np.diff(steps)))


def iqm(scores: np.ndarray, level: float = 0.95) -> tuple[float, tuple[float, float] | None]:
    """Return the mean of the middle half of the runs, a quarter cut off at either end, and its interval.

    Over runs, not over tasks, as Agarwal et al. 2021 (arXiv 2108.13264) propose it. The interval is the trimmed
    mean's (Tukey & McLaughlin 1963, Sankhya A 25, 331-352): Student's at h - 1 degrees of freedom for the h runs kept,
    with the error sqrt(Q/(h(h - 1))), Q the sum of squares of the scores with the tails pulled in; it covers 93.5 to
    96% (benchmarks/coverage.py). scipy's `trimmed_mean_ci` has a smaller error. Below 4 runs nothing is cut off. None
    where fewer than two are kept, or those kept do not differ.

    Raises:
        ValueError: there is no score, or one that is not finite.
    """
    from scipy.special import stdtrit
    from scipy.stats import trim_mean

    values = np.sort(_finite(scores))
    n, cut = len(values), len(values) // 4
    kept = values[cut : n - cut]
    mean, pulled = float(trim_mean(values, 0.25)), np.clip(values, kept[0], kept[-1])
    if len(kept) < 2 or _spread(kept) is None:
        return mean, None
    error = (float(pulled.var(ddof=1)) * (n - 1) / (len(kept) * (len(kept) - 1))) ** 0.5
    half = float(stdtrit(len(kept) - 1, (1 + level) / 2)) * error
    return mean, (mean - half, mean + half)


@dataclass(frozen=True)
class MissRate:
    """How many of n re-runs missed their interval, with the rate's 95% interval and the p of so many."""

    misses: int
    n: int
    rate: float
    interval: tuple[float, float]
    p: float


def miss_rate(misses: int, n: int, expected: float = 0.05) -> MissRate | None:
    """Return whether more of n re-runs missed their predictive interval than chance has it; None for no re-run.

    p is the exact binomial test's against a rate above `expected`.

    Raises:
        ValueError: there are more misses than re-runs, or fewer than none.
    """
    from scipy.stats import binomtest

    if not 0 <= misses <= n:
        raise ValueError(f"{misses} misses of {n} re-runs")
    if n == 0:
        return None
    p = float(binomtest(misses, n, expected, alternative="greater").pvalue)
    return MissRate(misses, n, misses / n, clopper_pearson(misses, n), p)
