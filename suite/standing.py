"""Rows on their way to a board: what one's scores add up to, how two differ, and how all of them rank."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from suite.headings import Heading
from suite.index import Entry
from suite.scores import Scores
from suite.spec import MetricInfo
from suite.stats import intervals
from suite.stats.intervals import Estimate
from suite.stats.ranking import tie_groups as groups_of

if TYPE_CHECKING:
    from suite.stats.completion import Completed
    from suite.stats.ranking import Stability
    from suite.stats.runs import Collapses


MOST_AHEAD = 64
"""Rows that are compared with a group's first at once."""


@dataclass(frozen=True)
class Standing:
    """One checkpoint under one strategy: its entries by task, which differ in seed and fold alone."""

    cells: Mapping[str, Sequence[Entry]]

    @functools.cached_property
    def scores(self) -> dict[str, Scores]:
        """The scores by task."""
        return {task: Scores(entries) for task, entries in self.cells.items()}

    @functools.cached_property
    def estimates(self) -> dict[str, Estimate]:
        """The mean by task, with the shares of its variance."""
        return {task: scores.estimate() for task, scores in self.scores.items()}

    @property
    def first(self) -> Heading:
        """Any one of the headings, for what they share."""
        return next(iter(self.cells.values()))[0].head

    @property
    def name(self) -> str:
        """What rows without a mean are sorted by."""
        return f"{self.first.row} {self.first.strategy}"

    def has(self, task: str) -> bool:
        """Return whether a task has scores, none of its folds missing."""
        return task in self.cells and not self.scores[task].missing

    def complete(self, tasks: Sequence[str]) -> bool:
        """Return whether all tasks have scores."""
        return bool(tasks) and all(self.has(task) for task in tasks)

    def corrected(self, tasks: Sequence[str]) -> list[float]:
        """Return each task's (score - chance) / (best - chance), larger being better; NaN where there is none."""
        return [self._corrected(task) if self.has(task) else np.nan for task in tasks]

    def _corrected(self, task: str) -> float:
        chance, scale = self.scale(task)
        return (self.estimates[task].mean - chance) * scale

    def scale(self, task: str) -> tuple[float, float]:
        """Return chance and 1/(best - chance) of the task's main metric.

        0 and 1 where chance is not known, -1 for a loss, whose zero is where it is best.
        """
        return scale_of(self.cells[task][0].main)

    def bounds(self, task: str) -> tuple[float, float]:
        """Return the least and the greatest corrected score that a task can have, infinite where there is none."""
        chance, scale = self.scale(task)
        least, most = self.cells[task][0].main.range
        ends = (-np.inf if least is None else least, np.inf if most is None else most)
        low, high = sorted((end - chance) * scale for end in ends)
        return low, high

    def half_width(self, task: str) -> float:
        """Return half the width of the interval of a task's corrected score, 0 where it has none."""
        found = self.estimates[task].interval()
        return 0.0 if found is None else abs(self.scale(task)[1]) * (found[1] - found[0]) / 2

    def total(self, tasks: Sequence[str]) -> Estimate:
        """Return the mean over tasks of their corrected scores."""
        spread = intervals.mean_of([self.estimates[t] for t in tasks], [self.scale(t)[1] for t in tasks])
        return spread.at(float(np.mean(self.corrected(tasks))))

    def raw(self, tasks: Sequence[str]) -> Estimate:
        """Return the plain mean over tasks of their scores."""
        return intervals.mean_of([self.estimates[task] for task in tasks], [1.0] * len(tasks))

    def minus(self, other: Standing, tasks: Sequence[str]) -> Estimate:
        """Return by how much the mean over tasks of the corrected scores is above another's, over the same examples."""
        return self.minus_each([other], tasks)[0]

    def minus_each(self, others: Sequence[Standing], tasks: Sequence[str]) -> list[Estimate]:
        """Return the differences to others; see `minus`."""
        by_task = [self.scores[task].minus_each([other.scores[task] for other in others]) for task in tasks]
        scales = [self.scale(task)[1] for task in tasks]
        return [intervals.mean_of(parts, scales) for parts in zip(*by_task, strict=True)]

    def collapses(self, task: str) -> Collapses | None:
        """Return the rate of collapsed runs and the mean of the others; None where no run collapsed."""
        entries = self.cells[task]
        fell = [entry.head.collapsed for entry in entries]
        if True not in fell:
            return None
        from suite.stats.runs import collapse

        return collapse(np.array([entry.head.score for entry in entries]), np.array(fell))


def scale_of(main: MetricInfo) -> tuple[float, float]:
    """Return chance and 1/(best - chance) of a metric; 0 and 1 where chance is not known, -1 for a loss."""
    if not main.greater_is_better:
        return 0.0, -1.0
    best = main.range[1]
    if main.chance is None or best is None or best == main.chance:
        return 0.0, 1.0
    return main.chance, 1 / (best - main.chance)


def tie_groups(rows: Sequence[Standing], tasks: Sequence[str]) -> list[int]:
    """Number groups from the top, for rows best first: a row joins while it cannot be told from the group's first.

    Rows are told apart where the paired difference is clear of zero at 1 - 0.05/(number of pairs) (Bonferroni): of
    rows that are alike, none is told from any other 95% of the time.
    """
    level = 1 - 0.05 / max(len(rows) * (len(rows) - 1) / 2, 1)
    ahead: dict[tuple[int, int], bool] = {}

    def differ(first: int, other: int) -> bool:
        if (first, other) not in ahead:  # the more rows a group has already, the more of the next are looked at
            ahead.clear()
            some = range(other, min(other + 2 * (other - first), other + MOST_AHEAD, len(rows)))
            found = rows[first].minus_each([rows[row] for row in some], tasks)
            ahead.update(((first, row), _clear(one.interval(level))) for row, one in zip(some, found, strict=True))
        return ahead[first, other]

    return groups_of(len(rows), differ)


def _clear(interval: tuple[float, float] | None) -> bool:
    """Return whether an interval of a difference leaves out zero."""
    return interval is not None and (interval[0] > 0 or interval[1] < 0)


class Ranking:
    """Rows ranked over some tasks of one direction: complete ones by their mean, the others completed."""

    def __init__(self, standings: Sequence[Standing], tasks: Sequence[str]) -> None:
        self.tasks = list(tasks)
        able = [s for s in standings if any(s.has(task) for task in tasks)]
        self._totals = {id(s): s.total(tasks) for s in able if s.complete(tasks)}
        complete = sorted((s for s in able if id(s) in self._totals), key=lambda s: -self._totals[id(s)].mean)
        self._complete = complete
        self._all = complete + [s for s in able if id(s) not in self._totals]
        self._numbers = {id(s): number for number, s in enumerate(self._all)}
        self._groups = tie_groups(complete, tasks)
        self._matrix = np.array([s.corrected(tasks) for s in self._all]).reshape(len(self._all), len(tasks))
        self._completed = self._complete_missing()
        self._mean_ranks = self._ranked()
        self._strengths = self._fought()

    def _complete_missing(self) -> Completed | None:
        from suite.stats.completion import complete

        if not np.isnan(self._matrix).any():
            return None
        bounds = np.array([next((s.bounds(t) for s in self._all if t in s.cells), (0.0, np.inf)) for t in self.tasks])
        return complete(self._matrix, bounds=bounds if np.isfinite(bounds).all() else None)

    def _ranked(self) -> np.ndarray:
        from suite.stats.ranking import mean_ranks

        return mean_ranks(self._matrix[: len(self._complete)]) if self._complete else np.array([])

    def _fought(self) -> np.ndarray | None:
        from suite.stats.ranking import bradley_terry

        return None if self._completed is None else bradley_terry(self._matrix)

    def stability(self) -> Stability | None:
        """Return how the ranking of complete rows fares without each task in turn."""
        from suite.stats.ranking import rank_stability

        return rank_stability(self._matrix[: len(self._complete)]) if self._complete else None

    def place(self, standing: Standing) -> dict[str, Any]:
        """Return a row's mean, interval, rank, tie group, mean rank and strength, as far as it has them."""
        found: dict[str, Any] = dict.fromkeys(("mean", "interval", "rank", "tie_group", "mean_rank", "strength"))
        number = self._numbers.get(id(standing))
        if number is None:
            return found
        if self._strengths is not None:
            found["strength"] = float(self._strengths[number])
        if number >= len(self._complete):
            return found | self._provisional(standing, number)
        total = self._totals[id(standing)]
        ranks = {"rank": number + 1, "tie_group": self._groups[number], "mean_rank": float(self._mean_ranks[number])}
        return found | ranks | {"mean": total.mean, "interval": total.interval()}

    def _provisional(self, standing: Standing, number: int) -> dict[str, Any]:
        """Return the completed mean; its interval adds what is not known of missing scores to that of drawing examples.

        A missing score is taken to vary with the examples as those of the same task do. Where too little is known for
        an interval there is no mean either.
        """
        done = self._completed
        known = done is not None and done.df > 0 and done.columns.all()
        bounds = done.interval_of(number) if done is not None and known else None
        if done is None or bounds is None:
            return {}
        mean = float(done.means[number])
        halves = [standing.half_width(t) if standing.has(t) else self._usual_half_width(t) for t in self.tasks]
        sampled = float(np.sqrt(np.sum(np.square(halves)))) / len(self.tasks)
        below, above = (float(np.hypot(end - mean, sampled)) for end in bounds)
        return {"mean": mean, "interval": (mean - below, mean + above)}

    def _usual_half_width(self, task: str) -> float:
        return float(np.mean([s.half_width(task) for s in self._all if s.has(task)]))
