"""How well rankings survive missing scores, on a table of models x tasks.

    python benchmarks/completion.py scores.csv --bounds 0 100

The table has a header, a column of names and then one column a task, larger being better. A draw takes
--models of its rows, hides cells by a pattern, completes the table and compares the ranking of the means with
that of the whole table by Kendall's tau-b. Patterns:

    hard-30      each task of the harder half (by mean score of the drawn models) lacks 30% of the models, drawn
                 at random and anew for each task: 15% of all cells.
    hard-first   30% of all cells. The share of models a task lacks falls in equal steps from the hardest to
                 the easiest (of 6 tasks: 51, 43, 34, 26, 17, 9%); models at random, anew for each task.
    nested       30% of all cells. A model that lacks some lacks its hardest first: none to all but two of
                 the tasks, each number as likely, until 30% are gone.
    weak-skip    as hard-first, but the models that lack a task are drawn with weights that fall from 9 to 1 with
                 their rank by mean score: the weakest is nine times as likely as the best.
    strong-skip  the same with the weights turned round.
    random       30% of all cells, completely at random.

A model that would lose all scores keeps one. "present" is the mean of what is there, "borda" the mean share of
models beaten among those that have the task, "bradley-terry" strengths from pairs. Coverage is that of the 95%
intervals of filled cells and of the means of incomplete rows. Behind +- stands the Monte Carlo standard error.
Last: leave-one-task-out tau of the whole tables, ranked by the mean and by the mean rank.
"""

import argparse
import csv
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy.stats import kendalltau, rankdata

from suite.stats.completion import Completed, complete
from suite.stats.ranking import bradley_terry, rank_stability

Hide = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def hard_30(x: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return the mask [k, n] of cells to hide."""
    shares = np.zeros(x.shape[1])
    shares[_hardest_first(x)[: x.shape[1] // 2]] = 0.3
    return _by_task(x, shares, np.ones(len(x)), random)


def hard_first(x: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return the mask [k, n] of cells to hide."""
    return _by_task(x, _falling(x), np.ones(len(x)), random)


def weak_skip(x: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return the mask [k, n] of cells to hide."""
    return _by_task(x, _falling(x), 9 - 8 * _strength(x), random)


def strong_skip(x: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return the mask [k, n] of cells to hide."""
    return _by_task(x, _falling(x), 1 + 8 * _strength(x), random)


def nested(x: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return the mask [k, n] of cells to hide."""
    (k, n), order = x.shape, _hardest_first(x)
    hidden, left = np.zeros((k, n), dtype=bool), round(0.3 * k * n)
    for row in random.permutation(k):
        count = min(left, int(random.integers(0, n - 1)))
        hidden[row, order[:count]] = True
        left -= count
    return hidden


def at_random(x: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return the mask [k, n] of cells to hide."""
    hidden = np.zeros(x.size, dtype=bool)
    hidden[random.choice(x.size, round(0.3 * x.size), replace=False)] = True
    return hidden.reshape(x.shape)


def _hardest_first(x: np.ndarray) -> np.ndarray:
    return np.argsort(x.mean(axis=0))


def _falling(x: np.ndarray) -> np.ndarray:
    """Return the share each task loses [n], 30% on average."""
    n = x.shape[1]
    shares = np.empty(n)
    shares[_hardest_first(x)] = 0.3 * n * np.arange(n, 0, -1) / (n * (n + 1) / 2)
    return shares


def _strength(x: np.ndarray) -> np.ndarray:
    """Return each model's rank by mean score, from 0 for the weakest to 1 for the best."""
    return (rankdata(x.mean(axis=1)) - 1) / (len(x) - 1)


def _by_task(x: np.ndarray, shares: np.ndarray, weights: np.ndarray, random: np.random.Generator) -> np.ndarray:
    hidden = np.zeros(x.shape, dtype=bool)
    for task, share in enumerate(shares):
        lacking = random.choice(len(x), round(share * len(x)), replace=False, p=weights / weights.sum())
        hidden[lacking, task] = True
    return hidden


PATTERNS: dict[str, Hide] = {
    "hard-30": hard_30,
    "hard-first": hard_first,
    "nested": nested,
    "weak-skip": weak_skip,
    "strong-skip": strong_skip,
    "random": at_random,
}


def borda(table: np.ndarray) -> np.ndarray:
    """Return the mean over a model's tasks of the share of models it beats there [k]."""
    ranks = rankdata(table, axis=0, nan_policy="omit")
    return np.asarray(np.nanmean((ranks - 0.5) / (~np.isnan(table)).sum(axis=0), axis=1))


def judged(table: np.ndarray, x: np.ndarray, done: Completed) -> list[float]:
    """Return tau, the root mean square error of filled cells, and the coverage of cells and of means."""
    gaps, truth = np.isnan(table), x.mean(axis=1)
    rows = gaps.any(axis=1)
    cells = (done.intervals[gaps, 0] <= x[gaps]) & (x[gaps] <= done.intervals[gaps, 1])
    means = (done.mean_intervals[rows, 0] <= truth[rows]) & (truth[rows] <= done.mean_intervals[rows, 1])
    error = float(np.sqrt(((done.scores - x)[gaps] ** 2).mean()))
    return [kendalltau(done.means, truth).statistic, error, float(cells.mean()), float(means.mean())]


def judge(x: np.ndarray, hidden: np.ndarray, bounds: np.ndarray | None) -> dict[str, list[float]]:
    """Return tau, and for completions also error and coverage, of every method on one draw."""
    table = np.where(hidden, np.nan, x)
    truth = x.mean(axis=1)
    strengths = bradley_terry(table)
    found = {
        "present": [kendalltau(np.nanmean(table, axis=1), truth).statistic],
        "borda": [kendalltau(borda(table), truth).statistic],
        "bradley-terry": [np.nan if strengths is None else kendalltau(strengths, truth).statistic],
    }
    for method in ("additive", "rank2", "regression", "auto"):
        found[method] = judged(table, x, complete(table, method))
    if bounds is not None:
        found["auto, bounds"] = judged(table, x, complete(table, "auto", bounds))
    return found


def report(scores: np.ndarray, name: str, options: argparse.Namespace) -> None:
    """Print a pattern's table over all draws."""
    bounds = np.tile(options.bounds, (scores.shape[1], 1)) if options.bounds else None
    results: dict[str, list[list[float]]] = {}
    for draw in range(options.draws):
        random = np.random.default_rng(draw)
        x = scores[random.choice(len(scores), min(options.models, len(scores)), replace=False)]
        hidden = PATTERNS[name](x, random)
        for row in np.flatnonzero(hidden.all(axis=1)):
            hidden[row, random.integers(x.shape[1])] = False
        for method, values in judge(x, hidden, bounds).items():
            results.setdefault(method, []).append(values)
    print(f"\n{name:14} {'tau':>6} {'sd':>6} {'+-':>7} {'rmse':>7} {'cells':>7} {'means':>7}")
    for method, rows in results.items():
        values = np.array(rows)
        tau, spread = values[:, 0].mean(), values[:, 0].std(ddof=1)
        rest = "" if values.shape[1] == 1 else "{:7.2f} {:7.3f} {:7.3f}".format(*values[:, 1:].mean(axis=0))
        print(f"{method:14} {tau:6.3f} {spread:6.3f} {spread / options.draws**0.5:7.4f} {rest}")


def stability(scores: np.ndarray, options: argparse.Namespace) -> None:
    """Print the leave-one-task-out tau of complete draws, by the mean and by the mean rank."""
    found: dict[str, list[float]] = {"mean": [], "mean rank": []}
    for draw in range(options.draws):
        random = np.random.default_rng(draw)
        x = scores[random.choice(len(scores), min(options.models, len(scores)), replace=False)]
        for name, values in (("mean", x), ("mean rank", rankdata(x, axis=0))):
            stable = rank_stability(values)
            found[name].append(np.nan if stable is None else stable.mean)
    for name, taus in found.items():
        print(f"leave-one-task-out tau by the {name}: {np.mean(taus):.3f} +- {np.std(taus) / len(taus) ** 0.5:.4f}")


def main() -> None:
    """Read the table and print one block a pattern."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path)
    parser.add_argument("--models", type=int, default=100, help="rows a draw takes")
    parser.add_argument("--draws", type=int, default=100)
    parser.add_argument("--patterns", nargs="+", choices=PATTERNS, default=list(PATTERNS))
    parser.add_argument("--bounds", type=float, nargs=2, help="lowest and highest score, for log odds beside the rest")
    options = parser.parse_args()
    with options.path.open(newline="") as file:
        scores = np.array([[float(cell) for cell in row[1:]] for row in list(csv.reader(file))[1:]])
    start = time.perf_counter()
    print(f"{options.path.name}: {options.draws} draws of {min(options.models, len(scores))} of {len(scores)} models")
    for name in options.patterns:
        report(scores, name, options)
    print()
    stability(scores, options)
    print(f"{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
