"""Records -> rows: M with its interval, ranks, ties and cost. Only like is put beside like.

A row is one checkpoint under one strategy. All rows of a board share one protocol, and all scores of
a column one version of the task and one set of test rows; what differs is left out, and the board
says what and why.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from suite import resampling
from suite.comparable import is_version, most_common, once, protocol_of, row_of, task_of, trunk_of
from suite.scores import Scores
from suite.spec import SuiteError, TaskSpec, digest
from suite.stats import intervals
from suite.store import Contents, Entry, Store


@dataclass(frozen=True)
class Cell:
    """One row's scores on one task: mean over seeds, interval over seeds and examples."""

    mean: float
    interval: tuple[float, float] | None
    seeds: int
    n: int
    collapsed: int
    failed: int
    folds: int = 1
    missing_folds: int = 0


@dataclass(frozen=True)
class Row:
    """One checkpoint under one strategy.

    `mean` is M, the mean over tasks of (score - chance) / (best - chance), and `interval` its 95%
    interval; `raw_mean` is the plain mean of the scores. A row that lacks a task, or folds of one, has
    neither, no rank, and is provisional. `trunk` names the tasks that shared one, and `resample` says how
    the data was cut. `tie_group` counts groups from the top whose rows cannot be told from their
    first. `mark` tells rows apart that differ in revision, settings or mixture alone.
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
    """Rows, best first, the tasks that are their columns, and what was left out and why."""

    rows: list[Row]
    tasks: list[str]
    protocol: str | None
    left_out: list[str] = field(default_factory=list)

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
) -> Board:
    """Rank what a store holds.

    Args:
        store: a folder, an fsspec URL, an open store, or what one holds, read already.
        tasks: the board's columns; by default every task that has a record.
        strategy: keep only this strategy.
        protocol: keep only this protocol; by default the one with the most records.
        resample: keep only data cut so; by default what has the most records.

    Raises:
        SuiteError: the store cannot be opened, or there is no such way to cut data.
    """
    if resample is not None:
        resampling.parse(resample)
    contents = read(store)
    left_out = [f"{name[:12]}: {reason}" for name, reason in contents.faults.items()]
    wanted = {task.name: task for task in tasks} if tasks else None
    entries = [
        e
        for e in contents.entries
        if (wanted is None or e.record.task in wanted)
        and strategy in (None, e.record.spec.strategy)
        and protocol in (None, e.record.spec.protocol.name)
        and resample in (None, e.record.spec.resample)
    ]
    entries = _of_known_ways(entries, left_out)
    entries = most_common(entries, protocol_of, "protocol", left_out)
    columns = list(wanted) if wanted else sorted({e.record.task for e in entries})
    for name in columns:
        of_task = [e for e in entries if e.record.task == name]
        asked = [e for e in of_task if wanted and is_version(e.record.task_spec, wanted[name])]
        kept = {id(e) for e in most_common(of_task, task_of, f"version or data of {name}", left_out, asked)}
        entries = [e for e in entries if e.record.task != name or id(e) in kept]
    entries = once(entries, left_out)
    return Board(_rows(entries, columns), columns, protocol_of(entries[0]) if entries else None, left_out)


def read(store: str | Store | Contents) -> Contents:
    """Return what a store holds; several boards of one store are made from one reading.

    Raises:
        SuiteError: the store cannot be opened.
    """
    if isinstance(store, Contents):
        return store
    return (store if isinstance(store, Store) else Store(str(store))).contents()


def tasks_in(contents: Contents) -> list[TaskSpec]:
    """Return the tasks that there are records of, by name; of several versions the one stored last."""
    latest = sorted(contents.entries, key=lambda e: e.record.created)
    return [spec for _, spec in sorted({e.record.task: e.record.task_spec for e in latest}.items())]


def _of_known_ways(entries: list[Entry], left_out: list[str]) -> list[Entry]:
    """Keep the entries whose data was cut in a way that this version knows; note the others."""
    strange: Counter[str] = Counter()
    for entry in entries:
        try:
            resampling.parse(entry.record.spec.resample)
        except SuiteError:
            strange[entry.record.spec.resample] += 1
    for way, count in sorted(strange.items()):
        left_out.append(f"{count} records of data cut in a way that this version does not know: {way}")
    return [e for e in entries if e.record.spec.resample not in strange]


def _rows(entries: Iterable[Entry], columns: list[str]) -> list[Row]:
    groups: dict[str, dict[str, list[Entry]]] = {}
    for entry in sorted(entries, key=lambda e: (e.record.spec.seed, e.record.spec.fold)):
        groups.setdefault(row_of(entry.record.spec), {}).setdefault(entry.record.task, []).append(entry)
    scored = [_Scored(cells, columns) for cells in groups.values()]
    complete = sorted((s for s in scored if s.complete), key=lambda s: -s.total.mean)
    partial = sorted((s for s in scored if not s.complete), key=lambda s: s.name)
    mean_ranks = _mean_ranks(complete, columns)
    ties = _tie_groups(complete, columns)
    ranked = [s.row(i + 1, mean_ranks[i], ties[i]) for i, s in enumerate(complete)]
    rows = ranked + [s.row(None, None, None) for s in partial]
    return _told_apart(rows, [row_of(s.first.spec) for s in complete + partial])


def _told_apart(rows: list[Row], identities: list[str]) -> list[Row]:
    """Return the rows, with a mark on those that differ in what a table does not show: revision, settings, mixture."""
    names = Counter((row.label, row.way) for row in rows)
    return [
        row if names[row.label, row.way] == 1 else replace(row, mark=digest(identity.encode())[7:13])
        for row, identity in zip(rows, identities, strict=True)
    ]


class _Scored:
    """One row on its way: its scores a task, the estimate a task and their mean."""

    def __init__(self, cells: dict[str, list[Entry]], columns: list[str]) -> None:
        self.cells, self.columns = cells, columns
        self.scores = {task: Scores(entries) for task, entries in cells.items()}
        self.complete = bool(columns) and all(task in cells and not self.scores[task].missing for task in columns)
        self.estimates = {task: scores.estimate() for task, scores in self.scores.items()}
        self.first = next(iter(cells.values()))[0].record
        self.name = f"{self.first.spec.checkpoint.label} {self.first.spec.strategy}"
        if self.complete:
            scales = [self.scale(task)[1] for task in columns]
            spread = intervals.mean_of([self.estimates[t] for t in columns], scales)
            corrected = [(self.estimates[t].mean - self.scale(t)[0]) * self.scale(t)[1] for t in columns]
            self.total = replace(spread, mean=float(np.mean(corrected)))

    def scale(self, task: str) -> tuple[float, float]:
        """Return chance and 1/(best - chance) of the task's main metric; 0 and 1 where chance is not known."""
        main = self.cells[task][0].record.main
        best = main.range[1] if main.greater_is_better else main.range[0]
        if main.chance is None or best is None or best == main.chance:
            return 0.0, 1.0
        return main.chance, 1 / (best - main.chance)

    def row(self, place: int | None, mean_rank: float | None, tie: int | None) -> Row:
        records = [e.record for entries in self.cells.values() for e in entries]
        seconds = [s for r in records if (s := r.cost.get("seconds")) is not None]
        checkpoint: Any = self.first.checkpoint
        return Row(
            model=self.first.spec.checkpoint.name,
            revision=self.first.spec.checkpoint.revision,
            init=self.first.spec.checkpoint.init,
            strategy=self.first.spec.strategy,
            mean=self.total.mean if self.complete else None,
            interval=self.total.interval() if self.complete else None,
            raw_mean=float(np.mean([self.estimates[t].mean for t in self.columns])) if self.complete else None,
            mean_rank=mean_rank,
            rank=place,
            tie_group=tie,
            coverage=len([t for t in self.columns if t in self.cells]) / len(self.columns),
            provisional=not self.complete,
            tasks={task: self._cell(task) for task in self.columns if task in self.cells},
            params=checkpoint.get("params"),
            trainable_params=checkpoint.get("trainable_params"),
            seconds=float(np.mean(seconds)) if seconds else None,
            settings=dict(self.first.spec.settings),
            trunk=trunk_of(self.first.spec),
            mixture=self.first.spec.mixture.model_dump(mode="json") if self.first.spec.mixture else None,
            resample=self.first.spec.resample,
        )

    def _cell(self, task: str) -> Cell:
        scores, estimate = self.scores[task], self.estimates[task]
        records = [entry.record for entry in scores.entries]
        return Cell(
            mean=estimate.mean,
            interval=_inside(estimate.interval(), records[0].main.range),
            seeds=scores.seeds,
            n=scores.examples,
            collapsed=sum(r.collapsed for r in records),
            failed=sum(r.counts.get("failed", 0) for r in records),
            folds=scores.way.count if scores.way.name != "sequential" else 1,
            missing_folds=scores.missing,
        )


def _inside(
    interval: tuple[float, float] | None, bounds: tuple[float | None, float | None]
) -> tuple[float, float] | None:
    """Cut an interval at the metric's range."""
    if interval is None:
        return None
    low, high = bounds
    return max(interval[0], -np.inf if low is None else low), min(interval[1], np.inf if high is None else high)


def _mean_ranks(rows: list[_Scored], columns: list[str]) -> list[float]:
    """Return each row's rank averaged over tasks, ties sharing theirs (Borda on a complete table)."""
    from scipy.stats import rankdata

    if not rows:
        return []
    ranks = [rankdata([-row.estimates[task].mean * np.sign(row.scale(task)[1]) for row in rows]) for task in columns]
    return [float(mean) for mean in np.mean(ranks, axis=0)]


def _tie_groups(rows: list[_Scored], columns: list[str]) -> list[int]:
    """Number groups from the top: a row joins while its paired difference to the group's first is not clear of 0."""
    groups: list[int] = []
    first = 0
    for i, row in enumerate(rows):
        if i and _differ(rows[first], row, columns):
            first = i
        groups.append(groups[-1] + (first == i) if groups else 1)
    return groups


def _differ(one: _Scored, other: _Scored, columns: list[str]) -> bool:
    differences = [one.scores[t].minus(other.scores[t]) for t in columns]
    found = intervals.mean_of(differences, [one.scale(t)[1] for t in columns]).interval()
    return found is not None and (found[0] > 0 or found[1] < 0)


def flat(row: Row) -> dict[str, Any]:
    """Return a row as one level of names and numbers: `<task>`, `<task>.low`, `<task>.high`, `<task>.seeds`."""
    nested = ("tasks", "interval", "settings", "mixture")
    flat: dict[str, Any] = {k: v for k, v in asdict(row).items() if k not in nested}
    flat["trunk"] = "+".join(row.trunk)
    flat["low"], flat["high"] = row.interval or (None, None)
    for name, cell in row.tasks.items():
        flat[name] = cell.mean
        flat[f"{name}.low"], flat[f"{name}.high"] = cell.interval or (None, None)
        flat[f"{name}.seeds"] = cell.seeds
    return flat
