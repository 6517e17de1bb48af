"""A view as a table, and as text to take away.

The table is HTML of ours in a gr.HTML, a standard part too, and no gr.Dataframe: a cell of that is one value, so that
an interval as a bar, a band over rows that share a place and a number with its marks would be HTML in cells, which it
sorts and searches as text; and it sorts in the browser, where the link, the download and the bands do not follow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from showroom import figures, pages
from showroom.shelf import row_id
from showroom.views import Column, Shown
from suite.evidence import Line, Section
from suite.evidence.words import cautions, counted
from suite.leaderboard import Cell, flat
from suite.report import LEGEND, lead
from suite.tables import count, csv_of, notes, spread

_KEYS = 6


@dataclass(frozen=True)
class Head:
    """What stands above a column."""

    key: str
    title: str
    about: str
    kind: str
    direction: str
    arrow: str


@dataclass(frozen=True)
class Score:
    """A cell: the number, its half width, marks and what they mean."""

    text: str
    beside: str
    marks: str
    about: str
    best: bool


@dataclass(frozen=True)
class Row:
    """A line as the table has it."""

    id: str
    place: str
    place_about: str
    label: str
    way: str
    provisional: bool
    mean: tuple[str, str] | None
    bar: figures.Bar | None
    cells: tuple[Score | None, ...]
    costs: tuple[str, ...]


@dataclass(frozen=True)
class Group:
    """Rows that cannot be told from the first of them, on one band."""

    shaded: bool
    rows: tuple[Row, ...]


def html(shown: Shown) -> str:
    """Return the board of a view."""
    section = shown.section
    if section is None:
        return pages.render("board", section=None)
    groups = _groups(shown)
    total = len(section.lines)
    filtered = f"{shown.found} of {counted(total, 'row')}" if shown.found != total else counted(total, "row")
    return pages.render(
        "board",
        section=section,
        lead=lead(section),
        shown_of=f"{section.title}, {filtered}.",
        protocol=protocol_words(shown),
        columns=[_head(column, shown) for column in shown.columns],
        groups=groups,
        rows=len(shown.lines),
        found=shown.found,
        more=shown.found > len(shown.lines),
        cautions=cautions(section),
        notes=notes(section.board),
        left_out=shown.boards.left_out,
        legend=LEGEND,
    )


def protocol_words(shown: Shown) -> str:
    """Say which protocol a board is of, and why this one where others are in the store."""
    assert shown.section is not None
    why = "" if shown.view.protocol or not shown.several else ", that of most of their records"
    return f"Protocol {shown.section.board.protocol}{why}."


def _head(column: Column, shown: Shown) -> Head:
    sort = shown.view.sort
    if column.key != sort.removeprefix("-"):
        return Head(column.key, column.title, column.about, column.kind, "", "")
    falls = column.descending != sort.startswith("-")
    way, arrow = ("descending", "↓") if falls else ("ascending", "↑")
    return Head(column.key, column.title, column.about, column.kind, way, arrow)


def _groups(shown: Shown) -> list[Group]:
    """Return the rows, those that share a place on one band; in another order none is shaded."""
    assert shown.section is not None
    _, bars = figures.means(shown.section, shown.lines)
    best = {
        column.name: column.best([c.mean for line in shown.section.lines if (c := line.row.tasks.get(column.name))])
        for column in shown.section.columns
    }
    groups: list[Group] = []
    last: int | None = None
    for line, bar in zip(shown.lines, bars, strict=True):
        row = _row(line, bar, shown.section, best)
        if shown.view.sort in ("", "rank"):
            if groups and line.tie_group is not None and line.tie_group == last:
                groups[-1] = replace(groups[-1], rows=(*groups[-1].rows, row))
            else:
                groups.append(Group(len(groups) % 2 == 0, (row,)))
            last = line.tie_group
        else:
            groups = [Group(False, (*(groups[0].rows if groups else ()), row))]
    return groups


def _row(line: Line, bar: figures.Bar | None, section: Section, best: dict[str, float | None]) -> Row:
    place, about = _place(line, section)
    text, _, half = spread(line.mean, line.interval, section.loss).partition(" ±")
    row = line.row
    seeds = sorted({cell.seeds for cell in row.tasks.values()})
    return Row(
        row_id(line),
        place,
        about,
        line.label,
        line.way,
        not line.ranked,
        None if line.mean is None else (text, f"±{half}" if half else ""),
        bar,
        tuple(_score(row.tasks.get(column.name), section, best[column.name]) for column in section.columns),
        (
            "-".join(str(n) for n in dict.fromkeys((seeds[0], seeds[-1]))),
            count(row.trainable_params),
            count(row.params),
            "-" if row.seconds is None else f"{row.seconds:.1f}",
        ),
    )


def _place(line: Line, section: Section) -> tuple[str, str]:
    """Return a row's rank as the table has it, and in words."""
    if not line.ranked:
        return "?", "No rank: a task or fold is missing, and its score is estimated."
    first = next(one for one in section.lines if one.tie_group == line.tie_group)
    tied = sum(one.tie_group == line.tie_group for one in section.lines)
    if first is not line:
        return f"={line.number}", f"Cannot be told from {first.name}, which leads its group: they share a place."
    return line.number, "Shares its place with the rows on its band." if tied > 1 else "Told apart from all others."


def _score(cell: Cell | None, section: Section, best: float | None) -> Score | None:
    if cell is None:
        return None
    text, _, half = spread(cell.mean, cell.interval, section.loss).partition(" ±")
    signs = {
        "*": ("one seed: the interval covers the test set only", cell.seeds == 1 and cell.folds == 1),
        "!": (f"{counted(cell.collapsed, 'run')} collapsed to guessing", bool(cell.collapsed)),
        "?": (f"{counted(cell.missing_folds, 'fold')} missing", bool(cell.missing_folds)),
    }
    marks = "".join(sign for sign, (_, there) in signs.items() if there)
    about = "; ".join(words for words, there in signs.values() if there)
    return Score(text, f"±{half}" if half else "", marks, about, cell.mean == best)


def as_csv(lines: Sequence[Line]) -> str:
    """Return the rows shown, in their order, one a line."""
    return csv_of([flat(line.row) for line in lines])
