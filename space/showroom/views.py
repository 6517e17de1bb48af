"""Which rows of which board a visitor sees, in which order: chosen by hand or by a link, and told by one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

from showroom.shelf import Boards, Snapshot
from suite.evidence import Line, Section

MOST = 100
"""Rows that are shown before somebody asks for all of them."""

LONGEST = 200
"""Characters of a search or of a link's part that are read."""

SIZES: dict[str, tuple[float, float]] = {
    "under 1M": (0, 1e6),
    "1M to 10M": (1e6, 1e7),
    "10M to 100M": (1e7, 1e8),
    "100M to 1B": (1e8, 1e9),
    "over 1B": (1e9, float("inf")),
}
FIELDS = ("collection", "protocol", "board", "strategy", "size", "search", "sort", "rows")


@dataclass(frozen=True)
class View:
    """What a visitor chose; empty where nothing was.

    `sort` is the key of a column, with a '-' in front from the worst to the best. `every` shows all rows.
    """

    collection: str = ""
    protocol: str = ""
    board: str = ""
    strategies: tuple[str, ...] = ()
    sizes: tuple[str, ...] = ()
    search: str = ""
    sort: str = ""
    every: bool = False

    def query(self) -> str:
        """Return the view as the query of a link."""
        parts = [
            *((name, getattr(self, name)) for name in ("collection", "protocol", "board", "search", "sort")),
            *(("strategy", one) for one in self.strategies),
            *(("size", one) for one in self.sizes),
            ("rows", "all" if self.every else ""),
        ]
        return urlencode([(name, value) for name, value in parts if value])


def of_query(query: str) -> View:
    """Return the view that a link's query tells; what it does not know is passed over."""
    try:
        pairs = parse_qsl(query.lstrip("?")[: 20 * LONGEST], max_num_fields=100)
    except ValueError:
        return View()
    told: dict[str, list[str]] = {}
    for name, value in pairs:
        told.setdefault(name, []).append(value[:LONGEST])
    single = {name: told[name][-1] for name in ("collection", "protocol", "board", "search", "sort") if name in told}
    return View(
        **single,
        strategies=tuple(told.get("strategy", ())),
        sizes=tuple(size for size in told.get("size", ()) if size in SIZES),
        every=told.get("rows", [""])[-1] == "all",
    )


@dataclass(frozen=True)
class Column:
    """A column of a board: its key in links, what stands above it, and what it is sorted by, best first."""

    key: str
    title: str
    about: str
    value: Callable[[Line], Any]
    descending: bool
    kind: str = "number"


@dataclass(frozen=True)
class Shown:
    """What a view comes to: a board, the rows of it that are shown and how many there are, and the view as it is.

    `several` says whether the store has records of other protocols too.
    """

    view: View
    boards: Boards
    section: Section | None
    columns: tuple[Column, ...] = ()
    lines: tuple[Line, ...] = ()
    found: int = 0
    several: bool = False

    @property
    def ways(self) -> list[str]:
        """The strategies on the board."""
        return sorted({line.way for line in self.section.lines}) if self.section else []

    @property
    def sizes(self) -> list[str]:
        """The sizes that some row of the board has."""
        lines = self.section.lines if self.section else ()
        return [size for size in SIZES if any(_is_size(line, size) for line in lines)]


def show(snapshot: Snapshot, view: View) -> Shown:
    """Return what a view shows; where it asks for what is not there, what is shown by default."""
    boards = snapshot.boards(view.collection, view.protocol)
    section = boards.named(view.board)
    if section is None:
        return Shown(view, boards, None)
    shown = Shown(view, boards, section)
    view = _known(view, shown, snapshot)
    columns = columns_of(section)
    lines = _sorted([line for line in section.lines if _passes(line, view)], columns, view.sort)
    most = len(lines) if view.every else MOST
    several = len(snapshot.protocols) > 1
    return Shown(view, boards, section, columns, tuple(lines[:most]), len(lines), several)


def _known(view: View, shown: Shown, snapshot: Snapshot) -> View:
    """Return a view that names nothing but what there is."""
    assert shown.section is not None
    keys = {column.key for column in columns_of(shown.section)}
    return replace(
        view,
        collection=view.collection if view.collection in {one.name for one in snapshot.collections} else "",
        protocol=view.protocol if view.protocol in snapshot.protocols else "",
        board=view.board if view.board in {one.slug for one in shown.boards.sections[1:]} else "",
        strategies=tuple(way for way in view.strategies if way in shown.ways),
        sizes=tuple(size for size in view.sizes if size in shown.sizes),
        sort=view.sort if view.sort.removeprefix("-") in keys else "",
        search=view.search[:LONGEST],
    )


def columns_of(section: Section) -> tuple[Column, ...]:
    """Return the columns of a board."""
    loss = section.loss
    return (
        Column("rank", "#", "Rank; = shares its place with the row that leads its group", _place(section), False),
        Column("name", "checkpoint", "Checkpoint and strategy", lambda line: line.name.casefold(), False, "name"),
        Column(
            "mean",
            section.measure,
            "Mean loss over tasks" if loss else "Mean over tasks of scores corrected for chance, in points",
            lambda line: line.mean,
            not loss,
            "mean",
        ),
        *(_task(section, column.name, column.told) for column in section.columns),
        Column("seeds", "seeds", "Seeds a task", lambda line: max(c.seeds for c in line.row.tasks.values()), True),
        Column("trained", "trained", "Parameters trained", lambda line: line.row.trainable_params, False),
        Column("params", "in all", "Parameters in all", lambda line: line.row.params, False),
        Column("seconds", "s/run", "Seconds a run", lambda line: line.row.seconds, False),
    )


def _place(section: Section) -> Callable[[Line], int]:
    places = {id(line): place for place, line in enumerate(section.lines)}
    return lambda line: places[id(line)]


def _task(section: Section, name: str, metric: str) -> Column:
    def value(line: Line) -> float | None:
        cell = line.row.tasks.get(name)
        return None if cell is None else cell.mean

    return Column(f"task.{name}", name, f"{name}: {metric}", value, not section.loss, "task")


def _passes(line: Line, view: View) -> bool:
    words = f"{line.label} {line.way}".casefold()
    return (
        (not view.strategies or line.way in view.strategies)
        and (not view.sizes or any(_is_size(line, size) for size in view.sizes))
        and all(term in words for term in view.search.casefold().split())
    )


def _is_size(line: Line, size: str) -> bool:
    low, high = SIZES[size]
    return line.row.params is not None and low <= line.row.params < high


def _sorted(lines: Sequence[Line], columns: Sequence[Column], sort: str) -> list[Line]:
    """Return the lines by a column, best first or turned round; those without a value come last either way."""
    column = next((one for one in columns if one.key == sort.removeprefix("-")), columns[0])
    turned = sort.startswith("-")
    have = [line for line in lines if column.value(line) is not None]
    lack = [line for line in lines if column.value(line) is None]
    return sorted(have, key=column.value, reverse=column.descending != turned) + lack
