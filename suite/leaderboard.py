"""Records -> rows: M with its interval, ranks, ties and cost. Only like is put beside like.

A row is one checkpoint under one strategy. All rows of a board share one protocol, and all scores of
a column one version of the task and one set of test rows; what differs is left out, and the board
says what and why.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from suite.admission import Admitted, Filter, admit, read, tasks_in
from suite.headings import main_of, task_of
from suite.index import Contents, Entry
from suite.scores import lay_out
from suite.spec import TaskSpec, digest
from suite.standing import Ranking, Standing
from suite.store import Store

if TYPE_CHECKING:
    from suite.stats.ranking import Stability
    from suite.stats.runs import Collapses

__all__ = ["Board", "Cell", "Filter", "Row", "flat", "rank", "read", "tasks_in"]


@dataclass(frozen=True)
class Cell:
    """One row's scores on one task: mean over seeds, interval over seeds and examples.

    Collapsed runs count in the mean; `collapses` has their rate and the mean of the others, each with its own
    interval. Of `n` test examples the training rows hold `seen` too, and `clean` is the mean on those that they
    do not. `failed` counts examples without a finite score, over all seeds.
    """

    mean: float
    interval: tuple[float, float] | None
    seeds: int
    n: int
    collapsed: int
    failed: int
    folds: int = 1
    missing_folds: int = 0
    collapses: Collapses | None = None
    seen: int = 0
    clean: float | None = None


@dataclass(frozen=True)
class Row:
    """One checkpoint under one strategy.

    `mean` is M, the mean over tasks of (score - chance) / (best - chance), and `interval` its 95%
    interval; `raw_mean` is the plain mean of the scores. A row that lacks a task, or folds of one, is provisional: its
    M is completed from what is there, with an interval that says so, and it has no rank. `strength` is its
    Bradley-Terry log strength where rows lack tasks. `trunk` names the tasks that shared one, and `resample` says how
    the data was cut. `tie_group` counts groups from the top whose rows cannot be told from their first.
    `mean_loss` and its kin are of the tasks whose main metric is a loss. `mark` tells rows apart that differ in
    revision, settings or mixture alone.
    """

    model: str
    revision: str
    init: str
    strategy: str
    mean: float | None
    interval: tuple[float, float] | None
    raw_mean: float | None
    mean_rank: float | None
    rank: int | None
    tie_group: int | None
    coverage: float
    provisional: bool
    tasks: dict[str, Cell]
    params: int | None
    trainable_params: int | None
    seconds: float | None
    settings: dict[str, Any]
    trunk: tuple[str, ...] = ()
    mixture: dict[str, Any] | None = None
    resample: str = "holdout"
    mark: str | None = None
    raw_interval: tuple[float, float] | None = None
    strength: float | None = None
    peak_memory: int | None = None
    mean_loss: float | None = None
    loss_interval: tuple[float, float] | None = None
    loss_rank: int | None = None
    loss_tie_group: int | None = None

    @property
    def way(self) -> str:
        """The strategy as a table shows it."""
        return f"{self.strategy}, joint of {len(self.trunk)}" if self.trunk else self.strategy

    @property
    def label(self) -> str:
        """The checkpoint as a table shows it."""
        name = self.model if self.init == "pretrained" else f"{self.model} ({self.init} init)"
        return f"{name} [{self.mark}]" if self.mark else name


@dataclass
class Board:
    """Rows, best first; the tasks that are their columns, scores and losses apart; what was left out and why.

    `sources` counts the tasks' sources: tasks that share one count once. `stability` is that of the ranking when one
    score task is left out.
    """

    rows: list[Row]
    tasks: list[str]
    protocol: str | None
    left_out: list[str] = field(default_factory=list)
    losses: list[str] = field(default_factory=list)
    sources: int = 0
    stability: Stability | None = None

    def to_pandas(self) -> Any:
        """Return one row a row, the tasks' means as columns."""
        import pandas as pd

        return pd.DataFrame(flat(row) for row in self.rows)

    def _repr_html_(self) -> str:
        html: str = self.to_pandas().to_html(index=False, escape=True, float_format="%.3f")
        return html


def rank(
    store: str | Store | Contents = "./results",
    tasks: Sequence[TaskSpec] | None = None,
    strategy: str | None = None,
    protocol: str | None = None,
    resample: str | None = None,
    tags: Sequence[str] = (),
) -> Board:
    """Rank what a store holds.

    Args:
        store: a folder, an fsspec URL, an open store, or what one holds, read already.
        tasks: the board's columns; by default every task that has a record.
        strategy: keep only this strategy.
        protocol: keep only this protocol; by default the one with the most records.
        resample: keep only data cut so; by default what has the most records.
        tags: keep only tasks that have all of these tags.

    Raises:
        SuiteError: the store cannot be opened, or there is no such way to cut data.
    """
    return board_of(admit(read(store), tasks, Filter(strategy, protocol, resample, tuple(tags))))


def board_of(admitted: Admitted) -> Board:
    """Return the board of entries that may stand on one."""
    mains = dict(map(attrgetter("head.task", "head.main"), admitted.entries))
    losses = [task for task in admitted.columns if task in mains and not main_of(mains[task]).greater_is_better]
    scores = [task for task in admitted.columns if task not in losses]
    standings = [Standing(cells) for cells in _by_row(admitted.entries)]
    in_order = sorted(standings, key=lambda standing: standing.first.row)  # as an index has them: read from end to end
    lay_out(one.scores[task] for task in admitted.columns for one in in_order if task in one.cells)
    board = Board([], scores, admitted.protocol, admitted.left_out, losses, _sources(admitted.entries))
    by_score, by_loss = Ranking(standings, scores), Ranking(standings, losses)
    board.stability = by_score.stability()
    rows = [_row(standing, board, by_score, by_loss) for standing in standings]
    order = sorted(range(len(rows)), key=lambda i: _order(rows[i], standings[i]))
    board.rows = _told_apart([rows[i] for i in order], [standings[i].first.row for i in order])
    return board


def _by_row(entries: Sequence[Entry]) -> list[dict[str, list[Entry]]]:
    groups: defaultdict[str, defaultdict[str, list[Entry]]] = defaultdict(lambda: defaultdict(list))
    for entry in sorted(sorted(entries, key=attrgetter("head.fold")), key=attrgetter("head.seed")):
        head = entry.head
        groups[head.row][head.task].append(entry)
    return [dict(cells) for cells in groups.values()]


def _sources(entries: Sequence[Entry]) -> int:
    """Count the sources of the tasks: a task without a named one is its own."""
    of = set(map(attrgetter("head.task_spec", "head.task"), entries))
    return len({task_of(text).cluster or task for text, task in of})


def _order(row: Row, standing: Standing) -> tuple[bool, float, float, str]:
    """Sort by M, best first; without one by loss, and then by name."""
    best = -np.inf if row.mean is None else row.mean
    least = np.inf if row.mean_loss is None else row.mean_loss
    return row.mean is None and row.mean_loss is None, -best, least, standing.name


def _row(standing: Standing, board: Board, by_score: Ranking, by_loss: Ranking) -> Row:
    heads = [entry.head for entries in standing.cells.values() for entry in entries]
    about = json.loads(standing.first.about)
    placed, lost = by_score.place(standing), by_loss.place(standing)
    counted = board.tasks or board.losses
    raw = standing.raw(board.tasks) if board.tasks and standing.complete(board.tasks) else None
    seconds = [head.seconds for head in heads if head.seconds is not None]
    return Row(
        model=about["checkpoint"]["name"],
        revision=about["checkpoint"]["revision"],
        init=about["checkpoint"]["init"],
        strategy=standing.first.strategy,
        **placed,
        raw_mean=raw.mean if raw else None,
        raw_interval=raw.interval() if raw else None,
        coverage=len([task for task in counted if task in standing.cells]) / max(len(counted), 1),
        provisional=not standing.complete(counted),
        tasks={task: _cell(standing, task) for task in [*board.tasks, *board.losses] if task in standing.cells},
        params=standing.first.params,
        trainable_params=standing.first.trainable,
        seconds=float(np.mean(seconds)) if seconds else None,
        peak_memory=max((head.peak_memory for head in heads if head.peak_memory is not None), default=None),
        settings=about["settings"],
        trunk=tuple(about["trunk"]),
        mixture=about["mixture"],
        resample=standing.first.resample,
        mean_loss=None if lost["mean"] is None else -lost["mean"],
        loss_interval=None if lost["interval"] is None else (-lost["interval"][1], -lost["interval"][0]),
        loss_rank=lost["rank"],
        loss_tie_group=lost["tie_group"],
    )


def _cell(standing: Standing, task: str) -> Cell:
    scores, estimate = standing.scores[task], standing.estimates[task]
    heads = [entry.head for entry in scores.entries]
    cleaned = [head.clean for head in heads if head.clean is not None]
    return Cell(
        mean=estimate.mean,
        interval=_inside(estimate.interval(), scores.entries[0].main.range),
        seeds=scores.seeds,
        n=scores.examples,
        collapsed=sum(head.collapsed for head in heads),
        failed=sum(head.failed for head in heads),
        folds=scores.way.count if scores.way.name != "sequential" else 1,
        missing_folds=scores.missing,
        collapses=standing.collapses(task),
        seen=scores.seen,
        clean=float(np.mean(cleaned)) if len(cleaned) == len(heads) else None,
    )


def _inside(
    interval: tuple[float, float] | None, bounds: tuple[float | None, float | None]
) -> tuple[float, float] | None:
    """Cut an interval at the metric's range."""
    if interval is None:
        return None
    low, high = bounds
    return max(interval[0], -np.inf if low is None else low), min(interval[1], np.inf if high is None else high)


def _told_apart(rows: list[Row], identities: list[str]) -> list[Row]:
    """Return the rows, with a mark on those that differ in what a table does not show: revision, settings, mixture."""
    names = Counter((row.label, row.way) for row in rows)
    return [
        row if names[row.label, row.way] == 1 else replace(row, mark=digest(identity.encode())[7:13])
        for row, identity in zip(rows, identities, strict=True)
    ]


def flat(row: Row) -> dict[str, Any]:
    """Return a row as one level of names and numbers: `<task>`, `<task>.low`, `<task>.high`, `<task>.seeds`."""
    nested = ("tasks", "interval", "raw_interval", "loss_interval", "settings", "mixture")
    flat: dict[str, Any] = {k: v for k, v in asdict(row).items() if k not in nested}
    flat["trunk"] = "+".join(row.trunk)
    for name, ends in (("", row.interval), ("raw.", row.raw_interval), ("loss.", row.loss_interval)):
        flat[f"{name}low"], flat[f"{name}high"] = ends or (None, None)
    for name, cell in row.tasks.items():
        flat[name] = cell.mean
        flat[f"{name}.low"], flat[f"{name}.high"] = cell.interval or (None, None)
        flat[f"{name}.seeds"] = cell.seeds
    return flat
