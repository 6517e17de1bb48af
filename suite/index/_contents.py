"""What a store holds, as far as somebody has asked for it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from suite.headings import Heading, heading, task_of
from suite.index._entry import Entry, Source
from suite.index._piece import Piece, as_list, codes_of
from suite.spec import SuiteError

_DAMAGED = (pa.ArrowException, OSError, ValueError)

Wanted = Mapping[str, Callable[[str], bool]]
"""By the name of a heading's text, whether a value of it is wanted."""


@dataclass(frozen=True)
class Part:
    """Some lines of a piece: their rows, ascending, int64 [k], and each one's place in the store's order, int64 [k]."""

    piece: Piece
    rows: np.ndarray
    places: np.ndarray

    def only(self, mask: np.ndarray) -> Part:
        """Return those of a mask [k]."""
        return Part(self.piece, self.rows[mask], self.places[mask])


class Contents:
    """Everything that a store holds: first attempts, further ones, and what in it cannot be used and why.

    Of an index no more is read than is asked for: `chosen` before `entries` reads the headings that are chosen alone.
    """

    def __init__(
        self,
        entries: Iterable[Entry] | None = None,
        again: Iterable[Entry] | None = None,
        faults: dict[str, str] | None = None,
    ) -> None:
        """Hold entries."""
        self.entries = list(entries or ())
        self.again = list(again or ())
        self.faults = faults if faults is not None else {}

    def chosen(self, wanted: Wanted) -> Contents:
        """Return the same with no other first attempts than those whose headings' texts are all wanted."""
        tests = [(name, functools.lru_cache(None)(test)) for name, test in wanted.items()]
        kept = [entry for entry in self.entries if all(test(getattr(entry.head, name)) for name, test in tests)]
        return Contents(kept, self.again, self.faults)

    def columns(self, *names: str) -> list[tuple[Any, ...]]:
        """Return parts of the headings of all first attempts, in their order."""
        return [tuple(getattr(entry.head, name) for name in names) for entry in self.entries]


class Indexed(Contents):
    """What an index says that a store holds; read on the way."""

    def __init__(self, firsts: Sequence[Part], again: Sequence[Part], faults: dict[str, str], source: Source) -> None:
        """Keep where to read: no heading is read yet."""
        self._firsts, self._again, self._source, self.faults = firsts, again, source, faults

    @functools.cached_property
    def entries(self) -> list[Entry]:  # type: ignore[override]  # a list all the same, made when it is asked for
        """The first attempts."""
        return self._made(self._firsts)

    @functools.cached_property
    def again(self) -> list[Entry]:  # type: ignore[override]  # as above
        """Further attempts."""
        return self._made(self._again)

    def chosen(self, wanted: Wanted) -> Contents:
        """Return the same with no other first attempts than those whose headings' texts are all wanted."""
        if not wanted:
            return self
        if "entries" in self.__dict__:
            return super().chosen(wanted)
        try:
            parts = [part.only(_mask(part, wanted)) for part in self._firsts]
        except _DAMAGED:
            return super().chosen(wanted)
        return Indexed([part for part in parts if len(part.rows)], self._again, self.faults, self._source)

    def columns(self, *names: str) -> list[tuple[Any, ...]]:
        """Return parts of the headings of all first attempts, in their order."""
        if "entries" in self.__dict__:
            return super().columns(*names)
        try:
            tables = [(part, part.piece.table(names, part.rows)) for part in self._firsts]
            for name in set(names) & {"task_spec"}:
                for text in {text for _, table in tables for text in as_list(table[name])}:
                    task_of(text)
        except _DAMAGED:
            return super().columns(*names)
        order = _order(self._firsts)
        values = [np.array([v for _, table in tables for v in as_list(table[name])], dtype=object) for name in names]
        return list(zip(*(column[order].tolist() for column in values), strict=True))

    def _made(self, parts: Sequence[Part]) -> list[Entry]:
        """Return the entries of some lines in the store's order."""
        source = self._source
        found: list[Entry | None] = []
        for part in parts:
            lines = zip(self._heads(part), part.rows.tolist(), strict=True)
            found += [Entry(head, part.piece, source, row) if head else None for head, row in lines]
        in_order = (found[at] for at in _order(parts).tolist())
        return [entry for entry in in_order if entry]

    def _heads(self, part: Part) -> Sequence[Heading | None]:
        """Return the headings of a part; where the index is damaged after all, those that the records give."""
        try:
            return part.piece.heads(part.rows)
        except _DAMAGED:
            return [self._anew(part.piece.names[row]) for row in part.rows.tolist()]

    def _anew(self, name: str) -> Heading | None:
        try:
            return heading(self._source.record_of(name))
        except SuiteError as error:
            self.faults[name] = str(error)
            return None


def _order(parts: Sequence[Part]) -> np.ndarray:
    """Return where the lines of parts, one part after the other, stand in the store's order, int64 [n]."""
    return np.argsort(np.concatenate([part.places for part in parts] or [np.empty(0)]))


def _mask(part: Part, wanted: Wanted) -> np.ndarray:
    """Return which lines of a part are wanted, bool [k]; each text is looked at once."""
    mask = np.ones(len(part.rows), dtype=bool)
    table = part.piece.table(list(wanted), part.rows)
    for name, test in wanted.items():
        mask &= np.concatenate([_passing(chunk, test) for chunk in table[name].chunks])
    return mask


def _passing(chunk: pa.DictionaryArray, test: Callable[[str], bool]) -> np.ndarray:
    """Return of each text of a column's part whether it is wanted, bool [n]; each different one is looked at once."""
    known = [test(text) for text in chunk.dictionary.to_pylist()]
    return np.asarray(np.array([*known, False], dtype=bool)[codes_of(chunk)])
