"""A board as figures: cost and the Pareto front, every task, ranks, single runs."""

from __future__ import annotations

from typing import Any

from showroom import figures, pages, ranks
from showroom.board import protocol_words
from showroom.views import Shown
from suite.evidence import Line, Section
from suite.evidence.words import counted
from suite.leaderboard import Board

MOST = 20
"""Rows that stand in strips; the costs show all of them."""

_NUMBERED, _SPREAD, _WRITTEN, _NAMED = 24, 40, 12, 6


def html(shown: Shown) -> str:
    """Return the figures of a view's rows."""
    section = shown.section
    if section is None or not shown.lines:
        return pages.render("explore", section=None)
    lines = shown.lines[:MOST]
    everyone = [line for line in section.lines if not shown.view.strategies or line.way in shown.view.strategies]
    cut = f" The first {MOST} are shown below the costs." if shown.found > MOST else ""
    chances = ranks.chances(section, everyone, MOST)
    return pages.render(
        "explore",
        section=section,
        about=f"{section.title}, {counted(len(everyone), 'row')}. {protocol_words(shown)}{cut}",
        scatters=_scatters(section, everyone),
        many=len(everyone) > _SPREAD,
        few=len(everyone) <= _NUMBERED,
        lines=lines,
        panels=figures.forest(section, lines),
        chances=list(zip(chances.lines, chances.shares, chances.expected[: len(chances.lines)], strict=True))
        if chances
        else None,
        ranks=range(1, len(chances.lines) + 1) if chances else (),
        few_ranks=chances is not None and len(chances.lines) <= _WRITTEN,
        stability=None if section.loss else section.board.stability,
        left_out=_left_out(section.board),
        seeds=figures.seeds(section, lines),
    )


def _scatters(section: Section, lines: list[Line]) -> list[dict[str, Any]]:
    drawn = [plot for cost in figures.costs(lines) if (plot := figures.scatter(section, lines, cost))]
    return [vars_of(plot) | {"front": _front(plot)} for plot in drawn]


def vars_of(plot: figures.Scatter) -> dict[str, Any]:
    """Return a plot's fields for a template."""
    return {name: getattr(plot, name) for name in ("title", "points", "steps", "x", "y", "ways")}


def _front(plot: figures.Scatter) -> str:
    names = [f"{line.number}. {line.name}" for line in plot.best]
    return ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")


def _left_out(board: Board) -> list[tuple[str, float, bool]]:
    """Return each task with the tau of the ranking without it, and whether another row would be the top."""
    if board.stability is None:
        return []
    flips = set(board.stability.flips)
    return [
        (task, tau, i in flips) for i, (task, tau) in enumerate(zip(board.tasks, board.stability.taus, strict=True))
    ]
