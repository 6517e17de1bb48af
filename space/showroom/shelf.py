"""What a store holds, read once for all visitors and again when it changed."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from suite import tasks
from suite.admission import Filter, tasks_in
from suite.evidence import Line, Section, sections
from suite.index import Contents, Entry
from suite.spec import Collection, SuiteError, TaskSpec, digest
from suite.store import Store

EVERY = 60.0
"""Seconds after which the store is looked at again."""


@dataclass(frozen=True)
class Boards:
    """The sections that a choice of tasks and protocol makes, and what was left out of them."""

    sections: tuple[Section, ...]
    left_out: tuple[str, ...]

    def named(self, slug: str) -> Section | None:
        """Return the section of a name, the first one where there is none of it."""
        return next((one for one in self.sections if one.slug == slug), self.sections[0] if self.sections else None)


@dataclass
class Snapshot:
    """A store at one moment; what is derived from it is made once."""

    contents: Contents
    _made: dict[Any, Any] = field(default_factory=dict)
    _locks: dict[Any, threading.Lock] = field(default_factory=dict)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def once(self, name: Any, make: Callable[[], Any]) -> Any:
        """Return what `make` makes; visitors who ask at the same time wait for one of them."""
        with self._guard:
            lock = self._locks.setdefault(name, threading.Lock())
        with lock:
            if name not in self._made:
                self._made[name] = make()
            return self._made[name]

    @property
    def entries(self) -> list[Entry]:
        """The first attempts."""
        return self.contents.entries

    @property
    def protocols(self) -> list[str]:
        """What data was cut and trained by: 'quick' or 'quick, kfold:5'; the one with the most records first."""
        found: Counter[str] = self.once("protocols", lambda: Counter(_protocol(entry) for entry in self.entries))
        return [name for name, _ in sorted(found.items(), key=lambda one: (-one[1], one[0]))]

    @property
    def tasks(self) -> list[TaskSpec]:
        """The tasks that there are records of, by name."""
        found: list[TaskSpec] = self.once("tasks", lambda: tasks_in(self.contents))
        return found

    @property
    def collections(self) -> list[Collection]:
        """The collections that have a task with a record."""

        def make() -> list[Collection]:
            names = {task.name for task in self.tasks}
            known = [tasks.load_collection(name) for name in tasks.collection_files()]
            return [one for one in known if names & set(one.tasks)]

        found: list[Collection] = self.once("collections", make)
        return found

    def names(self, protocol: str = "") -> list[tuple[str, str]]:
        """Return the rows under a protocol as the library compares them: (label, word), checkpoints first."""
        found: list[tuple[str, str]] = self.once(("names", protocol), lambda: self._names(protocol))
        return found

    def _names(self, protocol: str) -> list[tuple[str, str]]:
        lines = [line for section in self.boards("", protocol).sections for line in section.lines]
        whole = {line.label: line.row.label for line in lines}
        single = {f"{line.label} · {line.way}": f"{line.row.label}:{line.row.way}" for line in lines}
        several = Counter(line.label for line in lines)
        every = [(f"{label} · every strategy", word) for label, word in whole.items() if several[label] > 1]
        return sorted(every) + sorted(single.items())

    def boards(self, collection: str = "", protocol: str = "") -> Boards:
        """Return the boards of a collection's tasks (all that have records by default) under a protocol.

        Without a protocol each board has the one that most of its records are of, as `suite leaderboard` does. What
        a store does not know shows what it does by default.
        """
        known = {one.name for one in self.collections}
        chosen = collection if collection in known else ""
        way = protocol if protocol in self.protocols else ""
        found: Boards = self.once(("boards", chosen, way), lambda: self._boards(chosen, way))
        return found

    def _boards(self, collection: str, protocol: str) -> Boards:
        name, _, cut = protocol.partition(", ")
        only = Filter(protocol=name, resample=cut or "holdout") if name else Filter()
        found, left_out = sections(self.contents, tasks.load(collection) if collection else None, only)
        largest = sorted(found, key=lambda section: -len(section.lines))  # as they come where rows are as many
        return Boards(tuple(largest), tuple(left_out))


def _protocol(entry: Entry) -> str:
    head = entry.head
    return head.protocol_name if head.resample == "holdout" else f"{head.protocol_name}, {head.resample}"


def row_id(line: Line) -> str:
    """Return the name of a row in links: the same in every board that it is on."""
    return digest(line.entries[0].head.row.encode())[7:19] if line.entries else digest(line.name.encode())[7:19]


class Shelf:
    """The newest snapshot of a store, looked for again once a minute when somebody asks."""

    def __init__(self, url: str, clock: Callable[[], float] = time.monotonic) -> None:
        """Read a store.

        Raises:
            SuiteError: it cannot be opened.
        """
        self.url, self._clock = url, clock
        self.store = Store(url)
        self._now = Snapshot(self.store.contents())
        self._read_at, self._lock = clock(), threading.Lock()

    @property
    def now(self) -> Snapshot:
        """The newest snapshot; while it is read again, visitors see the one before."""
        if self._clock() - self._read_at > EVERY and self._lock.acquire(blocking=False):
            try:
                self._refresh()
            finally:
                self._lock.release()
        return self._now

    def _refresh(self) -> None:
        self._read_at = self._clock()
        try:
            contents = self.store.contents()
        except SuiteError:  # a store elsewhere that does not answer: what was read is still true
            return
        names = [entry.head.name for entry in contents.entries + contents.again]
        before = self._now.contents
        if names != [entry.head.name for entry in before.entries + before.again] or contents.faults != before.faults:
            self._now = Snapshot(contents)
