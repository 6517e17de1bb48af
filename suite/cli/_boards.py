"""What commands print of a store: boards, what sharing did, stages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from suite.leaderboard import Board
    from suite.spec import TaskSpec
    from suite.store import Contents


@dataclass(frozen=True)
class Filter:
    """Which of a store's records a board shows; all of them where nothing is said."""

    strategy: str | None = None
    protocol: str | None = None
    resample: str | None = None


def print_boards(
    columns: Sequence[TaskSpec],
    store: str | Contents,
    only: Filter,
    title: str = "",
) -> None:
    """Print one board a modality: no checkpoint reads both texts and images, so none could have a mean over both."""
    from suite import kinds
    from suite.leaderboard import rank, read

    groups: dict[str, list[TaskSpec]] = {}
    for task in columns:
        modality = kinds.get(task.kind).modality if task.kind in kinds.names() else task.kind
        groups.setdefault(modality, []).append(task)
    notes: dict[str, None] = {}
    parts = _apart(read(store), only)
    for group in groups.values() or [[]]:
        boards = [rank(part, group, only.strategy, only.protocol, only.resample) for part in parts]
        for board in [one for one in boards if one.rows] or boards[:1]:
            notes |= dict.fromkeys(board.left_out)
            _show(board, title)
    for note in notes:
        typer.echo(f"Left out: {note}")


def _apart(contents: Contents, only: Filter) -> list[Contents]:
    """Return what may share boards: strategies that test on rows of their own stand apart, unless one is asked for."""
    from suite import strategies
    from suite.store import Contents

    known = strategies.names()
    own = [name for name in known if strategies.get(name).own_rows and only.strategy is None]
    groups: dict[str, Contents] = {"": Contents(faults=contents.faults)}
    for entry in contents.entries:
        name = entry.record.spec.strategy
        groups.setdefault(name if name in own else "", Contents()).entries.append(entry)
    return list(groups.values())


def _show(board: Board, title: str) -> None:
    from suite.display import board_table, console

    if board.rows:
        screen = console()
        screen.print(board_table(board, title, wide=screen.width >= 110))
    else:
        typer.echo("The store holds no record that fits. Make some: suite run -m MODEL -t TASK -s STRATEGY")


def print_transfer(store: str | Contents, tasks: Sequence[str] | None) -> None:
    """Print what sharing a trunk did to each task."""
    from suite.display import console, effects_table
    from suite.effects import transfer

    found = transfer(store, tasks)
    if found.effects:
        console().print(effects_table(found.effects))
    elif not found.missing:
        typer.echo("The store holds no joint run. Make some: suite run -m MODEL -t TASK TASK -s multitask")
    for note in found.missing:
        typer.echo(note)


def print_stages(contents: Contents, keys: set[str]) -> None:
    """Print how scores moved from stage to stage in the runs of these keys."""
    from suite.display import console, stages_table

    entries = [entry for entry in contents.entries if entry.record.key in keys]
    if entries:
        console().print(stages_table(entries))
