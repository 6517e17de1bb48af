"""The run of a record again: the same bits, or a score that the stored seeds of its row let expect.

Where another machine gives other bits, the score of the re-run must fall into the predictive interval
m +- t_{S-1} s sqrt(1 + 1/S) of the S stored seeds. Of many records one in twenty falls outside by chance, so that they
are judged by Holm's adjusted p-values together.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from suite import environment, files, grid
from suite.environment import Machine
from suite.index import Entry
from suite.spec import SEMANTICS, Failure, MetricInfo, Record, Result, RunSpec, SuiteError
from suite.store import Store
from suite.verification._check import LEVEL, Check
from suite.verification._places import PINS, Means, Places, UntrueError, as_it_is, other_data
from suite.verification._rescore import rescore

LEVEL_NAME = "retrain"


@dataclass(frozen=True)
class _Run:
    """A run to carry out again: its spec with where things lie, on what, and the records asked for, by task."""

    spec: RunSpec
    machine: Machine
    firsts: Mapping[str, Record]

    @property
    def compiled(self) -> str:
        """Whether its training is compiled, in the word of the environment: as it was, and on a CPU never."""
        was = any(record.training.get("compiled") for record in self.firsts.values())
        return "1" if was and self.machine.device == "cuda" else "0"


def retrain(store: Store, names: Sequence[str], means: Means) -> Iterator[Check]:
    """Yield a check for every key: those of the same bits as they come, then the others, judged together.

    Raises:
        SuiteError: what the means name is not there.
    """
    places = Places(means)
    keys = dict.fromkeys(name.rpartition("-")[0] for name in names)
    return _all(store, list(keys), means, places)


def _all(store: Store, keys: Sequence[str], means: Means, places: Places) -> Iterator[Check]:
    firsts: list[Record] = []
    for check, result in (rescore(store, f"{key}-1", LEVEL_NAME) for key in keys):
        if result is None:
            yield check
        else:
            firsts.append(result.record)
    runs: list[_Run] = []
    for together in _by_run(firsts):
        try:
            runs.append(_run(together, means, places))
        except UntrueError as error:
            yield from (Check(record.key, LEVEL_NAME, False, str(error)) for record in together.values())
        except SuiteError as error:
            yield from _unchecked(together, str(error))
    siblings = _Siblings(store.contents().entries if runs else ())
    to_judge: list[Check] = []
    for check in _made_again(store, runs, means, siblings):
        if check.p is None:
            yield check
        else:
            to_judge.append(check)
    yield from _judged(to_judge)


def _run(together: Mapping[str, Record], means: Means, places: Places) -> _Run:
    """Return the run that gave some records.

    Raises:
        UntrueError: its data files are not those that the records pin.
        SuiteError: something of it is not to be found here.
    """
    record = next(iter(together.values()))
    if record.spec.semantics != SEMANTICS:
        libraries: Any = record.environment.get("libraries") or {}
        raise SuiteError(
            f"it was made under semantics {record.spec.semantics}, and this version evaluates by {SEMANTICS}, which "
            f"give other numbers; run it with transfer-suite {libraries.get('transfer-suite', 'of that day')}"
        )
    spec = places.settle(record.spec)
    for task in spec.tasks:
        if as_it_is(task) != task:
            raise other_data(task.name, "the hash of its files")
    return _Run(spec, means.machine(record), together)


def _by_run(firsts: Sequence[Record]) -> list[dict[str, Record]]:
    """Return the records of each run together, by task: those that shared a trunk are made again at once."""
    runs: dict[str, dict[str, Record]] = {}
    for record in firsts:
        runs.setdefault(record.spec.key(), {})[record.task] = record
    return list(runs.values())


def _by_place(runs: Sequence[_Run]) -> list[list[_Run]]:
    """Return runs of the same tasks on the same machine together: what is wrong with their data concerns them all."""
    groups: dict[Any, list[_Run]] = {}
    for run in runs:
        tasks = tuple((task.name, task.version, task.dataset.revision) for task in run.spec.tasks)
        groups.setdefault((run.machine, run.compiled, tasks, run.spec.resample), []).append(run)
    return list(groups.values())


def _made_again(store: Store, runs: Sequence[_Run], means: Means, siblings: _Siblings) -> Iterator[Check]:
    """Yield what all runs come to, their frozen features computed anew too."""
    with files.scratch() as cache, _told("TRANSFER_SUITE_CACHE", str(cache)):
        for group in _by_place(runs):
            with _told(environment.COMPILE, group[0].compiled):
                yield from _carry_out(store, group, means, siblings)


@contextlib.contextmanager
def _told(name: str, value: str) -> Iterator[None]:
    """Set an environment variable for a while."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        os.environ.pop(name)
        if before is not None:
            os.environ[name] = before


def _carry_out(store: Store, group: Sequence[_Run], means: Means, siblings: _Siblings) -> Iterator[Check]:
    """Carry out runs of a group and yield what each comes to; a run that fails could not be checked."""
    runs = {run.spec.key(): run for run in group}
    machine = group[0].machine
    place = grid.Place(
        store.url, means.engine, means.workers, machine.device, machine.threads, precision=machine.precision
    )
    open_ones = dict(runs)
    try:
        for outcome in grid.carry_out([run.spec for run in group], place, means.progress, force=True):
            told: Record | Failure = outcome if isinstance(outcome, Failure) else outcome.record
            means.finished(told, False)
            run = runs[told.spec.key()]
            open_ones.pop(told.spec.key(), None)
            if isinstance(told, Failure):
                yield from _unchecked(run.firsts, f"it could not be run again: {told.reason}")
            elif told.task in run.firsts:
                yield _compared(store.result(told.key, 1), store.result(told.key, told.attempt), siblings)
    except SuiteError as error:  # the data or the machine: none of the group was run
        for run in open_ones.values():
            yield from _unchecked(run.firsts, f"it cannot be run here: {error}")


def _unchecked(firsts: Mapping[str, Record], why: str) -> Iterator[Check]:
    for record in firsts.values():
        yield Check(record.key, LEVEL_NAME, False, why, checked=False)


class _Siblings:
    """The stored seeds of a record's row and task, first attempts alone."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._of: dict[Any, dict[int, Entry]] = {}
        for entry in sorted(entries, key=lambda e: (e.head.created, e.head.name)):  # of one seed the first made counts
            self._of.setdefault(self._row(entry), {}).setdefault(entry.head.seed, entry)
        self._rows = {entry.head.key: self._row(entry) for entry in entries}

    @staticmethod
    def _row(entry: Entry) -> tuple[Any, ...]:
        head = entry.head
        return head.row, head.column, head.protocol, head.task, head.fold

    def scores(self, key: str, collapsed: bool) -> list[float]:
        """Return the scores of the seeds that ended as a re-run did; of all, if it is the first to collapse or not to.

        Collapsed runs are another population: among them a mean and a spread say nothing of the others.
        """
        entries = list(self._of.get(self._rows.get(key), {}).values())
        alike = [entry.head.score for entry in entries if entry.head.collapsed == collapsed]
        return alike or [entry.head.score for entry in entries]


def _compared(first: Result, again: Result, siblings: _Siblings) -> Check:
    """Return whether a re-run says the same; with `p`, and not yet judged, where only its score can tell."""
    record, other = first.record, again.record
    check = Check(record.key, LEVEL_NAME, True, "")
    for pin in PINS:
        if record.data.get(pin, other.data.get(pin)) != other.data.get(pin):
            return replace(check, ok=False, detail=str(other_data(record.task, pin)))
    if _same_bits(first, again):
        told = f"attempt {other.attempt} gives the same bits: {record.counts['test']} predictions and their scores"
        return replace(check, detail=told)
    name = record.main.name
    told = f"attempt {other.attempt} gives {name} {other.score:.4f}, the record says {record.score:.4f}"
    told += _on_another(record, other)
    scores = siblings.scores(record.key, other.collapsed)
    p, interval = _expected(scores, other.score)
    if p is None or interval is None:
        why = f"{told}. {_no_interval(scores)}, so that nothing says how far it may be off"
        return replace(check, ok=False, checked=False, detail=why)
    low, high = _possible(interval, record.main)
    place = "in" if low <= other.score <= high else "outside"
    told += f": {place} the 95% interval [{low:.4f}, {high:.4f}] of {len(scores)} stored seeds, p = {p:.3f}"
    return replace(check, detail=told, p=p)


def _expected(scores: Sequence[float], again: float) -> tuple[float | None, tuple[float, float] | None]:
    from suite.stats import runs

    if not scores:
        return None, None
    given = np.array(scores, dtype=np.float64)
    return runs.re_run_p(given, again), runs.predictive_interval(given)


def _possible(interval: tuple[float, float], main: MetricInfo) -> tuple[float, float]:
    """Return the part of an interval that the metric can take."""
    least, most = main.range
    low, high = interval
    return (low if least is None else max(low, least)), (high if most is None else min(high, most))


def _no_interval(scores: Sequence[float]) -> str:
    if len(scores) < 2:
        return "No other seed is stored"
    return f"The {len(scores)} stored seeds do not differ"


def _same_bits(first: Result, again: Result) -> bool:
    """Return whether two tables say the same of every example, scores to the last bit."""
    same = all(first.columns[name] == again.columns[name] for name in ("id", "label", "prediction"))
    return same and all(
        np.array(a, dtype=np.float32).tobytes() == np.array(b, dtype=np.float32).tobytes()
        for a, b in zip(first.columns["scores"], again.columns["scores"], strict=True)
    )


def _on_another(record: Record, other: Record) -> str:
    """Return what explains other bits, as far as the two records tell."""
    old, new = record.environment, other.environment
    libraries: tuple[Any, Any] = (old.get("libraries") or {}, new.get("libraries") or {})
    changes = [
        f"{name} {old.get(name, usual)} then, {new.get(name, usual)} now"
        for name, usual in (("device", None), ("devices", 1), ("threads", None))
        if old.get(name, usual) != new.get(name, usual)
    ]
    changes += [
        f"{name} {version} then, {libraries[1].get(name)} now"
        for name, version in libraries[0].items()
        if name in environment.LIBRARIES and libraries[1].get(name) != version
    ]
    return f" ({', '.join(changes)})" if changes else ""


def _judged(checks: Sequence[Check]) -> Iterator[Check]:
    """Yield checks with Holm's adjusted p over all of them; a re-run below 5% is not what its seeds let expect."""
    from suite.stats import comparisons

    for check, p in zip(checks, comparisons.holm([check.p for check in checks]), strict=True):
        assert p is not None  # each of them has one
        among = f", {p:.3f} among {len(checks)} such re-runs (Holm)" if len(checks) > 1 else ""
        ok, told = p >= LEVEL, f"{check.detail}{among}"
        yield replace(check, ok=ok, detail=told if ok else f"{told}. {_NEXT}", p_adjusted=p)


_NEXT = (
    "Run its seeds again (suite run ... --force) and compare: if they differ too, give the task or the protocol a new "
    "version. The record stays as it is"
)
