"""All boards that a store's records make: no row could have a mean over what its checkpoint cannot read."""

from __future__ import annotations

import functools
import operator
from collections.abc import Sequence

from suite import kinds, strategies
from suite.admission import Filter, admit, read, tasks_in
from suite.index import Contents
from suite.leaderboard import Board, board_of
from suite.spec import TaskSpec
from suite.store import Store


def boards(
    store: str | Store | Contents, tasks: Sequence[TaskSpec] | None = None, only: Filter | None = None
) -> list[Board]:
    """Return one board a modality; strategies that test on rows of their own have boards of their own.

    Where nothing fits there is one board without rows, which says what was left out.

    Args:
        store: a folder, an fsspec URL, an open store, or what one holds.
        tasks: the columns; by default every task that has a record under the protocol that is shown.
        only: which records to show.

    Raises:
        SuiteError: the store cannot be opened, or there is no such way to cut data.
    """
    contents, only = read(store), only or Filter()
    columns = list(tasks) if tasks else tasks_in(contents, only.tags)
    groups: dict[str, list[TaskSpec]] = {}
    for task in columns:
        modality = kinds.get(task.kind).modality if task.kind in kinds.names() else task.kind
        groups.setdefault(modality, []).append(task)
    parts = _apart(contents.chosen(only.wanted({task.name for task in columns})), only)
    found = []
    for group in groups.values() or [[]]:
        admitted = [admit(part, group, only) for part in parts]
        made = [board_of(one if tasks else one.without_gaps()) for one in admitted]
        found += [board for board in made if board.rows] or made[:1]
    return [board for board in found if board.rows] or found[:1]


def _apart(contents: Contents, only: Filter) -> list[Contents]:
    """Return what may share boards: strategies that test on rows of their own stand apart, unless one is asked for."""
    if only.strategy is not None:
        return [contents]
    known = strategies.names()
    there = {strategy for (strategy,) in contents.columns("strategy")}
    own = [name for name in known if name in there and strategies.get(name).own_rows]
    if not own:
        return [contents]
    shared = contents.chosen({"strategy": lambda name: name not in own})
    return [shared, *(contents.chosen({"strategy": functools.partial(operator.eq, name)}) for name in own)]
