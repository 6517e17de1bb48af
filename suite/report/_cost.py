"""The score against what it costs: parameters trained, parameters in all, seconds; and the Pareto front."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from suite.evidence import Line, Section
from suite.evidence.words import listed
from suite.leaderboard import Row
from suite.report import _theme
from suite.report._forest import marked
from suite.report._plot import CUT, Plot, cut, window
from suite.tables import count

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_TOP, _HIGH, _LEFT, _GAP, _LINE = 34, 250, 46, 26, 18
_NUMBERED, _SPREAD = 24, 40


@dataclass(frozen=True)
class Cost:
    """One way to count the cost of a row."""

    title: str
    word: str
    of: Callable[[Row], float | None]
    told: Callable[[float], str]


def _seconds(value: float) -> str:
    if value >= 3600:
        return f"{value / 3600:.3g} h"
    return f"{value / 60:.3g} min" if value >= 120 else f"{value:.2g} s" if value < 10 else f"{value:.0f} s"


COSTS = (
    Cost("Parameters trained", "parameters trained", lambda row: row.trainable_params, lambda n: count(round(n))),
    Cost("Parameters in all", "parameters in all", lambda row: row.params, lambda n: count(round(n))),
    Cost("Seconds a run", "seconds a run", lambda row: row.seconds, _seconds),
)


def front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Return which of the points (cost, score) no other beats at the same cost or less, cheapest first."""
    best, found = -float("inf"), []
    for i in sorted(range(len(points)), key=lambda i: (points[i][0], -points[i][1])):
        if points[i][1] > best:
            best = points[i][1]
            found.append(i)
    return found


def pareto(section: Section) -> Plot:
    """Return the plot of M, or the mean loss, against each cost that is known."""
    name, title = f"{section.slug}-cost", "What does a better score cost?"
    lines = section.placed
    if not lines:
        return Plot(name, title, f"There is no plot of score against cost: {section.why_no_mean}")
    priced = {cost: some for cost in COSTS if (some := [line for line in lines if cost.of(line.row)])}
    if not priced:
        return Plot(name, title, "There is no plot of score against cost: no record tells what its run cost.")
    marks = [mark for line in lines if (mark := marked(line, section)) is not None]
    shown = window(marks, 100.0 if section.corrected else None)
    fronts = {cost.word: _front(section, cost, some) for cost, some in priced.items()}
    return Plot(
        name,
        title,
        _reading(section, lines, cut(marks, shown), any(len(some) < len(lines) for some in priced.values())),
        _finding(fronts),
        _figure(section, priced, shown),
    )


def _front(section: Section, cost: Cost, lines: Sequence[Line]) -> list[Line]:
    """Return the rows of the front, cheapest first."""
    points = _points(section, cost, lines)
    return [lines[i] for i in front([(x, -y if section.loss else y) for x, y in points])]


def _points(section: Section, cost: Cost, lines: Sequence[Line]) -> list[tuple[float, float]]:
    return [(float(cost.of(line.row) or 0), section.scale * (line.mean or 0)) for line in lines]


def _finding(fronts: dict[str, list[Line]]) -> str:
    """Say which rows are on the front by each cost; costs with the same front stand together."""
    words: dict[str, list[str]] = {}
    for word, lines in fronts.items():
        names = f"{lines[0].name} alone" if len(lines) == 1 else f"rows {listed([line.number for line in lines])}"
        words.setdefault(names, []).append(word)
    parts = [f"by {listed(of)}: {names}" for names, of in words.items()]
    return f"On the Pareto front, from cheap to dear, {'; '.join(parts)}."


def _reading(section: Section, lines: Sequence[Line], cut_off: bool, some_unknown: bool) -> str:
    intervals = "Thin lines are 95% intervals: a step of the front smaller than they are may be chance."
    return (
        f"{'Down' if section.loss else 'Up'} is better, left is cheaper; the cost axis is logarithmic. The stepped "
        "line is the Pareto front: the filled points on it are beaten by none that costs as much or less. Numbers are "
        f"those of the table. {intervals + CUT * cut_off if len(lines) <= _SPREAD else ''}"
        f"{' A row whose cost no record tells is not drawn.' * some_unknown}"
    )


def _figure(section: Section, priced: dict[Cost, list[Line]], shown: tuple[float, float]) -> Figure:
    looks = _theme.series([line.way for line in section.placed])
    keyed = [*looks][: len(_theme.MARKS)]
    figure = _theme.figure(_TOP + _HIGH + 34 + _LINE * (-(-len(keyed) // 3)) + 6)
    width = (_theme.WIDTH - _LEFT - 8 - _GAP * (len(priced) - 1)) / len(priced)
    for i, (cost, lines) in enumerate(priced.items()):
        left = _LEFT + i * (width + _GAP)
        _theme.write(figure, left, 14, cost.title, weight="bold")
        axes = _theme.axes(figure, left, _TOP, width, _HIGH)
        axes.set_xscale("log")
        axes.grid(axis="both")
        axes.set_ylim(*shown)
        axes.locator_params(axis="y", nbins=6)
        axes.tick_params(labelleft=i == 0)
        _panel(axes, section, (cost, lines), looks)
    _theme.write(figure, 6, _TOP - 6, section.measure, color=_theme.MUTED, size=10)
    _key(figure, {word: looks[word] for word in keyed}, _TOP + _HIGH + 38)
    return figure


def _panel(axes: Axes, section: Section, of: tuple[Cost, list[Line]], looks: dict[str, tuple[str, str]]) -> None:
    """Draw the rows whose cost is known, and their front."""
    cost, lines = of
    points, chosen = _points(section, cost, lines), _front(section, cost, lines)
    best = [lines.index(line) for line in chosen]
    _scale(axes, min(x for x, _ in points), max(x for x, _ in points), cost)
    steps = [points[i] for i in best] + [(axes.get_xlim()[1], points[best[-1]][1])]
    axes.plot(*zip(*steps, strict=True), drawstyle="steps-post", color=_theme.MUTED, linewidth=1.2, zorder=1)
    if len(lines) <= _SPREAD:
        for line, (x, _) in zip(lines, points, strict=True):
            if line.interval:
                ends = [section.scale * end for end in line.interval]
                axes.plot((x, x), ends, color=looks[line.way][0], linewidth=1, alpha=0.35, zorder=1)
    for way, (colour, mark) in looks.items():
        for first in (False, True):
            same = [points[i] for i, line in enumerate(lines) if line.way == way and (i in best) is first]
            if same:
                face = colour if first else "none"
                axes.plot(*zip(*same, strict=True), mark, color=colour, markersize=7, zorder=3, markerfacecolor=face)
    _numbers(axes, lines, points, best)


def _scale(axes: Axes, low: float, high: float, cost: Cost) -> None:
    """Set a logarithmic axis with a few round ticks, in words."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    room = 1.4 * (high / low) ** 0.12
    low, high = low / room, high * room
    axes.set_xlim(low, high)
    for digits in ((1,), (1, 3), (1, 2, 5)):
        ticks = [n * 10.0**e for e in range(-3, 16) for n in digits if low <= n * 10.0**e <= high]
        if len(ticks) >= 3:
            break
    axes.xaxis.set_major_locator(FixedLocator(ticks[:: -(-len(ticks) // 5) or 1]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: cost.told(value)))


def _numbers(axes: Axes, lines: Sequence[Line], points: Sequence[tuple[float, float]], best: Sequence[int]) -> None:
    """Write rows' numbers beside their points, where no other stands; those on the front first, of many only those."""
    low, high = axes.get_xlim()
    taken: list[tuple[float, float]] = []
    span = axes.get_ylim()[1] - axes.get_ylim()[0]
    others = [i for i in range(len(points)) if i not in best] if len(points) <= _NUMBERED else []
    for i in [*best, *others]:
        first = i in best
        spot = _place(points[i][0], low, high) + (-0.05 if first else 0.05), points[i][1] / span
        if any(abs(spot[0] - x) < 0.1 and abs(spot[1] - y) < 0.06 for x, y in taken):
            continue
        taken.append(spot)
        axes.annotate(
            lines[i].number,
            points[i],
            xytext=(-6 if first else 7, 4),
            textcoords="offset points",
            ha="right" if first else "left",  # up and left of the front there is nothing
            size=10 if first else 9,
            weight="bold" if first else "normal",
            color=_theme.INK if first else _theme.MUTED,
            zorder=4,
        )


def _place(x: float, low: float, high: float) -> float:
    """Return where on a logarithmic axis x stands, from 0 to 1."""
    from math import log

    return log(x / low) / log(high / low)


def _key(figure: Figure, looks: dict[str, tuple[str, str]], top: float) -> None:
    """Write what each mark stands for."""
    width = (_theme.WIDTH - _LEFT) / 3
    axes = _theme.axes(figure, 0, 0, _theme.WIDTH, float(figure.get_size_inches()[1]) * 72)
    axes.set_xlim(0, _theme.WIDTH)
    axes.set_ylim(float(figure.get_size_inches()[1]) * 72, 0)
    axes.axis("off")
    for i, (word, (colour, mark)) in enumerate(looks.items()):
        x, y = _LEFT + (i % 3) * width, top + (i // 3) * _LINE
        axes.plot(x + 4, y, mark, color=colour, markersize=7)
        _theme.write(figure, x + 14, y, _theme.fitted(word, width - 24, 10), size=10)
