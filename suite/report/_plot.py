"""One plot of a report: a figure with its words, or the reason why there is none; and what all figures share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from suite.evidence import Line
from suite.report import _theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TALL, FLAT, ROOMY = 34, 19, 14
"""A row's height in pixels with the label on two lines and on one, and up to how many rows two are used."""

NAMES = 272
"""Pixels for the labels on the left."""


Mark = tuple[float, tuple[float, float] | None]
"""A mean and its interval, as they are drawn."""


@dataclass(frozen=True)
class Plot:
    """A figure, or None with the reason in `caption`; `found` is what it shows here, `caption` how it is read."""

    name: str
    title: str
    caption: str
    found: str = ""
    figure: Figure | None = None

    @property
    def description(self) -> str:
        """What is read out in place of the figure."""
        return f"{self.found} {self.caption}".strip()


def height_of(lines: Sequence[Line]) -> int:
    """Return a row's height in pixels."""
    return TALL if len(lines) <= ROOMY else FLAT


def rows(figure: Figure, lines: Sequence[Line], top: float) -> None:
    """Write the rows' numbers and labels on the left and shade every other tie group, from a pixel down."""
    height = height_of(lines)
    _bands(figure, lines, top)
    for i, line in enumerate(lines):
        middle = top + (i + 0.5) * height
        _theme.write(figure, 20, middle, line.number, ha="right", color=_theme.MUTED, size=10)
        if height == TALL:
            name = _theme.fitted(line.label, NAMES - 34)
            _theme.write(figure, 28, middle - 7, name, color=_theme.INK)
            _theme.write(figure, 28, middle + 8, _theme.fitted(line.way, NAMES - 34, 10), color=_theme.MUTED, size=10)
        else:
            way = _theme.fitted(line.way, 96, 9)
            room = NAMES - 40 - _theme.wide(way, 9)
            _theme.write(figure, 28, middle, _theme.fitted(line.label, room, 10), color=_theme.INK, size=10)
            _theme.write(figure, NAMES - 6, middle, way, ha="right", color=_theme.MUTED, size=9)


def _bands(figure: Figure, lines: Sequence[Line], top: float) -> None:
    from matplotlib.patches import Rectangle

    high, height = float(figure.get_size_inches()[1]) * 72, height_of(lines)
    for start, stop in spans([line.tie_group for line in lines])[::2]:
        bottom = 1 - (top + stop * height) / high
        band = Rectangle(
            (0, bottom),
            1,
            (stop - start) * height / high,
            transform=figure.transFigure,
            facecolor=_theme.BAND,
            edgecolor="none",
            zorder=-1,
        )
        figure.add_artist(band)


def spans(groups: Sequence[int | None]) -> list[tuple[int, int]]:
    """Return where runs of equal groups start and stop; whatever has no group stands alone."""
    found: list[tuple[int, int]] = []
    for i, group in enumerate(groups):
        if found and group is not None and groups[i - 1] == group:
            found[-1] = (found[-1][0], i + 1)
        else:
            found.append((i, i + 1))
    return found


def panels(
    lines: Sequence[Line], titles: Sequence[tuple[str, str]], draw: Callable[[Axes, int], None], across: int = 3
) -> Figure:
    """Return a figure of one panel a title (with what stands below it), all over the same rows, `across` in a line.

    `draw(axes, i)` fills the i-th panel; its y is the row's place, counted from 0 at the top.
    """
    height = len(lines) * height_of(lines)
    across = max(1, min(across, len(titles)))
    head, foot, gap = 44, 28, 18
    block = head + height + foot
    figure = _theme.figure(block * -(-len(titles) // across) + 4)
    width = (_theme.WIDTH - NAMES - 8 - gap * (across - 1)) / across
    for i, (title, below) in enumerate(titles):
        top, left = (i // across) * block, NAMES + (i % across) * (width + gap)
        if i % across == 0:
            rows(figure, lines, top + head)
        _theme.write(figure, left, top + 14, _theme.fitted(title, width - 4), weight="bold", color=_theme.INK)
        _theme.write(figure, left, top + 30, _theme.fitted(below, width - 4, 10), color=_theme.MUTED, size=10)
        made = _theme.axes(figure, left, top + head, width, height)
        made.set_ylim(len(lines) - 0.5, -0.5)
        made.set_yticks([])
        made.grid(axis="x")
        draw(made, i)
    return figure


def window(marks: Sequence[Mark], ceiling: float | None = None) -> tuple[float, float]:
    """Return from where to where an axis goes that shows means with their intervals.

    All means are inside, and the intervals but for the ends of those that are far wider than others are: two seeds that
    disagree have an interval wider than the scale.
    """
    means = [mean for mean, _ in marks] or [0.0, 1.0]
    ends = [end for _, interval in marks for end in interval or ()]
    halves = sorted((high - low) / 2 for low, high in (interval for _, interval in marks if interval))
    reach = max(max(means) - min(means), 4 * halves[len(halves) // 2] if halves else 0.0)
    low, high = max(min([*ends, *means]), min(means) - reach), min(max([*ends, *means]), max(means) + reach)
    if ceiling is not None and max(means) <= ceiling:
        high = min(high, ceiling)
    room = 0.06 * (high - low) or max(abs(low) * 0.05, 1e-3)
    return low - room, high + room


def cut(marks: Sequence[Mark], shown: tuple[float, float]) -> bool:
    """Return whether an interval reaches out of what an axis shows."""
    return any(interval[0] < shown[0] or interval[1] > shown[1] for _, interval in marks if interval)


CUT = " An interval that reaches out of the plot is cut at its edge."
