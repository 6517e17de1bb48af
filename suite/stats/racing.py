"""Racing: runs go where the ranking is undecided, and the truly best is removed at most alpha of the time.

First over tasks: everyone runs one seed, task by task in an order fixed beforehand; at a look, whoever lies behind the
leader by more than chance explains is out. Then over seeds: who is left runs a further seed of every task, with a look
after each. "Truly best" is by the mean over these very tasks and all seeds that could be drawn.

A look asks for more than Student's t quantile at 1 - a/(k - 1) times the error of the difference (`_behind`), for k
checkpoints and the look's share a of alpha. Whoever leads, the best is one of the k - 1 others, so that the sum over
looks and rivals bounds the risk (Bonferroni).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from suite.stats._behind import Behind, Noise, over_seeds, over_tasks

LOOKS = (4, 6, 8, 12, 16, 24, 32)
"""After how many tasks there is a look, beside the one when all are in."""

PILOTS = 3
"""How many of the leading run a second seed during the race over tasks."""

Cell = tuple[int, int, int]
"""A checkpoint, a task and a seed, each by its number."""


@dataclass(frozen=True)
class Rules:
    """What is fixed before a race.

    `seeds` is the most that anyone runs, or None for as many as it takes. `noisy` says that seeds make a
    difference; where they make none, one is run and a score is what it is.
    """

    alpha: float = 0.05
    seeds: int | None = 5
    noisy: bool = True
    pilots: int = PILOTS

    @property
    def noise(self) -> Noise:
        """How the noise of a run is known."""
        return "none" if not self.noisy else "unknown" if self.seeds == 1 else "seeds"

    def looks(self, tasks: int) -> tuple[int, ...]:
        """Return after how many tasks there is a look.

        With a single noisy seed the tasks' spread is all that tells noise, and fewer than 4 tell none.
        """
        planned = (*(t for t in LOOKS if t < tasks), tasks)
        return tuple(t for t in planned if t >= LOOKS[0]) if self.noise == "unknown" else planned

    def level(self, phase: Literal["tasks", "seeds"], number: int, tasks: int) -> float:
        """Return the share of alpha of a phase's look, counted from 1; all looks together spend at most alpha.

        Half goes to each phase, all of it to the first where there is no second. Of n looks that are planned each
        has 1/n; where nobody knows how many there will be, the i-th has 1/(i (i + 1)).
        """
        share = self.alpha / 2 if self.noise == "seeds" else self.alpha
        if phase == "tasks":
            return share / len(self.looks(tasks))
        return share / (number * (number + 1)) if self.seeds is None else share / (self.seeds - 1)


@dataclass(frozen=True)
class Look:
    """What was decided: after `at` tasks (or seeds of all tasks), and who was removed: gap and margin by number."""

    phase: Literal["tasks", "seeds"]
    at: int
    leader: int
    removed: dict[int, tuple[float, float]]


class Table:
    """A race's scores so far, and who is still in it.

    Attributes:
        scores: fp64 [k, tasks, seeds], NaN where there is none yet; more is better.
        doubtful: bool, of the same shape: scores of runs that collapsed.
        alive: bool [k].
    """

    def __init__(self, checkpoints: int, tasks: int) -> None:
        self.scores = np.full((checkpoints, tasks, 1), np.nan)
        self.doubtful = np.zeros(self.scores.shape, dtype=bool)
        self.alive = np.ones(checkpoints, dtype=bool)

    @property
    def over(self) -> bool:
        """Whether one is left, or none."""
        return int(self.alive.sum()) < 2

    def put(self, cell: Cell, score: float, doubtful: bool = False) -> None:
        """Enter a score.

        Raises:
            ValueError: it is not finite.
        """
        if not np.isfinite(score):
            raise ValueError(f"a score is {score}")
        while self.scores.shape[2] <= cell[2]:
            self.scores = np.concatenate([self.scores, np.full_like(self.scores[:, :, :1], np.nan)], axis=2)
            self.doubtful = np.concatenate([self.doubtful, np.zeros_like(self.doubtful[:, :, :1])], axis=2)
        self.scores[cell], self.doubtful[cell] = score, doubtful

    def withdraw(self, checkpoint: int) -> None:
        """Take a checkpoint out that cannot go on."""
        self.alive[checkpoint] = False

    def missing(self, checkpoints: np.ndarray, tasks: int, seeds: int) -> list[Cell]:
        """Return the cells of these checkpoints in the first tasks and seeds that have no score yet."""
        held = np.isfinite(self.scores[:, :tasks])
        return [
            (int(c), t, s)
            for c in checkpoints
            for t in range(tasks)
            for s in range(seeds)
            if s >= held.shape[2] or not held[c, t, s]
        ]

    def leading(self, tasks: int, count: int) -> np.ndarray:
        """Return the numbers of those in the race with the best means of seed 0 over the first tasks."""
        alive = np.flatnonzero(self.alive)
        order = np.argsort(-self.scores[alive, :tasks, 0].mean(axis=1), kind="stable")
        return np.asarray(alive[order[:count]])

    def means(self) -> np.ndarray:
        """Return everyone's mean [k] over the tasks that they ran, NaN for those that ran none."""
        sums, counts = np.nansum(self.scores, axis=2), np.isfinite(self.scores).sum(axis=2)
        by_task = np.divide(sums, counts, out=np.zeros_like(sums), where=counts > 0)
        ran = (counts > 0).sum(axis=1)
        return np.asarray(np.divide(by_task.sum(axis=1), ran, out=np.full(len(ran), np.nan), where=ran > 0))


def race(table: Table, rules: Rules) -> Iterator[list[Cell] | Look]:
    """Yield in turn the cells to run next and the looks; whoever asks fills the table before asking on.

    It is a function of the scores and nothing else, so that a race that was stopped goes the same way again. It ends
    when one is left or the planned seeds are used up.
    """
    yield from _over_tasks(table, rules)
    if rules.noise == "seeds":
        yield from _over_seeds(table, rules)


def _over_tasks(table: Table, rules: Rules) -> Iterator[list[Cell] | Look]:
    tasks = table.scores.shape[1]
    looks = rules.looks(tasks)
    for number, at in enumerate(looks or (tasks,), start=1):
        if table.over:
            return
        yield table.missing(np.flatnonzero(table.alive), at, 1)
        if rules.noise == "seeds" and not table.over:
            yield table.missing(table.leading(at, rules.pilots), at, 2)
        if looks and not table.over:
            alive = table.alive
            behind = over_tasks(table.scores[alive, :at], table.doubtful[alive, :at], tasks, rules.noise)
            yield _look(table, behind, ("tasks", at), rules.level("tasks", number, tasks))


def _over_seeds(table: Table, rules: Rules) -> Iterator[list[Cell] | Look]:
    tasks, at = table.scores.shape[1], 2
    while not table.over and (rules.seeds is None or at <= rules.seeds):
        yield table.missing(np.flatnonzero(table.alive), tasks, at)
        if not table.over:
            behind = over_seeds(table.scores[table.alive, :, :at])
            yield _look(table, behind, ("seeds", at), rules.level("seeds", at - 1, tasks))
        at += 1


def _look(table: Table, behind: Behind, when: tuple[Literal["tasks", "seeds"], int], level: float) -> Look:
    """Remove who lies too far behind, and say so."""
    alive = np.flatnonzero(table.alive)
    margin = behind.margin(level, len(table.alive) - 1)
    out = np.flatnonzero(behind.gap > margin + 1e-12)  # nothing but rounding tells equals apart
    removed = {int(alive[i]): (float(behind.gap[i]), float(margin[i])) for i in out}
    table.alive[list(removed)] = False
    return Look(*when, int(alive[behind.leader]), removed)
