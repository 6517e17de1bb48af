"""Scores that are missing, completed from the ones that are there.

The mean of what happens to be present flatters a model that skipped the hard tasks (Himmi et al. 2024,
arXiv 2305.10284, complete ranks for that reason). Here a missing score is predicted from the model's other
scores and the task's other models, with an interval. Scores are fp64 [k models, n tasks] with NaN for
what is missing, all in units that may be averaged.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from suite.stats.completion._held_out import HeldOut, choose, held_out, hide
from suite.stats.completion._links import linked
from suite.stats.completion._models import Filled, Model, additive, on_log_odds, rank2, regression

_MODELS: dict[str, Model] = {"additive": additive, "rank2": rank2, "regression": regression}
METHODS = ("auto", *_MODELS)
_FEWEST_ROWS = {"additive": 0, "rank2": 10, "regression": 5}  # below that the additive model stands in


@dataclass(frozen=True)
class Completed:
    """A table with its missing cells filled, and how far these and the means can be trusted.

    `rows` [k] and `columns` [n] mark the largest set of models and tasks that scores link; only they have an
    answer, and elsewhere the arrays hold 0. Over them `scores` [k, n] are those given, with the gaps filled,
    and `means` [k] the means over `columns`. `intervals` [k, n, 2] and `mean_intervals` [k, 2] are 95%
    intervals for what the missing scores would be: those given count as exact, so that theirs have no width;
    they are infinite where too little is known. `errors` [k] are the standard errors of the means by what is
    missing alone, 0 for a complete row, and `df` their degrees of freedom; 0 says that the errors are unknown.
    `method` is the model that filled the gaps, and `log_odds` says that it worked on those; "none" without gaps.
    """

    scores: np.ndarray
    intervals: np.ndarray
    means: np.ndarray
    mean_intervals: np.ndarray
    errors: np.ndarray
    df: int
    rows: np.ndarray
    columns: np.ndarray
    method: str
    log_odds: bool = False

    def mean_of(self, row: int) -> float | None:
        """Return the row's mean over `columns`, or None where it cannot be had."""
        return float(self.means[row]) if self.rows[row] else None

    def interval_of(self, row: int) -> tuple[float, float] | None:
        """Return the interval of the row's mean, or None where there is none: a complete row, or too little known."""
        low, high = (float(end) for end in self.mean_intervals[row])
        return (low, high) if self.rows[row] and np.isfinite(high - low) and high > low else None


@dataclass(frozen=True)
class _Found:
    """A linked table without gaps [k, n], the standard errors of cells [k, n] and of means [k], and their origin."""

    scores: np.ndarray
    cells: np.ndarray
    means: np.ndarray
    df: int
    method: str
    log_odds: bool


def complete(scores: np.ndarray, method: str = "auto", bounds: np.ndarray | None = None) -> Completed:
    """Return scores [k, n] with each NaN filled, by the method named or the one with the smallest held-out errors.

    additive: row + column effects. rank2: two factors. regression: each task on the others that a row has. The
    latter two need ten and five rows, and are taken where they are better by a standard error of that. `bounds`
    [n, 2] are the lowest and highest scores of the tasks: filled cells and intervals stay inside, and where all are
    finite the models are also tried on log odds.

    The standard errors are the model's times the factor by which errors on cells held out were larger, those cells
    hidden as the missing ones are; t quantiles make intervals of them. In tests/test_completion_stats.py these
    cover 96 to 97% of the time. The same table in another order gives the same answer.

    Raises:
        ValueError: no method has this name, or a score is infinite.
    """
    if method not in METHODS:
        raise ValueError(f"no method {method!r}; there are {', '.join(METHODS)}")
    if np.isinf(scores).any():
        raise ValueError("a score is infinite")
    rows, columns = linked(~np.isnan(scores))
    at, limits = _in_order(scores, rows, columns), None
    if bounds is not None:
        limits = np.asarray(bounds, dtype=np.float64)[at[1][0]]
    table = scores[at]
    found = _fill(table, method, limits) if np.isnan(table).any() else _whole(table)
    return _placed(scores, (rows, columns), at, (table, found, limits))


def _in_order(scores: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the index of the linked part with rows and columns in an order that only their content decides."""
    table = scores[np.ix_(rows, columns)]
    across = np.lexsort(np.sort(table, axis=0)[::-1]) if table.size else np.arange(table.shape[1])
    down = np.lexsort(table[:, across].T[::-1]) if table.size else np.arange(table.shape[0])
    return np.flatnonzero(rows)[down][:, None], np.flatnonzero(columns)[across][None, :]


def _whole(table: np.ndarray) -> _Found:
    return _Found(table, np.zeros_like(table), np.zeros(len(table)), 0, "none", False)


def _fill(table: np.ndarray, method: str, bounds: np.ndarray | None) -> _Found:
    """Return the table filled by the model that holds out best, with standard errors that held out."""
    plain = additive(table)
    if plain.df == 0:
        return _found(plain, HeldOut(np.zeros(0), 1.0, 1.0), "additive")
    models = _candidates(len(table), method, bounds)
    masks = hide(~np.isnan(table), np.random.default_rng(0))
    tried = {name: held_out(table, model, masks) for name, model in models.items()}
    name = choose(tried)
    return _found(models[name](table), tried[name], name)


def _candidates(k: int, method: str, bounds: np.ndarray | None) -> dict[str, Model]:
    """Return the models to try, the simplest first; those on log odds have names that end in `odds`."""
    names = _MODELS if method == "auto" else ("additive", method) if k < _FEWEST_ROWS[method] else (method,)
    plain = {name: _MODELS[name] for name in names if k >= _FEWEST_ROWS[name]}
    if bounds is None or not np.isfinite(bounds).all():
        return plain
    return plain | {f"{name} odds": on_log_odds(model, bounds) for name, model in plain.items()}


def _found(filled: Filled, held: HeldOut, name: str) -> _Found:
    cells = np.sqrt(np.einsum("ijj->ij", filled.covariance)) * held.cells
    means = np.sqrt(filled.covariance.sum(axis=(1, 2))) / filled.scores.shape[1] * held.totals
    return _Found(filled.scores, cells, means, filled.df, name.removesuffix(" odds"), name.endswith(" odds"))


def _placed(
    scores: np.ndarray,
    linked: tuple[np.ndarray, np.ndarray],
    at: tuple[np.ndarray, np.ndarray],
    answer: tuple[np.ndarray, _Found, np.ndarray | None],
) -> Completed:
    """Return the answer for the linked part in its place in the whole table."""
    table, found, bounds = answer
    if not table.size:
        k, n = scores.shape
        nothing = np.zeros((k, n)), np.zeros((k, n, 2)), np.zeros(k), np.zeros((k, 2)), np.zeros(k)
        return Completed(*nothing, 0, *linked, "none", False)
    gaps = np.isnan(table)
    low, high = (-np.inf, np.inf) if bounds is None else bounds.T
    filled = np.where(gaps, np.clip(found.scores, low, high), table)
    means, errors = np.zeros(len(scores)), np.zeros(len(scores))
    ends, mean_ends = np.zeros((*scores.shape, 2)), np.zeros((len(scores), 2))
    whole = np.zeros(scores.shape)
    whole[at], ends[at] = filled, _interval(filled, found.cells, found.df, gaps, (low, high))
    down = at[0][:, 0]
    means[down], errors[down] = filled.mean(axis=1), found.means
    limits = tuple(np.where(gaps, end, table).mean(axis=1) for end in (low, high))
    mean_ends[down] = _interval(means[down], found.means, found.df, gaps.any(axis=1), limits)
    return Completed(whole, ends, means, mean_ends, errors, found.df, *linked, found.method, found.log_odds)


def _interval(
    values: np.ndarray, errors: np.ndarray, df: int, gaps: np.ndarray, bounds: tuple[np.ndarray | float, ...]
) -> np.ndarray:
    """Return values -+ t times their errors [..., 2], inside bounds; infinite where an error is not known."""
    from scipy.special import stdtrit

    known = gaps & (errors > 0)
    half = np.where(known, (stdtrit(df, 0.975) if df else 1) * errors, np.where(gaps, np.inf, 0))
    low, high = bounds
    ends = np.stack([np.maximum(values - half, low), np.minimum(values + half, high)], axis=-1)
    return np.where(gaps[..., None], ends, values[..., None])
