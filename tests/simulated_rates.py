"""How often intervals hold the truth and verdicts are wrong, over many simulated comparisons and re-runs.

Each function draws from a generator of its own, so that one figure does not move when another is added, and returns
rates over the repetitions asked for.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
from scipy.stats import norm
from simulated_scores import Scores, Setting, checkpoints, coverage, differences, parts

from suite.stats.comparisons import equivalence, holm, p_better, verdict
from suite.stats.intervals import mean_interval, p_value, paired_difference
from suite.stats.runs import collapse, iqm, predictive_interval, re_run_p

ALPHA = 0.05


def generator(*of: float) -> np.random.Generator:
    """Return the generator of one cell of a table."""
    return np.random.default_rng([round(1000 * value) for value in of])


def of_setting(setting: Setting, *more: float) -> np.random.Generator:
    return generator(setting.seeds, setting.items, setting.noise, *more)


# -- intervals ---------------------------------------------------------------------------------------------------------


def interval_coverage(scores: Scores, setting: Setting, repetitions: int) -> float:
    return coverage(*scores(of_setting(setting), setting, repetitions))


def difference_coverage(setting: Setting, likeness: float, gap: float, repetitions: int) -> float:
    rng = of_setting(setting, likeness, gap)
    return coverage(differences(rng, setting, repetitions, likeness, gap), gap)


# -- verdicts ----------------------------------------------------------------------------------------------------------


def false_different(setting: Setting, likeness: float, repetitions: int) -> float:
    """Return how often two equally good checkpoints are told apart; with likeness 1 they are one procedure."""
    found = differences(of_setting(setting, likeness, 1), setting, repetitions, likeness)
    return float(np.mean([verdict(one, 0.01, p_value(one)) == "different" for one in found]))


def family_wise(setting: Setting, likeness: float, count: int, repetitions: int) -> tuple[float, float]:
    """Return how often any pair of so many equally good checkpoints is told apart, with Holm and without."""
    rng, alarms = of_setting(setting, likeness, count), np.zeros(2)
    for _ in range(repetitions):
        drawn = checkpoints(rng, setting, count, likeness)
        found = [p_value(paired_difference(a, b)) for a, b in itertools.combinations(drawn, 2)]
        adjusted = [p for p in holm(found) if p is not None]
        alarms += [min(adjusted) < ALPHA, min(p for p in found if p is not None) < ALPHA]
    return float(alarms[0]) / repetitions, float(alarms[1]) / repetitions


def same(setting: Setting, likeness: float, delta: float, gap: float, repetitions: int) -> float:
    """Return how often checkpoints that truly differ by `gap` are shown to be within +-delta."""
    found = differences(of_setting(setting, likeness, delta, gap), setting, repetitions, likeness, gap)
    return float(np.mean([(p := equivalence(one, delta)) is not None and p < ALPHA for one in found]))


Draw = Callable[[np.random.Generator, float, int, int, int], tuple[np.ndarray, np.ndarray]]
"""Scores [repetitions, S_a] and [repetitions, S_b] with so large a P(A > B)."""


def normal_scores(
    rng: np.random.Generator, truth: float, s_a: int, s_b: int, repetitions: int
) -> tuple[np.ndarray, np.ndarray]:
    a, b = rng.normal(size=(repetitions, s_a)), rng.normal(size=(repetitions, s_b))
    return a + math.sqrt(2) * float(norm.ppf(truth)), b


def uneven_scores(
    rng: np.random.Generator, truth: float, s_a: int, s_b: int, repetitions: int
) -> tuple[np.ndarray, np.ndarray]:
    """B's spread is three times A's."""
    a, b = rng.normal(size=(repetitions, s_a)), 3 * rng.normal(size=(repetitions, s_b))
    return a + math.sqrt(10) * float(norm.ppf(truth)), b


def skewed_scores(
    rng: np.random.Generator, truth: float, s_a: int, s_b: int, repetitions: int
) -> tuple[np.ndarray, np.ndarray]:
    """Exponential ones."""
    return rng.exponential(truth, (repetitions, s_a)), rng.exponential(1 - truth, (repetitions, s_b))


def p_better_coverage(draw: Draw, truth: float, s_a: int, s_b: int, repetitions: int) -> float:
    drawn = zip(*draw(generator(truth, s_a, s_b), truth, s_a, s_b, repetitions), strict=True)
    found = [p_better(a, b) for a, b in drawn]
    return float(np.mean([one is not None and one.interval[0] <= truth <= one.interval[1] for one in found]))


# -- runs --------------------------------------------------------------------------------------------------------------


def with_collapses(
    rng: np.random.Generator, seeds: int, repetitions: int, rate: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return scores [repetitions, S] about .90 with a spread of .01, those that collapsed about .50, and which did."""
    lost = rng.random((repetitions, seeds)) < rate
    return np.where(lost, 0.5, 0.9) + 0.01 * rng.normal(size=lost.shape), lost


def collapse_coverages(seeds: int, repetitions: int, rate: float = 0.05) -> tuple[float, float, float]:
    """Return how often the rate, the others' mean, and (by Student over all runs) the mean of all is covered."""
    hits = np.zeros(3)
    truths = (rate, 0.9, 0.9 - rate * 0.4)
    for scores, lost in zip(*with_collapses(generator(seeds, rate), seeds, repetitions, rate), strict=True):
        found = collapse(scores, lost)
        bounds = (found.rate_interval, found.interval or (0.0, 1.0), mean_interval(scores)[1] or (0.0, 1.0))
        hits += [low <= truth <= high for (low, high), truth in zip(bounds, truths, strict=True)]
    rates = (hits / repetitions).tolist()
    return rates[0], rates[1], rates[2]


def re_runs(setting: Setting, repetitions: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the accuracies [repetitions, S + 1] of runs over one test set, and the spread of all such runs [.., 1].

    The spread is that of 400 further runs over the same test set.
    """
    rng, found, spreads = of_setting(setting, 7), [], []
    for count in parts(repetitions):
        from simulated_scores import CELL, CUT, normal

        items, runs = normal(rng, count, 1, setting.items), setting.seeds + 1 + 400
        right = np.empty((count, runs))
        for run in range(runs):
            margin = items[:, 0] + setting.noise * normal(rng, count, 1) + CELL * normal(rng, count, setting.items)
            right[:, run] = (margin > -CUT).mean(axis=1)
        found.append(right[:, : setting.seeds + 1])
        spreads.append(right[:, setting.seeds + 1 :].std(axis=1, ddof=1))
    return np.concatenate(found), np.concatenate(spreads)[:, None]


def re_run_rates(scores: np.ndarray, spread: np.ndarray | float) -> tuple[float, float, float]:
    """Return how often a re-run of S + 1 [repetitions, S + 1] is outside the interval of the first S: as it is, and
    `spread` times 4 worse; and how often p < .05 says otherwise than the interval."""
    alarms = []
    for drop in (0.0, 4.0):
        again = scores[:, -1:] - drop * spread
        for runs, one in zip(scores[:, :-1], again[:, 0], strict=True):
            low, high = predictive_interval(runs) or (-math.inf, math.inf)
            p = re_run_p(runs, float(one))
            alarms.append((not low <= one <= high, p is not None and p < ALPHA))
    found = np.array(alarms).reshape(2, len(scores), 2)
    return float(found[0, :, 0].mean()), float(found[1, :, 0].mean()), float((found[..., 0] != found[..., 1]).mean())


def iqm_coverage(seeds: int, repetitions: int, rate: float) -> float:
    """Return how often the interval covers the interquartile mean of all runs, of which so many collapse."""
    large = np.sort(with_collapses(generator(1, rate), 1, 1_000_000, rate)[0][:, 0])
    truth, hits = float(large[250_000:750_000].mean()), 0
    for scores in with_collapses(generator(seeds, rate, 3), seeds, repetitions, rate)[0]:
        low, high = iqm(scores)[1] or (math.nan, math.nan)
        hits += low <= truth <= high
    return hits / repetitions
