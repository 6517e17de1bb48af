"""Means with their intervals: M for every row, and every task in a panel of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from suite.evidence import SHOWN, Column, Line, Section
from suite.report import _theme
from suite.report._plot import CUT, NAMES, Mark, Plot, cut, height_of, panels, rows, window
from suite.tables import spread

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_VALUES = 96


def means(section: Section) -> Plot:
    """Return the plot of M."""
    name, title = f"{section.slug}-means", "Mean over tasks, with its interval"
    lines = section.placed[:SHOWN]
    if not lines:
        return Plot(name, title, f"There is no plot of means: {section.why_no_mean}")
    height, top = height_of(lines), 12
    figure = _theme.figure(top + len(lines) * height + 44)
    rows(figure, lines, top)
    axes = _theme.axes(figure, NAMES, top, _theme.WIDTH - NAMES - _VALUES - 8, len(lines) * height)
    axes.set_ylim(len(lines) - 0.5, -0.5)
    axes.set_yticks([])
    axes.grid(axis="x")
    marks = [mark for line in lines if (mark := marked(line, section)) is not None]
    shown = window(marks, 100.0 if section.corrected else None)
    axes.set_xlim(*shown)
    _dots(axes, marks, [line.tie_group == 1 for line in lines], [not line.ranked for line in lines])
    _zero(axes)
    axes.set_xlabel(_unit(section), size=10)
    for i, line in enumerate(lines):
        text = spread(line.mean, line.interval, section.loss)
        _theme.write(figure, _theme.WIDTH - 6, top + (i + 0.5) * height, text, ha="right", size=10)
    return Plot(
        name,
        title,
        f"Each dot is a row's {section.measure}, the line its 95% interval: where {section.measure} would be expected "
        "with another test set and other seeds. Rows on one band, shaded or not, cannot be told from the first of them."
        + (
            ""
            if all(line.ranked for line in lines)
            else " A hollow dot is a provisional row: scores that it lacks are estimated."
        )
        + CUT * cut(marks, shown),
        _shared(section),
        figure,
    )


def by_task(section: Section) -> Plot:
    """Return the plot of every task's scores."""
    name, title = f"{section.slug}-tasks", "Every task by itself"
    lines, columns = section.shown, section.columns
    if not lines or not columns:
        return Plot(name, title, "There is no plot of the tasks: no task has a score.")

    marks = [[_mark(line, column) for line in lines] for column in columns]
    shown = [window([mark for mark in of if mark]) for of in marks]

    def draw(axes: Axes, i: int) -> None:
        axes.set_xlim(*shown[i])
        axes.locator_params(axis="x", nbins=4)
        best = columns[i].best([mark[0] for line in section.lines if (mark := _mark(line, columns[i]))])
        _dots(axes, marks[i], [mark is not None and mark[0] == best for mark in marks[i]])
        chance = columns[i].main.chance
        if chance is not None and shown[i][0] <= chance * columns[i].scale <= shown[i][1]:
            _dotted(axes, chance * columns[i].scale)

    cuts = any(cut([mark for mark in of if mark], ends) for of, ends in zip(marks, shown, strict=True))
    return Plot(
        name,
        title,
        f"{'Losses (less is better)' if section.loss else 'Scores in points'} with their 95% intervals, in the order "
        "of the table; the best of each task stands out. A dotted line is what guessing gives, where it lies inside "
        "the panel. Scales differ from panel to panel." + CUT * cuts,
        _consistent(section.lines, columns),
        panels(lines, [(column.name, column.told) for column in columns], draw),
    )


def _mark(line: Line, column: Column) -> Mark | None:
    """Return a row's score of a task and its interval as they are drawn, if it has one."""
    cell = line.row.tasks.get(column.name)
    return (cell.mean * column.scale, _scaled(cell.interval, column.scale)) if cell else None


def _dotted(axes: Axes, x: float) -> None:
    axes.axvline(x, color=_theme.MUTED, linewidth=1, linestyle=(0, (2, 2)), zorder=0)


def _unit(section: Section) -> str:
    """Return what the axis of means says."""
    if section.loss:
        return "mean loss, less is better"
    return "M in points: 0 is guessing, 100 the best there is" if section.corrected else "M in points"


def marked(line: Line, section: Section) -> Mark | None:
    """Return a row's mean and interval as they are drawn, if it has a mean."""
    return None if line.mean is None else (line.mean * section.scale, _scaled(line.interval, section.scale))


def _scaled(interval: tuple[float, float] | None, by: float) -> tuple[float, float] | None:
    return None if interval is None else (interval[0] * by, interval[1] * by)


def _dots(axes: Axes, marks: Sequence[Mark | None], filled: Sequence[bool], hollow: Sequence[bool] = ()) -> None:
    """Draw dots and intervals, a row each; `filled` rows stand out, `hollow` ones are rings."""
    given = [(y, mark) for y, mark in enumerate(marks) if mark is not None]
    for stands_out in (False, True):
        colour = _theme.ACCENT if stands_out else _theme.MUTED
        some = [(y, x, interval) for y, (x, interval) in given if filled[y] is stands_out]
        lines = [(y, interval) for y, _, interval in some if interval]
        if lines:
            heights, lows, highs = (
                [y for y, _ in lines],
                [low for _, (low, _) in lines],
                [high for _, (_, high) in lines],
            )
            axes.hlines(heights, lows, highs, colors=colour, linewidth=2.2 if stands_out else 1.6, zorder=2)
        for ring in (False, True):
            points = [(x, y) for y, x, _ in some if (bool(hollow) and hollow[y]) is ring]
            if points:
                face, size = "none" if ring else colour, 7 if stands_out else 6
                axes.plot(
                    *zip(*points, strict=True), "o", markersize=size, color=colour, markerfacecolor=face, zorder=3
                )
    for y in (y for y, mark in enumerate(marks) if mark is None):
        where: dict[str, Any] = {"transform": axes.get_yaxis_transform(), "ha": "right", "va": "center"}
        axes.text(0.98, y, "no score", color=_theme.MUTED, size=9, **where)


def _zero(axes: Axes) -> None:
    low, high = axes.get_xlim()
    if low < 0 < high:
        _dotted(axes, 0)


def _consistent(lines: Sequence[Line], columns: Sequence[Column]) -> str:
    """Say on how many tasks the first row is best."""
    if len(lines) < 2 or len(columns) < 2:
        return ""
    first = lines[0].row.tasks
    won = 0
    for column in columns:
        scores = [line.row.tasks[column.name].mean for line in lines if column.name in line.row.tasks]
        won += column.name in first and first[column.name].mean == column.best(scores)
    return f"The row that leads the table is best on {won} of {len(columns)} tasks."


def _shared(section: Section) -> str:
    """Say how many rows share the first place."""
    if len(section.complete) < 2:
        return ""
    leaders, rows = len(section.leaders), len(section.complete)
    return (
        f"{leaders} of {rows} rows share the first place." if leaders > 1 else f"One of {rows} rows stands first alone."
    )
