"""Which rank each row may truly have, and whether ranks over tasks tell rows apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from suite.evidence import SHOWN, Line, Section
from suite.report import _theme
from suite.report._plot import NAMES, Plot, height_of, rows
from suite.stats import ranking

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_TOLD = 16
"""Up to how many rows each chance is written out."""

_RIGHT = 70
_LEAST = 0.005
_Z95 = 1.959964


def distribution(section: Section) -> Plot:
    """Return the plot of each row's chances of each rank."""
    name, title = f"{section.slug}-ranks", "How sure is each rank?"
    lines = [line for line in section.placed if line.interval is not None]
    if len(lines) < 2:
        measure = section.measure
        return Plot(name, title, f"There is no rank distribution: it needs two rows whose {measure} has an interval.")
    chances = ranking.rank_distribution(_draws(lines) * (-1 if section.loss else 1))
    expected, first = chances @ np.arange(1, len(lines) + 1), float(chances[0, 0])
    figure = _figure(lines[:SHOWN], chances[:SHOWN, :SHOWN], expected)
    beyond = f" Of {len(lines)} rows and ranks the first {SHOWN} are shown." if len(lines) > SHOWN else ""
    return Plot(
        name,
        title,
        f"Each {section.measure} is drawn 10,000 times from a bell curve as wide as its interval, and the rows are "
        "ranked each time: the stronger the colour, the more often the row came to that rank. Rows are drawn "
        "independently of each other; those tested on the same examples move together in truth, so that their ranks "
        f"are rather surer than shown. On the right, the expected rank.{beyond}",
        f"{lines[0].name} is first in {_percent(first)} of the draws.",
        figure,
    )


def _figure(lines: Sequence[Line], chances: np.ndarray, expected: np.ndarray) -> Figure:
    height, top = height_of(lines), 34
    figure = _theme.figure(top + len(lines) * height + 8)
    rows(figure, lines, top)
    width = _theme.WIDTH - NAMES - _RIGHT - 8
    _fill(_theme.axes(figure, NAMES, top, width, len(lines) * height), chances)
    _heads(figure, len(lines), width)
    for i, _ in enumerate(lines):
        text = f"{expected[i]:.1f}"
        _theme.write(figure, _theme.WIDTH - 6, top + (i + 0.5) * height, text, ha="right", size=10)
    return figure


def _draws(lines: Sequence[Line]) -> np.ndarray:
    means = np.array([line.mean for line in lines], dtype=float)
    widths = np.array([line.interval[1] - line.interval[0] for line in lines if line.interval])
    return ranking.draw_means(means, widths / (2 * _Z95))


def _percent(share: float) -> str:
    if share > 0.995:
        return "over 99%"
    return "under 1%" if share < _LEAST else f"{100 * share:.0f}%"


def _fill(axes: Axes, chances: np.ndarray) -> None:
    from matplotlib.patches import Rectangle

    count = len(chances)
    axes.set_xlim(0.5, count + 0.5)
    axes.set_ylim(count - 0.5, -0.5)
    axes.axis("off")
    for y, x in zip(*np.nonzero(chances >= _LEAST), strict=True):
        share = float(chances[y, x])
        depth = (
            0.06 + 0.5 * share if count <= _TOLD else 0.08 + 0.85 * share**0.7
        )  # text must be read on it, or none is
        axes.add_patch(
            Rectangle((x + 0.54, y - 0.42), 0.92, 0.84, facecolor=_theme.ACCENT, alpha=depth, edgecolor="none")
        )
        if count <= _TOLD:
            axes.text(x + 1, y, f"{100 * share:.0f}%", ha="center", va="center", size=9)


def _heads(figure: Figure, count: int, width: float) -> None:
    step = max(1, count // 20)
    for place in range(1, count + 1):
        if place % step == 0 or place == 1:
            x = NAMES + width * (place - 0.5) / count
            _theme.write(figure, x, 20, str(place), ha="center", color=_theme.MUTED, size=10)
    _theme.write(figure, NAMES - 8, 20, "rank", ha="right", color=_theme.MUTED, size=10)
    _theme.write(figure, _theme.WIDTH - 6, 20, "expected", ha="right", color=_theme.MUTED, size=10)
