"""Boards, each row with the records behind it."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from suite.evidence.words import clean
from suite.index import Entry
from suite.leaderboard import Board, Row
from suite.spec import MetricInfo, Record, TaskSpec

SHOWN = 40
"""Rows of a board that figures and the first table show."""


LONG = 60
"""Characters of a name that a sentence shows."""


@dataclass(frozen=True)
class Column:
    """A task of a section and its main metric."""

    task: TaskSpec
    main: MetricInfo

    @property
    def name(self) -> str:
        """The task's name."""
        return self.task.name

    @property
    def scale(self) -> float:
        """What scores are shown times: scores are told in points, losses as they are."""
        return 100.0 if self.main.greater_is_better else 1.0

    @property
    def told(self) -> str:
        """The metric in words."""
        return clean(self.main.name.replace("_", " "))

    def best(self, scores: Sequence[float]) -> float | None:
        """Return the best of some scores; None of none."""
        return (max if self.main.greater_is_better else min)(scores, default=None)


@dataclass(frozen=True)
class Line:
    """A row under the measure of its section, with its number in figures and the entries behind it.

    `mean` and its kin are M's, or in a section of losses the mean loss's. The number is the rank; rows without one
    have letters.
    """

    number: str
    row: Row
    mean: float | None
    interval: tuple[float, float] | None
    tie_group: int | None
    entries: tuple[Entry, ...] = ()

    @property
    def label(self) -> str:
        """The checkpoint, as text that steers nothing."""
        return clean(self.row.label)

    @property
    def way(self) -> str:
        """The strategy, likewise."""
        return clean(self.row.way)

    @property
    def name(self) -> str:
        """Both, as a sentence says it; a very long name without its middle."""
        label = self.label if len(self.label) <= LONG else f"{self.label[: LONG // 2]}…{self.label[-LONG // 2 + 1 :]}"
        return f"{label} with {self.way}"

    @property
    def ranked(self) -> bool:
        """Whether it has a score of every task."""
        return self.tie_group is not None

    def of(self, task: str) -> list[Entry]:
        """Return the entries of one task."""
        return [entry for entry in self.entries if entry.head.task == task]


@dataclass(frozen=True)
class Section:
    """One board, or its losses: best rows first."""

    slug: str
    title: str
    board: Board
    loss: bool
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]

    @property
    def shown(self) -> tuple[Line, ...]:
        """The rows that figures show."""
        return self.lines[:SHOWN]

    @property
    def placed(self) -> list[Line]:
        """The rows that have a mean."""
        return [line for line in self.lines if line.mean is not None]

    @property
    def complete(self) -> list[Line]:
        """The rows that have a score of every task."""
        return [line for line in self.lines if line.ranked]

    @property
    def leaders(self) -> list[Line]:
        """The rows that cannot be told from the first."""
        return [line for line in self.lines if line.tie_group == 1]

    @property
    def scale(self) -> float:
        """What means are shown times."""
        return 1.0 if self.loss else 100.0

    @property
    def measure(self) -> str:
        """What rows are ordered by."""
        return "mean loss" if self.loss else "M"

    @property
    def corrected(self) -> bool:
        """Whether chance is known for every task, so that 0 is guessing."""
        return not self.loss and all(column.main.chance is not None for column in self.columns)

    @property
    def why_no_mean(self) -> str:
        """Why no row has a mean, in words."""
        return f"no row has a score of every task, so that none has {'a mean loss' if self.loss else 'an M'}."

    @functools.cached_property
    def entries(self) -> list[Entry]:
        """Everything behind the section."""
        names = {column.name for column in self.columns}
        return [entry for line in self.lines for entry in line.entries if entry.head.task in names]

    @functools.cached_property
    def looked_at(self) -> list[Record]:
        """One record of each cell of the rows shown: to read all of a large store would take minutes."""
        names = {column.name for column in self.columns}
        first = {(line.number, e.head.task): e for line in self.shown for e in reversed(line.entries)}
        return [entry.record for (_, task), entry in first.items() if task in names]

    def matrix(self, lines: Sequence[Line]) -> np.ndarray:
        """Return the scores of complete rows [rows, tasks], larger being better."""
        scores = np.array([[line.row.tasks[column.name].mean for column in self.columns] for line in lines])
        return -scores if self.loss else scores
