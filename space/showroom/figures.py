"""Figures as numbers: where on a track from 0 to 1 each thing stands. The templates draw them, on any width."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from showroom.axes import Scale, linear
from suite.evidence import Column, Line, Section
from suite.report import COSTS, Cost, Mark, front, window
from suite.tables import spread

SERIES = 8
"""Colours that strategies have."""


@dataclass(frozen=True)
class Bar:
    """A mean and its interval on a track; `hollow` where it is an estimate, `strong` where it stands out."""

    at: float
    ends: tuple[float, float] | None
    text: str
    strong: bool = False
    hollow: bool = False


@dataclass(frozen=True)
class Panel:
    """Bars on one axis, one a row and None where it has none; `mark` is where guessing stands."""

    title: str
    below: str
    scale: Scale
    bars: tuple[Bar | None, ...]
    mark: float | None = None


def means(section: Section, lines: Sequence[Line]) -> tuple[Scale, list[Bar | None]]:
    """Return the axis of M, or the mean loss, and a bar a line."""
    marks = [mark for line in lines if (mark := _mean(line, section))]
    if not marks:
        return Scale(0, 1), [None] * len(lines)
    scale = linear(*window(marks, 100.0 if section.corrected else None))
    return scale, [
        None
        if (mark := _mean(line, section)) is None
        else _bar(scale, mark, spread(line.mean, line.interval, section.loss), line.tie_group == 1, not line.ranked)
        for line in lines
    ]


def _mean(line: Line, section: Section) -> Mark | None:
    return None if line.mean is None else (line.mean * section.scale, _times(line.interval, section.scale))


def _times(interval: tuple[float, float] | None, by: float) -> tuple[float, float] | None:
    return None if interval is None else (interval[0] * by, interval[1] * by)


def _bar(scale: Scale, mark: Mark, text: str, strong: bool = False, hollow: bool = False) -> Bar:
    mean, interval = mark
    ends = None if interval is None else (scale.at(interval[0]), scale.at(interval[1]))
    return Bar(scale.at(mean), ends, text, strong, hollow)


def forest(section: Section, lines: Sequence[Line]) -> list[Panel]:
    """Return a panel a task: every row's score with its interval, the best of the task standing out."""
    return [panel for column in section.columns if (panel := _panel(column, section, lines))]


def _panel(column: Column, section: Section, lines: Sequence[Line]) -> Panel | None:
    cells = [line.row.tasks.get(column.name) for line in lines]
    marks = [(cell.mean * column.scale, _times(cell.interval, column.scale)) for cell in cells if cell]
    if not marks:
        return None
    scale = linear(*window(marks), about=3)
    best = column.best([c.mean for line in section.lines if (c := line.row.tasks.get(column.name))])
    bars = tuple(
        None
        if cell is None
        else _bar(
            scale,
            (cell.mean * column.scale, _times(cell.interval, column.scale)),
            spread(cell.mean, cell.interval, not column.main.greater_is_better) + _signs(cell),
            cell.mean == best,
        )
        for cell in cells
    )
    chance = column.main.chance
    guess = None if chance is None or not scale.holds(chance * column.scale) else scale.at(chance * column.scale)
    return Panel(column.name, column.told, scale, bars, guess)


def _signs(cell: object) -> str:
    return ("*" if cell.seeds == 1 and cell.folds == 1 else "") + ("!" if cell.collapsed else "")  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Point:
    """A row in a scatter plot."""

    x: float
    y: float
    ends: tuple[float, float] | None
    line: Line
    first: bool
    series: int
    cost: str


@dataclass(frozen=True)
class Scatter:
    """Score against one cost: points, the steps of the Pareto front, both axes, and what the front is made of."""

    title: str
    points: tuple[Point, ...]
    steps: tuple[tuple[float, float], ...]
    x: Scale
    y: Scale
    ways: tuple[str, ...]
    best: tuple[Line, ...]


def scatter(section: Section, lines: Sequence[Line], cost: Cost) -> Scatter | None:
    """Return the plot of score against a cost; None where no row has both."""
    priced = [line for line in lines if line.mean is not None and cost.of(line.row)]
    if not priced:
        return None
    marks = [mark for line in priced if (mark := _mean(line, section))]
    y = linear(*window(marks, 100.0 if section.corrected else None))
    costs = [float(cost.of(line.row) or 1) for line in priced]
    x = _logarithmic(min(costs), max(costs), cost)
    sign = -1 if section.loss else 1
    best = front([(c, sign * (line.mean or 0)) for c, line in zip(costs, priced, strict=True)])
    ways = tuple(dict.fromkeys(line.way for line in section.lines))
    points = tuple(
        Point(
            x.at(math.log10(costs[i])),
            y.at(marks[i][0]),
            None if (ends := marks[i][1]) is None else (y.at(ends[0]), y.at(ends[1])),
            line,
            i in best,
            ways.index(line.way) % SERIES,
            cost.told(costs[i]),
        )
        for i, line in enumerate(priced)
    )
    return Scatter(cost.title, points, _steps([points[i] for i in best]), x, y, ways, tuple(priced[i] for i in best))


def _steps(best: Sequence[Point]) -> tuple[tuple[float, float], ...]:
    corners: list[tuple[float, float]] = []
    for i, point in enumerate(best):
        corners += [(point.x, best[i - 1].y)] if i else []
        corners.append((point.x, point.y))
    return (*corners, (1.0, best[-1].y))


def _logarithmic(low: float, high: float, cost: Cost) -> Scale:
    """Return a logarithmic axis with a few round ticks, in words."""
    room = 0.06 * math.log10(high / low) + 0.12
    ends = math.log10(low) - room, math.log10(high) + room
    values: list[float] = []
    for digits in ((1,), (1, 3), (1, 2, 5)):
        values = [n * 10.0**e for e in range(-3, 16) for n in digits if ends[0] <= math.log10(n * 10.0**e) <= ends[1]]
        if len(values) >= 3:
            break
    values = values[:: -(-len(values) // 4) or 1]
    span = ends[1] - ends[0]
    return Scale(*ends, tuple(((math.log10(value) - ends[0]) / span, cost.told(value)) for value in values))


def costs(lines: Sequence[Line]) -> list[Cost]:
    """Return the ways to count cost that some row tells of."""
    return [cost for cost in COSTS if any(cost.of(line.row) for line in lines)]


@dataclass(frozen=True)
class Runs:
    """One row's runs of a task: places of those that held and of those that collapsed, and their mean in words."""

    held: tuple[float, ...]
    fallen: tuple[float, ...]
    mean: str


@dataclass(frozen=True)
class Spread:
    """Single runs of a task by their distance from the mean of their row's."""

    title: str
    below: str
    scale: Scale
    runs: tuple[Runs | None, ...]


def seeds(section: Section, lines: Sequence[Line]) -> list[Spread]:
    """Return a panel a task: every run by how far it lies from its row's mean, collapsed ones apart."""
    return [_spread(column, lines) for column in section.columns]


def _spread(column: Column, lines: Sequence[Line]) -> Spread:
    found = []
    for line in lines:
        heads = [entry.head for entry in line.of(column.name)]
        scores = np.array([head.score * column.scale for head in heads])
        fallen = np.array([head.collapsed for head in heads], dtype=bool)
        found.append(
            (scores, fallen, float(scores[~fallen].mean() if (~fallen).any() else scores.mean() if len(scores) else 0))
        )
    reach = max((float(np.abs(s[~f] - mean).max(initial=0)) for s, f, mean in found), default=0.0) or 1.0
    scale = linear(-1.25 * reach, 1.25 * reach, about=3)
    told = "{:.1f}" if column.scale == 100 else "{:.3g}"
    runs = tuple(
        None
        if not len(scores)
        else Runs(
            tuple(scale.at(x - mean) for x in scores[~fallen]),
            tuple(scale.at(x - mean) for x in scores[fallen]),
            told.format(mean),
        )
        for scores, fallen, mean in found
    )
    return Spread(column.name, column.told, scale, runs)
