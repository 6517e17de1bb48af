"""The score against what it costs: parameters trained, parameters in all, seconds; and the Pareto front."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from suite.leaderboard import Row
from suite.report import _theme
from suite.report._evidence import Line, Section
from suite.report._forest import marked
from suite.report._plot import CUT, Plot, cut, window
from suite.report._words import listed
from suite.tables import count

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_TOP, _HIGH, _LEFT, _GAP, _LINE = 34, 250, 46, 26, 18
_NUMBERED = 24


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
    """Return the plot of M against each cost that is known."""
    name, title = f"{section.slug}-cost", "What does a better score cost?"
    lines = section.placed
    if not lines:
        return Plot(name, title, f"There is no plot of score against cost: {section.why_no_mean}")
    costs = [cost for cost in COSTS if any(cost.of(line.row) for line in lines)]
    if not costs:
        return Plot(name, title, "There is no plot of score against cost: no record tells what its run cost.")
    looks = _theme.series([line.way for line in lines])
    on_front: dict[str, list[Line]] = {}
    keyed = [*looks][: len(_theme.MARKS)]
    figure = _theme.figure(_TOP + _HIGH + 34 + _LINE * (-(-len(keyed) // 3)) + 6)
    width = (_theme.WIDTH - _LEFT - 8 - _GAP * (len(costs) - 1)) / len(costs)
    for i, cost in enumerate(costs):
        left = _LEFT + i * (width + _GAP)
        axes = _theme.axes(figure, left, _TOP, width, _HIGH)
        _theme.write(figure, left, 14, cost.title, weight="bold")
        priced = [line for line in lines if cost.of(line.row)]
        on_front[cost.word] = _panel(axes, cost, priced, (looks, section.scale, section.loss))
        axes.tick_params(labelleft=i == 0)
    marks = [mark for line in lines if (mark := marked(line, section)) is not None]
    shown = window(marks, 100.0 if section.corrected else None)
    for axes in figure.axes:
        axes.set_ylim(*shown)
        axes.locator_params(axis="y", nbins=6)
    _theme.write(figure, 6, _TOP - 6, section.measure, color=_theme.MUTED, size=10)
    _key(figure, {word: looks[word] for word in keyed}, _TOP + _HIGH + 38)
    caption = (
        f"{'Down' if section.loss else 'Up'} is better, left is cheaper; the cost axis is logarithmic. The stepped "
        "line is the Pareto front: the filled points on it are beaten by none that costs as much or less. Numbers are "
        "those of the table. Thin lines are 95% intervals: a step of the front smaller than they are may be chance."
        + CUT
        * cut(marks, shown)
    )
    return Plot(name, title, caption, _finding(on_front), figure)


def _finding(on_front: dict[str, list[Line]]) -> str:
    """Say which rows are on the front by each cost; costs with the same front stand together."""
    words: dict[str, list[str]] = {}
    for word, lines in on_front.items():
        one = f"{lines[0].name} alone"
        names = one if len(lines) == 1 else f"rows {listed([line.number for line in lines])}"
        words.setdefault(names, []).append(word)
    parts = [f"by {listed(of)}: {names}" for names, of in words.items()]
    return f"On the Pareto front, from cheap to dear, {'; '.join(parts)}."


def _panel(
    axes: Axes, cost: Cost, lines: Sequence[Line], how: tuple[dict[str, tuple[str, str]], float, bool]
) -> list[Line]:
    """Draw one panel; return the rows on its front, cheapest first."""
    looks, scale, loss = how
    points = [(float(cost.of(line.row) or 0), scale * (line.mean or 0)) for line in lines]
    best = front([(x, -y if loss else y) for x, y in points])
    axes.set_xscale("log")
    axes.grid(axis="both")
    xs = [x for x, _ in points]
    _scale(axes, min(xs), max(xs), cost)
    steps = [points[i] for i in best]
    axes.plot(
        [*(x for x, _ in steps), axes.get_xlim()[1]],
        [*(y for _, y in steps), steps[-1][1]],
        drawstyle="steps-post",
        color=_theme.MUTED,
        linewidth=1.2,
        zorder=1,
    )
    for i, (line, (x, y)) in enumerate(zip(lines, points, strict=True)):
        colour, mark = looks[line.way]
        if line.interval:
            low, high = line.interval
            axes.plot((x, x), (scale * low, scale * high), color=colour, linewidth=1, alpha=0.35, zorder=1)
        axes.plot(x, y, mark, color=colour, markersize=7, zorder=3, markerfacecolor=colour if i in best else "none")
    _numbers(axes, lines, points, best)
    return [lines[i] for i in best]


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
    span = max((y for _, y in points)) - min((y for _, y in points)) or 1.0
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
