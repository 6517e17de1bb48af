"""One row on its way to a board: its scores a task, what they add up to, and how two rows differ."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from suite.index import Entry, Heading
from suite.scores import Scores
from suite.spec import MetricInfo
from suite.stats import intervals
from suite.stats.intervals import Estimate
from suite.stats.ranking import tie_groups as groups_of

if TYPE_CHECKING:
    from suite.stats.runs import Collapses


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
        return replace(spread, mean=float(np.mean(self.corrected(tasks))))

    def raw(self, tasks: Sequence[str]) -> Estimate:
        """Return the plain mean over tasks of their scores."""
        return intervals.mean_of([self.estimates[task] for task in tasks], [1.0] * len(tasks))

    def minus(self, other: Standing, tasks: Sequence[str]) -> Estimate:
        """Return by how much the mean over tasks of the corrected scores is above another's, over the same examples."""
        parts = [self.scores[task].minus(other.scores[task]) for task in tasks]
        return intervals.mean_of(parts, [self.scale(task)[1] for task in tasks])

    def collapses(self, task: str) -> Collapses | None:
        """Return the rate of collapsed runs and the mean of the others; None where no run collapsed."""
        entries = self.cells[task]
        fell = np.array([entry.head.collapsed for entry in entries])
        if not fell.any():
            return None
        from suite.stats.runs import collapse

        return collapse(np.array([entry.head.score for entry in entries]), fell)


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

    def differ(first: int, other: int) -> bool:
        found = rows[first].minus(rows[other], tasks).interval(level)
        return found is not None and (found[0] > 0 or found[1] < 0)

    return groups_of(len(rows), differ)
