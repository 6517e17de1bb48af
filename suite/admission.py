"""Which records may stand on one board. What is left out is said, with the reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from operator import attrgetter

from suite import resampling
from suite.comparable import is_version
from suite.headings import task_of
from suite.index import Contents, Entry, Wanted
from suite.spec import SuiteError, TaskSpec
from suite.store import Store


@dataclass(frozen=True)
class Filter:
    """Which of a store's records a board shows; all of them where nothing is said.

    `tags` are those that a task must have, every one.
    """

    strategy: str | None = None
    protocol: str | None = None
    resample: str | None = None
    tags: tuple[str, ...] = ()

    def wanted(self, tasks: Collection[str] | None = None) -> Wanted:
        """Return what passes, as an index is asked for it; of some tasks alone, if they are given."""
        exact = {"strategy": self.strategy, "protocol_name": self.protocol, "resample": self.resample}
        tests: dict[str, Callable[[str], bool]] = {
            name: value.__eq__ for name, value in exact.items() if value is not None
        }
        if self.tags:
            tests["task_spec"] = lambda text: set(self.tags) <= set(task_of(text).tags)
        if tasks is not None:
            tests["task"] = tasks.__contains__
        return tests

    def keeps(self, entry: Entry) -> bool:
        """Return whether an entry passes."""
        head = entry.head
        return (
            self.strategy in (None, head.strategy)
            and self.protocol in (None, head.protocol_name)
            and self.resample in (None, head.resample)
            and (not self.tags or set(self.tags) <= set(entry.task_spec.tags))
        )


@dataclass(frozen=True)
class Admitted:
    """Entries that may stand on one board, its columns by name, and what was left out."""

    entries: list[Entry]
    columns: list[str]
    left_out: list[str] = field(default_factory=list)

    @property
    def protocol(self) -> str | None:
        """What all of them share."""
        return self.entries[0].head.protocol if self.entries else None

    def without_gaps(self) -> Admitted:
        """Return it without the columns that nothing was admitted for; with all of them where nothing was."""
        there = {entry.head.task for entry in self.entries}
        return replace(self, columns=[name for name in self.columns if name in there] or self.columns)


def read(store: str | Store | Contents) -> Contents:
    """Return what a store holds; several boards of one store are made from one reading.

    Raises:
        SuiteError: the store cannot be opened.
    """
    if isinstance(store, Contents):
        return store
    return (store if isinstance(store, Store) else Store(str(store))).contents()


def admit(contents: Contents, tasks: Sequence[TaskSpec] | None, only: Filter) -> Admitted:
    """Return the entries of one protocol, of each task one version and one set of test rows, each run once.

    Args:
        contents: what a store holds.
        tasks: the columns; by default every task that has an entry.
        only: what else to keep.

    Raises:
        SuiteError: there is no such way to cut data.
    """
    if only.resample is not None:
        resampling.parse(only.resample)
    left_out = [f"{name[:12]}: {reason}" for name, reason in contents.faults.items()]
    wanted = {task.name: task for task in tasks} if tasks else None
    entries = contents.chosen(only.wanted(wanted)).entries
    entries = _of_known_ways(entries, left_out)
    entries = _most_common(entries, attrgetter("head.protocol"), "protocol", left_out)
    columns = list(wanted) if wanted else sorted(set(map(attrgetter("head.task"), entries)))
    by_task: dict[str, list[Entry]] = {name: [] for name in columns}
    for entry in entries:
        by_task[entry.head.task].append(entry)
    kept: list[Entry] = []
    for name, of_task in by_task.items():
        asked = wanted[name] if wanted else None
        kept += _most_common(of_task, attrgetter("head.column"), f"version or data of {name}", left_out, asked)
    kept = once(kept, left_out)
    _tell_disagreement(contents, kept, left_out)
    return Admitted(kept, columns, left_out)


def tasks_in(contents: Contents, tags: Sequence[str] = ()) -> list[TaskSpec]:
    """Return the tasks that there are records of, by name; of several versions the one stored last."""
    latest: dict[str, tuple[str, str]] = {}
    for created, task, text in contents.columns("created", "task", "task_spec"):
        if task not in latest or str(created) >= latest[task][0]:
            latest[task] = str(created), text
    return [spec for _, (_, text) in sorted(latest.items()) if set(tags) <= set((spec := task_of(text)).tags)]


def _of_known_ways(entries: list[Entry], left_out: list[str]) -> list[Entry]:
    """Keep the entries whose data was cut in a way that this version knows; note the others."""
    strange: set[str] = set()
    for way, count in sorted(Counter(map(attrgetter("head.resample"), entries)).items()):
        try:
            resampling.parse(way)
        except SuiteError:
            strange.add(way)
            left_out.append(f"{count} records of data cut in a way that this version does not know: {way}")
    return [e for e in entries if e.head.resample not in strange] if strange else entries


def _most_common(
    entries: list[Entry],
    of: Callable[[Entry], str],
    what: str,
    left_out: list[str],
    asked: TaskSpec | None = None,
) -> list[Entry]:
    """Keep the entries that agree with the most (of the version asked for, if there are any); note the others."""
    counts = Counter(map(of, entries))
    if len(counts) < 2:
        return entries
    preferred = [e for e in entries if asked and is_version(e.task_spec, asked)]
    ((kept, _),) = Counter(map(of, preferred or entries)).most_common(1)
    for other in sorted(counts.keys() - {kept}):
        left_out.append(f"{counts[other]} records of another {what}: {other} (shown: {kept})")
    return [e for e in entries if of(e) == kept]


def once(entries: list[Entry], left_out: list[str]) -> list[Entry]:
    """Keep one entry a row, task, seed and fold, the one that was made first; note the others.

    Two of one seed can have keys of their own, as under a protocol of other words: they are no two seeds.
    """
    in_order = sorted(sorted(entries, key=attrgetter("head.name")), key=attrgetter("head.created"))
    runs = list(map(attrgetter("head.row", "head.task", "head.seed", "head.fold"), in_order))
    if len(set(runs)) == len(runs):
        return in_order
    kept: dict[tuple[str, str, int, int], Entry] = {}
    again: Counter[str] = Counter()
    for run, entry in zip(runs, in_order, strict=True):
        if kept.setdefault(run, entry) is not entry:
            again[entry.head.task] += 1
    for task, count in sorted(again.items()):
        left_out.append(f"{count} records of {task} that repeat a seed and fold of their row (shown: the first made)")
    return list(kept.values())


def _tell_disagreement(contents: Contents, kept: Sequence[Entry], left_out: list[str]) -> None:
    """Note where a further attempt at a run came to another score than the first, which is shown."""
    if not contents.again:
        return
    shown = {entry.head.key: entry.head for entry in kept}
    for again in contents.again:
        first = shown.get(again.head.key)
        if first and first.score != again.head.score:
            left_out.append(
                f"{again.head.name[:12]} {first.task}: attempt {again.head.name.rpartition('-')[2]} came to "
                f"{again.head.score:.4f}, the first to {first.score:.4f} (shown: the first)"
            )
