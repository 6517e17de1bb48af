"""Learning curves: the loss and the validation score on the way, mean and spread over runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from suite.evidence import Line, Section
from suite.report import _theme
from suite.report._plot import Plot

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST = len(_theme.SERIES)
"""Rows drawn: more lines than colours cannot be told apart."""

_ACROSS, _HIGH, _HEAD, _FOOT, _LEFT, _GAP, _LINE = 3, 150, 30, 44, 40, 40, 18
_STYLES = ("-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1.5, 2)))
_HOWS = (
    (
        "validation",
        "Validation score on the way",
        "Validation score at each look, up being better; the best look of each run is the one that was tested.",
    ),
    ("loss", "Training loss on the way", "Lower is a better fit to the training rows, no more."),
)
_Runs = dict[str, dict[tuple[int, int], list[dict[str, Any]]]]


@dataclass
class _Drawn:
    """A row, how it looks, and its runs' curves by panel."""

    line: Line
    runs: _Runs
    colour: str = ""
    mark: str = ""
    dashes: Any = "-"
    panels: list[str] = field(default_factory=list)


def curves(section: Section) -> list[Plot]:
    """Return the plots of the validation score and of the training loss, or one reason why there is neither."""
    made = [_plot(section, *how) for how in _HOWS]
    drawn = [plot for plot in made if plot.figure]
    why = "There are no learning curves: no record of these rows holds one (probes are fitted without steps)."
    return drawn or [Plot(f"{section.slug}-curves", "Learning curves", why)]


def _plot(section: Section, what: str, title: str, reading: str) -> Plot:
    name = f"{section.slug}-{what}"
    drawn, more = _drawn(section.shown, what)
    if not drawn:
        return Plot(name, title, "")
    titles = list(dict.fromkeys(panel for row in drawn for panel in row.runs))
    cut = f" The first {MOST} rows that have curves are drawn; {more} more have some." if more else ""
    return Plot(
        name,
        title,
        f"{reading} Lines are means over runs, bands reach from the lowest to the highest.{cut}",
        _several(drawn),
        _figure(drawn, titles, what),
    )


def _figure(drawn: Sequence[_Drawn], titles: Sequence[str], what: str) -> Figure:
    across = min(_ACROSS, len(titles))
    block = _HEAD + _HIGH + _FOOT
    blocks = -(-len(titles) // across)
    figure = _theme.figure(block * blocks + _LINE * -(-len(drawn) // 2) + 8)
    width = (_theme.WIDTH - _LEFT - 8 - _GAP * (across - 1)) / across
    for i, panel in enumerate(titles):
        left, top = _LEFT + (i % across) * (width + _GAP), (i // across) * block
        _theme.write(figure, left, top + 16, _theme.fitted(panel, width), weight="bold")
        axes = _theme.axes(figure, left, top + _HEAD, width, _HIGH)
        axes.grid(axis="both")
        axes.set_xlabel("steps", size=10)
        for row in drawn:
            if panel in row.runs:
                _curve(axes, row, _by_step(row.runs[panel].values(), what), what)
        axes.margins(x=0.02)
        axes.locator_params(nbins=5)
    _key(figure, drawn, block * blocks + 8)
    return figure


def _several(drawn: Sequence[_Drawn]) -> str:
    runs = [len(found) for row in drawn for found in row.runs.values()]
    return "Each line is one run: there is no band." if max(runs) == 1 else ""


def _drawn(lines: Iterable[Line], what: str) -> tuple[list[_Drawn], int]:
    """Return the rows to draw, and how many more there are."""
    found = [_Drawn(line, runs) for line in lines if (runs := _runs(line, what))]
    for i, row in enumerate(found[:MOST]):
        row.colour, row.mark = _theme.SERIES[i], _theme.MARKS[i]
        row.dashes = _STYLES[i % len(_STYLES)]
    return found[:MOST], len(found) - MOST if len(found) > MOST else 0


def _runs(line: Line, what: str) -> _Runs:
    """Return the curves of a row's runs by panel: the task, or the tasks that shared the trunk."""
    found: _Runs = {}
    for entry in line.entries:
        curve: Any = entry.record.training.get("curve")
        points = [point for point in curve or [] if isinstance(point, dict) and what in point and "step" in point]
        if points:
            trunk = line.row.trunk
            panel = f"joint: {' + '.join(trunk)}" if trunk else entry.head.task
            found.setdefault(panel, {})[entry.head.seed, entry.head.fold] = points
    return found


def _by_step(curves: Iterable[list[dict[str, Any]]], what: str) -> dict[float, list[float]]:
    """Return all runs' values at each step."""
    found: dict[float, list[float]] = {}
    for curve in curves:
        for point in curve:
            value = float(point[what])
            if np.isfinite(value):
                found.setdefault(float(point["step"]), []).append(value)
    return dict(sorted(found.items()))


def _curve(axes: Axes, row: _Drawn, values: dict[float, list[float]], what: str) -> None:
    scale: Callable[[float], float] = (lambda v: 100 * v) if what == "validation" else (lambda v: v)
    steps = list(values)
    means = [scale(float(np.mean(found))) for found in values.values()]
    lows, highs = ([scale(end(found)) for found in values.values()] for end in (min, max))
    if any(len(found) > 1 for found in values.values()):
        axes.fill_between(steps, lows, highs, color=row.colour, alpha=0.14, linewidth=0)
    sparse = len(steps) <= 6
    axes.plot(
        steps,
        means,
        color=row.colour,
        linestyle=row.dashes,
        linewidth=1.7,
        marker=row.mark,
        markersize=5,
        markevery=1 if sparse else (len(steps) - 1, len(steps)),
    )


def _key(figure: Figure, drawn: Sequence[_Drawn], top: float) -> None:
    """Write which line is which row."""
    width, high = _theme.WIDTH / 2, float(figure.get_size_inches()[1]) * 72
    axes = _theme.axes(figure, 0, 0, _theme.WIDTH, high)
    axes.set_xlim(0, _theme.WIDTH)
    axes.set_ylim(high, 0)
    axes.axis("off")
    for i, row in enumerate(drawn):
        x, y = 8 + (i % 2) * width, top + (i // 2) * _LINE
        axes.plot((x, x + 26), (y, y), color=row.colour, linestyle=row.dashes, linewidth=1.7)
        axes.plot(x + 26, y, row.mark, color=row.colour, markersize=5)
        text = f"{row.line.number}  {row.line.label} · {row.line.way}"
        _theme.write(figure, x + 38, y, _theme.fitted(text, width - 56, 10), size=10)
