"""Every seed's score on every task: how far chance in training alone moves a result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from suite.evidence import Column, Line, Section
from suite.report import _theme
from suite.report._plot import ROOMY, Plot, panels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes


def spread(section: Section) -> Plot:
    """Return the plot of single runs."""
    name, title = f"{section.slug}-seeds", "How much do single runs vary?"
    lines, columns = section.shown, section.columns
    if not lines or not columns:
        return Plot(name, title, "There is no plot of single runs: no task has a score.")

    def draw(axes: Axes, i: int) -> None:
        _runs(axes, lines, columns[i])

    return Plot(
        name,
        title,
        "Each dot is one run (a seed; with folds, one fold of a seed), placed by how far its score lies from the mean "
        "of its row's runs (in points; losses as they are), which stands on the right. A cross is a collapsed run, one "
        "that did no better than guessing by its record's rule: it is left out of that mean and its score stands "
        "beside it, at the edge where it lies further off. An empty dot is a single run, whose spread nobody knows.",
        _finding(lines, columns),
        panels(lines, [(column.name, column.told) for column in columns], draw),
    )


def _runs(axes: Axes, lines: Sequence[Line], column: Column) -> None:
    """Fill a panel with every row's runs, each by its distance from the mean of those that did not collapse."""
    rows = []
    for y, line in enumerate(lines):
        entries = line.of(column.name)
        if entries:
            scores = np.array([entry.head.score * column.scale for entry in entries])
            fallen = np.array([entry.head.collapsed for entry in entries])
            rows.append((y, scores, fallen, float(scores[~fallen].mean() if (~fallen).any() else scores.mean())))
    widest = max((float(np.abs(scores[~fallen] - mean).max(initial=0)) for _, scores, fallen, mean in rows), default=0)
    widest = widest or 1.0
    axes.axvline(0, color=_theme.MUTED, linewidth=1, zorder=1)
    axes.set_xlim(-1.2 * widest, 1.65 * widest)
    axes.locator_params(axis="x", nbins=3)
    told = "{:.1f}" if column.scale == 100 else "{:.3g}"
    for y, scores, fallen, mean in rows:
        _marks(axes, scores - mean, y + _apart(len(scores), len(lines)), fallen)
        for x, at in zip((scores - mean)[fallen], scores[fallen], strict=True):
            if not fallen.all():
                _beside(axes, float(np.clip(x, -1.1 * widest, 1.1 * widest)), y, told.format(at))
        where: dict[str, Any] = {"transform": axes.get_yaxis_transform(), "ha": "right", "va": "center"}
        axes.text(0.99, y, told.format(mean), size=9, color=_theme.MUTED, **where)


def _apart(runs: int, rows: int) -> np.ndarray:
    """Return how far below or above the middle of the row each run is drawn."""
    half = 0.17 if rows > ROOMY else 0.2
    return np.linspace(-half, half, runs) if runs > 1 else np.zeros(1)


def _beside(axes: Axes, x: float, y: float, text: str) -> None:
    axes.annotate(text, (x, y), xytext=(6, 0), textcoords="offset points", va="center", size=8, color=_theme.WARN)


def _marks(axes: Axes, x: np.ndarray, y: np.ndarray, fallen: np.ndarray) -> None:
    """Draw a row's runs, collapsed ones as crosses, at the panel's edge where they lie beyond."""
    edge = axes.get_xlim()[0] * 1.1 / 1.2
    if (~fallen).any():
        face = _theme.ACCENT if len(x) > 1 else "none"
        axes.plot(x[~fallen], y[~fallen], "o", color=_theme.ACCENT, markersize=4.5, markerfacecolor=face, zorder=3)
    if fallen.any():
        inside = np.clip(x[fallen], edge, -edge)
        axes.plot(inside, np.full(len(inside), y.mean()), "x", color=_theme.WARN, markersize=6, markeredgewidth=1.8)


def _finding(lines: Sequence[Line], columns: Sequence[Column]) -> str:
    """Say where single runs differ most, and how many collapsed."""
    widest: tuple[float, str] = (0.0, "")
    single = cells = collapsed = total = 0
    for line in lines:
        for column in columns:
            entries = line.of(column.name)
            scores = [entry.head.score for entry in entries]
            cells += bool(scores)
            single += len(scores) == 1
            total += len(scores)
            collapsed += sum(entry.head.collapsed for entry in entries)
            if len(scores) > 1 and column.scale == 100 and (gap := 100 * (max(scores) - min(scores))) > widest[0]:
                widest = gap, f"{line.name} on {column.name}"
    parts = []
    if widest[1]:
        parts.append(f"Runs of the same row differ by up to {widest[0]:.1f} points ({widest[1]}).")
    if single:
        parts.append(f"{single} of {cells} cells rest on a single run.")
    if collapsed:
        parts.append(f"{collapsed} of {total} runs collapsed.")
    return " ".join(parts)
