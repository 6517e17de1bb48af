"""The critical-difference diagram: mean ranks over tasks, and which of them chance alone might have parted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from suite.evidence import Line, Section
from suite.report import _theme
from suite.report._plot import Plot
from suite.stats import ranking

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST = 20
"""Rows that the diagram shows, those of the best mean ranks."""

FEW = 5
_SIDE = 262
_STEP = 22


def difference(section: Section) -> Plot:
    """Return the diagram, or why there is none."""
    name, title = f"{section.slug}-critical", "Do the ranks hold over tasks?"
    lines, tasks = section.complete, len(section.columns)
    if why := _why_none(section, lines):
        return Plot(name, title, f"There is no critical-difference diagram: {why}")
    scores = section.matrix(lines)
    test = ranking.friedman(scores)
    if test is None:
        return Plot(name, title, f"There is no critical-difference diagram: {ranking.why_untested(scores)}.")
    order = [int(i) for i in np.argsort(test.mean_ranks, kind="stable")]
    shown = order[:MOST]
    ranks, cd = test.mean_ranks, ranking.nemenyi(len(lines), tasks)
    groups = _largest([[shown.index(i) for i in group if i in shown] for group in ranking.cliques(ranks, cd)])
    figure = _draw([lines[i] for i in shown], ranks[shown], cd, groups, len(lines))
    return Plot(
        name,
        title,
        _reading(cd, len(lines), len(shown), tasks),
        _finding(test.p_f, lines[order[0]], float(ranks[order[0]]), tasks),
        figure,
    )


def _largest(groups: Sequence[list[int]]) -> list[list[int]]:
    """Keep the groups of two or more that no other holds: of those cut at the last row shown one is enough."""
    some = [group for group in groups if len(group) > 1]
    return [g for i, g in enumerate(some) if not any(set(g) <= set(o) for j, o in enumerate(some) if j < i)]


def _why_none(section: Section, lines: Sequence[Line]) -> str:
    left_out = len(section.lines) - len(lines)
    if len(lines) < 3:
        others = f" ({left_out} more {'lacks' if left_out == 1 else 'lack'} a task)" if left_out else ""
        return f"it compares ranks of three rows or more, and {_are(len(lines), 'row')} complete{others}."
    if len(section.columns) < 3:
        return (
            f"ranks over {len(section.columns)} task{'s' * (len(section.columns) != 1)} cannot tell rows apart; "
            "with fewer than three tasks the test has next to no power."
        )
    return ""


def _are(count: int, noun: str) -> str:
    return f"{count} {noun} is" if count == 1 else f"{count} {noun}s are"


def _finding(p: float, best: Line, rank: float, tasks: int) -> str:
    lead = f"Over {tasks} tasks {best.name} has the best mean rank, {rank:.2f}. "
    p_text = "p < 0.001" if p < 0.001 else f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"
    if p < 0.05:
        return f"{lead}The rows do differ in rank (Friedman's test, {p_text})."
    return f"{lead}All the same, chance alone might order the rows like this (Friedman's test, {p_text})."


def _reading(cd: float, k: int, shown: int, tasks: int) -> str:
    weak = (
        f" {tasks} tasks are few for this test: it only sees large and steady differences, and a bar is no proof of "
        "equality."
        if tasks < FEW or cd > (k - 1) / 2
        else ""
    )
    cut = f" Of {k} rows the {shown} best are shown." if shown < k else ""
    return (
        "Rows are placed at their mean rank over the tasks, 1 being the best. A bar joins rows whose mean ranks lie "
        f"less than the critical difference apart, here {cd:.2f} ranks (Nemenyi's test at 5%; Demšar 2006): those "
        f"chance alone may have parted.{weak}{cut}"
    )


def _draw(lines: Sequence[Line], ranks: np.ndarray, cd: float, groups: Sequence[Sequence[int]], k: int) -> Figure:
    left, right = _SIDE, _theme.WIDTH - _SIDE
    last = k if len(lines) == k else min(k, int(np.ceil(ranks.max() + 0.5)))

    def x_of(rank: float) -> float:
        return left + (right - left) * (rank - 1) / (last - 1)

    step = next(n for n in (1, 2, 5, 10, 50) if n * (right - left) / last >= 18 or n == 50)
    bars, top = 12 * len(groups), 62
    half = (len(lines) + 1) // 2
    first_label = top + bars + 26
    height = first_label + (half - 1) * _STEP + 20
    figure = _theme.figure(height)
    axes = _theme.axes(figure, 0, 0, _theme.WIDTH, height)
    axes.set_xlim(0, _theme.WIDTH)
    axes.set_ylim(height, 0)
    axes.axis("off")
    axes.plot((left, right), (top, top), color=_theme.MUTED, linewidth=1)
    for rank in range(1, last + 1):
        axes.plot((x_of(rank),) * 2, (top - 5, top), color=_theme.MUTED, linewidth=1)
        if rank == 1 or rank % step == 0:
            _theme.write(figure, x_of(rank), top - 14, str(rank), ha="center", color=_theme.MUTED, size=10)
    end = min(x_of(1 + cd), right)
    axes.plot((left, end), (22, 22), color=_theme.INK, linewidth=1.6)
    for x in (left, end):
        axes.plot((x, x), (18, 26), color=_theme.INK, linewidth=1.6)
    wider = " (wider than the scale)" if x_of(1 + cd) > right + 0.5 else ""
    _theme.write(figure, left, 10, f"critical difference {cd:.2f}{wider}", color=_theme.INK, size=10)
    for i, group in enumerate(groups):
        ends = x_of(ranks[group[0]]) - 3, x_of(ranks[group[-1]]) + 3
        axes.plot(ends, (top + 12 + 12 * i,) * 2, color=_theme.ACCENT, linewidth=4, solid_capstyle="round")
    for i, (line, rank) in enumerate(zip(lines, ranks, strict=True)):
        on_left = i < half
        y = first_label + (i if on_left else len(lines) - 1 - i) * _STEP
        stop, side = (left - 16, "right") if on_left else (right + 16, "left")
        axes.plot((x_of(rank), x_of(rank), stop), (top, y, y), color=_theme.MUTED, linewidth=1)
        axes.plot(x_of(rank), top, "o", color=_theme.INK, markersize=4)
        _label(figure, line, rank, (stop, y), side)
    return figure


def _label(figure: Figure, line: Line, rank: float, place: tuple[float, float], side: str) -> None:
    x, y = place
    away = -6 if side == "right" else 6
    text = _theme.fitted(f"{line.label} · {line.way}", _SIDE - 64, 10)
    words = f"{text}  {rank:.2f}" if side == "right" else f"{rank:.2f}  {text}"
    _theme.write(figure, x + away, y, words, ha=side, size=10)
