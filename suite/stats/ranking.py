"""Ranks of many models over many tasks: tests, groups, strengths, and how far the order can be trusted.

Scores are fp64 [k models, n tasks], larger is better; rank 1 is the best and ties share theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import exp, lgamma

import numpy as np

from suite.stats._pairs import bradley_terry as bradley_terry
from suite.stats._ranks import shared_ranks, tau_b


@dataclass(frozen=True)
class Friedman:
    """Friedman's test that all models rank alike: `chi2` as printed by Demsar, `chi2_ties` corrected for ties.

    `f` is Iman and Davenport's statistic with `df_f` degrees of freedom, None where all tasks order the
    models the same; `p_f` is then the chance of that, 1/k!^(n-1).
    """

    mean_ranks: np.ndarray
    chi2: float
    chi2_ties: float
    f: float | None
    p_chi2: float
    p_ties: float
    p_f: float
    df: int
    df_f: tuple[int, int]

    def critical_f(self, alpha: float = 0.05) -> float:
        """Return the F that `f` must exceed at level `alpha`."""
        from scipy.stats import f

        return float(f.ppf(1 - alpha, *self.df_f))


@dataclass(frozen=True)
class Stability:
    """How the ranking by the mean fares when one task is left out.

    `taus` [n] are Kendall's tau-b to the ranking by all tasks, `lowest` and `mean` theirs; `top_stays`
    counts the tasks without which the top is the same, and `flips` numbers the others.
    """

    taus: tuple[float, ...]
    lowest: float
    mean: float
    top_stays: int
    flips: tuple[int, ...]


def mean_ranks(scores: np.ndarray) -> np.ndarray:
    """Return each model's rank averaged over tasks [k], ties sharing theirs (Borda on a complete table).

    Raises:
        ValueError: there is no task, or a score is missing.
    """
    _check(scores)
    ranks = np.array([shared_ranks(column) for column in -scores.T])  # a task a row
    return np.asarray(ranks.T.mean(axis=1))


def _check(scores: np.ndarray) -> None:
    if scores.shape[1] == 0:
        raise ValueError("there is no task to rank by")
    if np.isnan(scores).any():
        raise ValueError("a score is missing; ranks need a complete table, bradley_terry does not")


def why_untested(scores: np.ndarray) -> str | None:
    """Return why `friedman` has no answer, in words, or None where it has one."""
    k, n = scores.shape
    if k < 2:
        return "a test of ranks needs two models"
    if n < 2:
        return "a test of ranks needs two tasks"
    if (scores == scores[:1]).all():
        return "all models score the same on every task"
    return None


def friedman(scores: np.ndarray) -> Friedman | None:
    """Return Friedman's test and Iman and Davenport's, or None: `why_untested` says why.

    chi2 = 12n/(k(k+1)) * (sum R_j^2 - k(k+1)^2/4) for mean ranks R_j, with k - 1 degrees of freedom, and
    F = (n-1) chi2 / (n(k-1) - chi2), with k - 1 and (k-1)(n-1) (Demsar 2006, JMLR 7, section 3.2.2).
    `chi2_ties` is chi2 / (1 - sum(t^3 - t) / (n k (k^2-1))) over groups of t ties, as in
    scipy.stats.friedmanchisquare, which takes no fewer than three models.
    """
    from scipy.stats import chi2 as chi2_law
    from scipy.stats import f as f_law

    if why_untested(scores) is not None:
        return None
    k, n = scores.shape
    ranks = mean_ranks(scores)
    chi2 = 12 * n / (k * (k + 1)) * float(((ranks - (k + 1) / 2) ** 2).sum())
    ties = sum(int((t**3 - t).sum()) for t in (np.unique(column, return_counts=True)[1] for column in scores.T))
    corrected = chi2 / (1 - ties / (n * k * (k**2 - 1)))
    df, df_f, room = k - 1, (k - 1, (k - 1) * (n - 1)), n * (k - 1) - chi2
    agreed = room < 1e-9 * n * k
    f = None if agreed else (n - 1) * chi2 / room
    p_f = exp(-(n - 1) * lgamma(k + 1)) if f is None else float(f_law.sf(f, *df_f))
    p_chi2, p_ties = float(chi2_law.sf(chi2, df)), float(chi2_law.sf(corrected, df))
    return Friedman(ranks, chi2, corrected, f, p_chi2, p_ties, p_f, df, df_f)


def nemenyi(k: int, n: int, alpha: float = 0.05) -> float:
    """Return the difference of mean ranks from which any two of k models differ over n tasks.

    q/sqrt(2) * sqrt(k(k+1)/(6n)), q the studentized range's quantile (Demsar 2006, section 3.2.2).

    Raises:
        ValueError: fewer than two models or one task.
    """
    from scipy.stats import studentized_range

    return _rank_error(k, n) * float(studentized_range.ppf(1 - alpha, k, np.inf)) / 2**0.5


def bonferroni_dunn(k: int, n: int, alpha: float = 0.05) -> float:
    """Return the difference of mean ranks from which one of k models differs from a control over n tasks.

    z_{1 - alpha/(2(k-1))} * sqrt(k(k+1)/(6n)) (same source).

    Raises:
        ValueError: fewer than two models or one task.
    """
    from scipy.stats import norm

    return _rank_error(k, n) * float(norm.ppf(1 - alpha / (2 * (k - 1))))


def _rank_error(k: int, n: int) -> float:
    """Return the standard error of a difference of two mean ranks where all k models are alike."""
    if k < 2 or n < 1:
        raise ValueError(f"a critical difference needs two models and a task, not {k} and {n}")
    return float(np.sqrt(k * (k + 1) / (6 * n)))


def cliques(mean_ranks: Sequence[float] | np.ndarray, cd: float) -> list[tuple[int, ...]]:
    """Return the largest groups of two or more models, best first, whose mean ranks lie less than cd apart."""
    order = [int(i) for i in np.argsort(mean_ranks, kind="stable")]
    groups: list[tuple[int, ...]] = []
    reached = 0
    for start, first in enumerate(order):
        stop = max(i for i, model in enumerate(order) if i == start or mean_ranks[model] - mean_ranks[first] < cd) + 1
        if stop > reached and stop - start > 1:
            groups.append(tuple(order[start:stop]))
        reached = max(reached, stop)
    return groups


def tie_groups(k: int, differ: Callable[[int, int], bool]) -> list[int]:
    """Return each row's group, numbered from 1 at the top, for k rows, best first.

    A row joins while it cannot be told from the group's first: `differ(first, row)` is False.
    """
    groups: list[int] = []
    first = 0
    for row in range(k):
        if row and differ(first, row):
            first = row
        groups.append(groups[-1] + (first == row) if groups else 1)
    return groups


def rank_stability(scores: np.ndarray) -> Stability | None:
    """Return how the ranking by the mean fares without each task in turn; None below two models or two tasks.

    tau-b as scipy.stats.kendalltau has it. Means that only rounding tells apart are ties, and the top is all models
    that share it. Where one ranking ties all models tau has no value of its own: it is 1 where the other
    does too, else 0.
    """
    k, n = scores.shape
    if k < 2 or n < 2:
        return None
    full = _settled(scores.mean(axis=1))
    left_out = [_settled(np.delete(scores, task, axis=1).mean(axis=1)) for task in range(n)]
    taus = tuple(_tau(full, means) for means in left_out)
    flips = tuple(t for t, means in enumerate(left_out) if ((means == means.max()) != (full == full.max())).any())
    return Stability(taus, min(taus), float(np.mean(taus)), n - len(flips), flips)


def _settled(means: np.ndarray) -> np.ndarray:
    """Return means with what is rounding alone taken off."""
    scale = float(np.abs(means).max()) or 1.0
    return np.asarray(np.round(means / scale, 12))


def _tau(one: np.ndarray, other: np.ndarray) -> float:
    flat = [float(np.ptp(values)) == 0 for values in (one, other)]
    return float(all(flat)) if any(flat) else tau_b(one, other)


def rank_distribution(draws: np.ndarray) -> np.ndarray:
    """Return the share of draws [draws, k] of the models' means in which each model has each rank [k models, k ranks].

    Models that tie in a draw share its ranks, so that rows and columns sum to 1.
    """
    from scipy.stats import rankdata

    count, k = draws.shape
    low = rankdata(-draws, method="min", axis=1).astype(int) - 1
    high = rankdata(-draws, method="max", axis=1).astype(int)
    changes = np.zeros((k, k + 1))
    models = np.broadcast_to(np.arange(k), (count, k))
    np.add.at(changes, (models, low), 1 / (high - low))
    np.add.at(changes, (models, high), -1 / (high - low))
    return np.asarray(changes.cumsum(axis=1)[:, :k].clip(0) / count)


def draw_means(
    means: np.ndarray, errors: np.ndarray, df: float | None = None, draws: int = 10_000, seed: int = 0
) -> np.ndarray:
    """Return draws [draws, k] of means [k] with standard errors [k], or with their covariance [k, k].

    Normal, or Student's t with df degrees of freedom; the same seed gives the same draws.

    Raises:
        ValueError: a mean or an error is not finite; no error is not an error of zero.
    """
    if not (np.isfinite(means).all() and np.isfinite(errors).all()):
        raise ValueError("means and their errors must be finite numbers")
    random = np.random.default_rng(seed)
    if errors.ndim == 2:
        noise = random.multivariate_normal(np.zeros(len(means)), errors, draws)
        scale = 1.0 if df is None else np.sqrt(df / random.chisquare(df, (draws, 1)))
        return np.asarray(means + noise * scale)
    size = (draws, len(means))
    return np.asarray(means + errors * (random.standard_normal(size) if df is None else random.standard_t(df, size)))
