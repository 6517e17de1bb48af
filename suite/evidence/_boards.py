"""A store's boards -> sections, each row with the records that it was made of."""

from __future__ import annotations

import itertools
import json
import string
from collections.abc import Iterable, Sequence
from dataclasses import replace

from suite import kinds, strategies
from suite.admission import Filter, admit, tasks_in
from suite.boards import boards
from suite.evidence._sections import Column, Line, Section
from suite.index import Contents, Entry
from suite.leaderboard import Board, Row
from suite.spec import TaskSpec, canonical_json, digest


def sections(contents: Contents, tasks: Sequence[TaskSpec] | None, only: Filter) -> tuple[list[Section], list[str]]:
    """Return the sections of a report, and what was left out of its boards.

    Raises:
        SuiteError: there is no such way to cut data.
    """
    columns = list(tasks) if tasks else tasks_in(contents, only.tags)
    found: list[Section] = []
    left_out: dict[str, None] = {}
    for board in boards(contents, tasks, only):
        left_out |= dict.fromkeys(board.left_out)
        entries = _behind(board, contents, columns, only)
        for loss, names in ((False, board.tasks), (True, board.losses)):
            made = _section(board, loss, names, entries)
            if made.lines:
                found.append(made)
    return _slugged(found), list(left_out)


def _behind(board: Board, contents: Contents, columns: Sequence[TaskSpec], only: Filter) -> list[Entry]:
    """Return the entries that a board was made of."""
    names, ways = {*board.tasks, *board.losses}, {row.strategy for row in board.rows}
    of_board = [e for e in contents.entries if e.head.protocol == board.protocol and e.head.strategy in ways]
    return admit(Contents(of_board), [task for task in columns if task.name in names], only).entries


def _section(board: Board, loss: bool, names: Sequence[str], entries: Sequence[Entry]) -> Section:
    mains = {entry.head.task: entry for entry in entries}
    columns = tuple(Column(mains[name].task_spec, mains[name].main) for name in names if name in mains)
    by_row: dict[str, list[Entry]] = {}
    for entry in sorted(entries, key=lambda e: (e.head.task, e.head.seed, e.head.fold)):
        by_row.setdefault(_identity(entry), []).append(entry)
    rows = [row for row in board.rows if any(name in row.tasks for name in names)]
    if loss:  # as the table of losses has them
        rows.sort(key=lambda row: (row.loss_rank or len(board.rows) + 1, row.label))
    lines = [_line(row, loss, _unlike(by_row.get(_identity_of(row), []), row.mark)) for row in rows]
    return Section("", _title(columns, board, loss), board, loss, columns, tuple(_numbered(lines)))


def _line(row: Row, loss: bool, entries: tuple[Entry, ...]) -> Line:
    if loss:
        return Line("", row, row.mean_loss, row.loss_interval, row.loss_tie_group, entries)
    return Line("", row, row.mean, row.interval, row.tie_group, entries)


def _identity(entry: Entry) -> str:
    told = json.loads(entry.head.about)
    return canonical_json([told["checkpoint"], entry.head.strategy, told["settings"], told["trunk"], told["mixture"]])


def _identity_of(row: Row) -> str:
    checkpoint = {"name": row.model, "revision": row.revision, "init": row.init}
    return canonical_json([checkpoint, row.strategy, row.settings, list(row.trunk), row.mixture])


def _unlike(entries: Iterable[Entry], mark: str | None) -> tuple[Entry, ...]:
    """Keep the entries of the row that has this mark, where rows need marks to be told apart."""
    return tuple(e for e in entries if mark is None or digest(e.head.row.encode())[7:13] == mark)


def _numbered(lines: Sequence[Line]) -> list[Line]:
    """Return the lines with their numbers: ranks count the complete rows, letters the others."""
    ranks, letters = iter(range(1, len(lines) + 1)), iter(_letters())
    return [replace(line, number=str(next(ranks)) if line.ranked else next(letters)) for line in lines]


def _letters() -> Iterable[str]:
    """Yield a, b, ... z, aa, ab, ... without end."""
    for size in itertools.count(1):
        yield from map("".join, itertools.product(string.ascii_lowercase, repeat=size))


def _title(columns: Sequence[Column], board: Board, loss: bool) -> str:
    """Return what a section is about: the modality, the strategy that stands apart, whether it is of losses."""
    ways = {row.strategy for row in board.rows}
    own = [way for way in ways if way in strategies.names() and strategies.get(way).own_rows]
    known = [column.task.kind for column in columns if column.task.kind in kinds.names()]
    what = f"{kinds.get(known[0]).modality.capitalize()} tasks" if known else "Tasks"
    apart = f", {own[0].replace('_', ' ')}" if len(own) == 1 and len(ways) == 1 else ""
    return f"{what}{apart}{', losses' if loss else ''}"


def _slugged(found: Sequence[Section]) -> list[Section]:
    """Return the sections with names that make good file names and anchors, no two alike."""
    seen: dict[str, int] = {}
    named = []
    for section in found:
        slug = "".join(sign if sign.isalnum() else "-" for sign in section.title.lower()).replace("--", "-")
        seen[slug] = seen.get(slug, 0) + 1
        named.append(replace(section, slug=slug if seen[slug] == 1 else f"{slug}-{seen[slug]}"))
    return named
