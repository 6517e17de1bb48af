"""What commands print of a store: boards, what sharing did, stages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from suite.cli._words import say

if TYPE_CHECKING:
    from suite.admission import Filter
    from suite.index import Contents
    from suite.leaderboard import Board
    from suite.spec import TaskSpec


def print_boards(columns: Sequence[TaskSpec], store: str | Contents, only: Filter, title: str = "") -> None:
    """Print every board that the records make, what a reader should know beside it, and what was left out."""
    from suite.boards import boards

    left_out: dict[str, None] = {}
    for board in boards(store, columns, only):
        left_out |= dict.fromkeys(board.left_out)
        _show(board, title)
    for note in left_out:
        say(f"Left out: {note}")


def _show(board: Board, title: str) -> None:
    from suite import tables
    from suite.display import board_table, console, loss_table

    if not board.rows:
        say("The store holds no record that fits. Make some: suite run -m MODEL -t TASK -s STRATEGY")
        return
    screen = console()
    if board.tasks:
        screen.print(board_table(board, title, screen))
    if board.losses:
        screen.print(loss_table(board, title if not board.tasks else ""))
    for note in tables.notes(board):
        screen.say(note)


def print_transfer(store: str | Contents, tasks: Sequence[str] | None) -> None:
    """Print what sharing a trunk did to each task."""
    from suite.display import console, effects_table
    from suite.effects import transfer

    found = transfer(store, tasks)
    if found.effects:
        console().print(effects_table(found.effects))
    elif not found.missing:
        say("The store holds no joint run. Make some: suite run -m MODEL -t TASK TASK -s multitask")
    for note in found.missing:
        say(note)


def print_stages(contents: Contents, keys: set[str]) -> None:
    """Print how scores moved from stage to stage in the runs of these keys."""
    from suite.display import console, stages_table

    entries = [entry for entry in contents.entries if entry.record.key in keys]
    if entries:
        console().print(stages_table(entries))
