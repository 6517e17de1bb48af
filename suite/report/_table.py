"""A section's table as the page shows it: cells taken apart, ties on one band, what collapsed and failed counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from suite import tables
from suite.evidence import Line, Section
from suite.evidence.words import clean
from suite.report._plot import spans


@dataclass(frozen=True)
class Value:
    """A cell: what is large, what is small beside it, its marks, and whether it is the best of its column."""

    text: str
    beside: str = ""
    marks: str = ""
    best: bool = False
    kind: str = "number"


@dataclass(frozen=True)
class Group:
    """Rows on one band: those that cannot be told from the first of them."""

    shaded: bool
    rows: tuple[tuple[Value, ...], ...]


@dataclass(frozen=True)
class BoardTable:
    """A section's table: the rows shown and the others."""

    head: tuple[str, ...]
    shown: tuple[Group, ...]
    others: tuple[tuple[Value, ...], ...]


COSTS = ("parameters trained", "parameters in all", "seconds a run", "peak memory, GB")


def board_table(section: Section) -> BoardTable:
    """Return the table of a section."""
    if section.loss:
        head, texts = tables.loss_head(section.board), tables.loss_cells(section.board)
    else:
        head, texts = tables.head(section.board), tables.cells(section.board)
    kept = [i for i, name in enumerate(head) if i < 3 or name not in tables.COSTS]
    names = ["#", "checkpoint, strategy", *(head[i] for i in kept[3:]), "seeds", "collapsed", "failed"]
    head, texts = [head[i] for i in kept], [[line[i] for i in kept] for line in texts]
    rows = [_row(section, line, cells, head) for line, cells in zip(section.lines, texts, strict=True)]
    shown = section.shown
    groups = [
        Group(place % 2 == 0, tuple(rows[start:stop]))
        for place, (start, stop) in enumerate(spans([line.tie_group for line in shown]))
    ]
    return BoardTable(tuple(clean(name) for name in names), tuple(groups), tuple(rows[len(shown) :]))


def _row(section: Section, line: Line, texts: Sequence[str], head: Sequence[str]) -> tuple[Value, ...]:
    best = _best(section)
    names = {column.name for column in section.columns}
    cells = [cell for task, cell in line.row.tasks.items() if task in names]
    values = [
        Value(texts[0] if line.ranked else line.number, kind="place"),
        Value(clean(texts[1]), clean(texts[2]), kind="name"),
    ]
    for name, text in zip(head[3:], texts[3:], strict=True):
        cell = line.row.tasks.get(name)
        values.append(_value(text, cell is not None and name in names and cell.mean == best[name]))
    runs = sum(entry.head.task in names for entry in line.entries)
    collapsed, failed = sum(cell.collapsed for cell in cells), sum(cell.failed for cell in cells)
    seeds = sorted({cell.seeds for cell in cells})
    counts = ("-".join(str(n) for n in dict.fromkeys((seeds[0], seeds[-1]))), _share(collapsed, runs), f"{failed:,}")
    return (*values, *(Value(text) for text in counts))


def _share(count: int, total: int) -> str:
    return f"{count} of {total}" if count else "0"


def costs(section: Section) -> tuple[tuple[str, ...], ...]:
    """Return what each row shown cost, under a number, a checkpoint, a strategy and COSTS."""
    return tuple(
        (
            line.number,
            clean(line.label),
            clean(line.way),
            tables.count(line.row.trainable_params),
            tables.count(line.row.params),
            "-" if line.row.seconds is None else f"{line.row.seconds:.1f}",
            "-" if line.row.peak_memory is None else f"{line.row.peak_memory / 1e9:.2g}",
        )
        for line in section.shown
    )


def _best(section: Section) -> dict[str, float | None]:
    return {
        column.name: column.best([c.mean for line in section.lines if (c := line.row.tasks.get(column.name))])
        for column in section.columns
    }


def _value(text: str, best: bool) -> Value:
    number, _, beside = text.partition(" ±")
    marks = "".join(sign for sign in text if sign in "*!?")
    strip = str.maketrans("", "", "*!?")
    return Value(number.translate(strip), f"±{beside.translate(strip)}" if beside else "", marks, best)
