"""A checkpoint's boards as tables: a column a way to adapt it, what pre-training is worth, every cell, the cost."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from suite.cards._checkpoint import PRETRAINED
from suite.cards._text import code, said, table
from suite.evidence import Column, Line, Section
from suite.leaderboard import Cell
from suite.scores import Scores
from suite.spec import canonical_json
from suite.standing import Standing
from suite.stats.intervals import Estimate
from suite.tables import between, count, spread

NONE = "-"
MARKS = (
    ("*", "one seed, so that the interval covers other test rows only"),
    ("!", "a run collapsed to guessing; it counts in the mean"),
    ("?", "a task or fold is missing, and M is estimated from what is there"),
)


def adapted(section: Section) -> list[Line]:
    """Return the rows of the checkpoint's own weights, best first."""
    return [line for line in section.lines if line.row.init == PRETRAINED]


def way_of(line: Line) -> Markup:
    """Return a row's strategy, with its mark where several rows have one of that name."""
    return code(f"{line.row.way} [{line.row.mark}]" if line.row.mark else line.row.way)


def pairs(section: Section) -> list[tuple[Line, Line]]:
    """Return the rows that have a twin: the same run from random weights."""
    twins = {_recipe(line): line for line in section.lines if line.row.init != PRETRAINED}
    return [(line, twins[_recipe(line)]) for line in adapted(section) if _recipe(line) in twins]


def _recipe(line: Line) -> str:
    row = line.row
    return canonical_json([row.strategy, row.settings, list(row.trunk), row.mixture, row.resample])


def scores(section: Section) -> Markup:
    """Return a line a task and a column a way, and under them M, or of losses their mean."""
    lines = adapted(section)
    head: list[object] = ["task", "metric", *(way_of(line) for line in lines)]
    rows: list[list[object]] = [
        [code(column.name), metric(column), *(_score(line.row.tasks.get(column.name), section.loss) for line in lines)]
        for column in section.columns
    ]
    if len(section.columns) > 1 and any(line.mean is not None for line in lines):
        rows.append([Markup(f"**{section.measure}**"), "", *(_bold(_mean(line, section.loss)) for line in lines)])
    return table(head, rows, left=2)


def metric(column: Column) -> Markup:
    """Return a task's metric in words."""
    return said("{name}" if column.main.greater_is_better else "{name} (less is better)", name=column.told)


def _mean(line: Line, loss: bool) -> str:
    shown = spread(line.mean, line.interval, loss) if line.mean is not None else NONE
    return shown + ("?" if line.mean is not None and line.row.provisional else "")


def _bold(text: str) -> Markup:
    return Markup(f"**{text}**") if text != NONE else Markup(NONE)


def _score(cell: Cell | None, loss: bool) -> Markup:
    if cell is None:
        return Markup(NONE)
    return Markup(spread(cell.mean, cell.interval, loss) + _sign_text(_signs(cell)))


def _sign_text(signs: str) -> str:
    return signs.replace("*", "\\*")


def _signs(cell: Cell) -> str:
    alone = cell.seeds == 1 and cell.folds == 1
    return "*" * alone + "!" * bool(cell.collapsed) + "?" * bool(cell.missing_folds)


def legend(section: Section) -> list[Markup]:
    """Return what the marks mean that the table of scores has."""
    lines, names = adapted(section), [column.name for column in section.columns]
    there = {
        sign for line in lines for name in names if name in line.row.tasks for sign in _signs(line.row.tasks[name])
    }
    there |= {"?" for line in lines if line.row.provisional}
    return [Markup(f"{_sign_text(sign)} {meaning}") for sign, meaning in MARKS if sign in there]


def worth(section: Section) -> Markup:
    """Return what each score is above that of the same run from random weights, for the rows with such a twin."""
    rows: list[list[object]] = []
    for line, twin in pairs(section):
        names = [column.name for column in section.columns]
        shared = [name for name in names if name in line.row.tasks and name in twin.row.tasks]
        rows += [[code(name), way_of(line), *_above(section, line, twin, name)] for name in shared]
        if len(names) > 1 and line.ranked and twin.ranked and not section.loss:
            over = _standing(line).minus(_standing(twin), names)
            means = [spread(one.mean, one.interval) for one in (line, twin)]
            rows.append([Markup("**M**"), way_of(line), *means, _difference(over)])
    return table(("task", "strategy", "its weights", "random weights", "difference"), rows, left=2)


def _above(section: Section, line: Line, twin: Line, task: str) -> list[str]:
    """Return both scores and their difference, over the same test rows."""
    over = Scores(line.of(task)).minus(Scores(twin.of(task)))
    both = [spread(one.row.tasks[task].mean, one.row.tasks[task].interval, section.loss) for one in (line, twin)]
    return [*both, _difference(over, section.loss)]


def _difference(found: Estimate, loss: bool = False) -> str:
    """Return a difference with the ends of its interval: '+1.2 (-0.3 to +2.7)'."""
    ends = found.interval()
    return between(found.mean, None, loss) + (
        f" ({' to '.join(between(end, None, loss) for end in ends)})" if ends else ""
    )


def _standing(line: Line) -> Standing:
    return Standing({task: line.of(task) for task in line.row.tasks})


def cells(section: Section) -> Markup:
    """Return every cell with the ends of its interval and what it rests on."""
    head = ["task", "strategy", "score", "95% interval", "seeds", "test rows", "collapsed", "not scored"]
    seen = any(cell.seen for line in adapted(section) for cell in line.row.tasks.values())
    rows = []
    for column in section.columns:
        for line in adapted(section):
            if cell := line.row.tasks.get(column.name):
                row = [code(column.name), way_of(line), *_numbers(cell, section.loss, len(line.of(column.name)))]
                rows.append(row + ([_clean(cell, section.loss)] if seen else []))
    return table([*head, *(["score on clean rows"] * seen)], rows, left=2)


def _numbers(cell: Cell, loss: bool, runs: int) -> list[str]:
    ends = NONE if cell.interval is None else " to ".join(spread(end, None, loss) for end in cell.interval)
    folds = f" x {cell.folds} folds" if cell.folds > 1 else ""
    collapsed = f"{cell.collapsed} of {runs}" if cell.collapsed else "0"
    return [spread(cell.mean, None, loss), ends, f"{cell.seeds}{folds}", f"{cell.n:,}", collapsed, f"{cell.failed:,}"]


def _clean(cell: Cell, loss: bool) -> str:
    """Return the score on the test rows that training did not hold, and how many it held."""
    if not cell.seen:
        return spread(cell.mean, None, loss)
    return f"{spread(cell.clean, None, loss) if cell.clean is not None else 'not known'} ({cell.seen:,} left out)"


def costs(found: Sequence[Section]) -> Markup:
    """Return what each row cost."""
    rows: dict[tuple[object, ...], None] = {}
    for line in (line for section in found for line in adapted(section)):
        row = line.row
        seconds = NONE if row.seconds is None else f"{row.seconds:,.1f}"
        memory = NONE if row.peak_memory is None else f"{row.peak_memory / 1e9:.2g}"
        rows[way_of(line), count(row.trainable_params), count(row.params), seconds, memory] = None
    head = ("strategy", "parameters trained", "parameters in all", "seconds a run", "peak memory, GB")
    return table(head, list(rows), left=1)
