"""The index of a store: a base, and beside it what was added since, so that five new records do not rewrite 100,000.

    <store>/index.parquet          lines sorted by task and row
            index/<hex>.parquet    lines added since; no more than MOST_PIECES, and an eighth of the base

A file is written under another name and renamed, and none is changed after that. A line counts where it has the seal
of the entry as it is now, whichever file it stands in: files may overlap, lag behind or be missing. So several
processes may bring an index up to date at once: what one of them loses of another's lines is read again one day.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import operator
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from suite import files
from suite.index import SCHEMA, Indexed, Line, Part, Piece, Source, Writer, table_of, written
from suite.spec import SuiteError

BASE, ADDED, DRAFT = "index.parquet", "index", ".index-"
MOST_PIECES = 8
SMALL = 2_048
"""Lines that are written as one: a base of so few is written whole, and so many that are read anew are kept at once."""

SHARE = 8
"""A base is written again when lines beside it, or in it of entries that are no more, come to a part in so many."""

MOST_BYTES = 64_000_000
"""What is sorted at a time when a base is written."""

TRIES = 5


class Keeper:
    """The files of one store's index."""

    def __init__(self, fs: Any, root: str, local: bool, writable: bool) -> None:
        """Look at nothing yet; an index that is not `writable` is read alone."""
        self._fs, self._root, self._local, self._writable = fs, root, local, writable
        self._added: dict[str, Piece | None] = {}
        self._base: Piece | None = None

    def load(self) -> list[Piece]:
        """Return the pieces that there are, the base last."""
        for _ in range(TRIES):
            with contextlib.suppress(FileNotFoundError):  # merged meanwhile into another one: look again
                self._added = {path: self._opened(path) for path in self._paths()}
                break
        try:
            self._base = self._opened(f"{self._root}/{BASE}")  # last: it holds whatever was merged into it by now
        except FileNotFoundError:
            self._base = None
        return [*(piece for piece in self._added.values() if piece), *([self._base] if self._base else [])]

    def _paths(self) -> list[str]:
        try:
            found = [str(path) for path in self._fs.ls(f"{self._root}/{ADDED}", detail=False)]
        except (OSError, ValueError):
            return []
        return sorted(path for path in found if path.endswith(".parquet"))

    def _opened(self, path: str) -> Piece | None:
        """Return a piece, None of one that is of no use.

        Raises:
            FileNotFoundError: there is no such file.
        """
        try:
            if self._local:
                open(path, "rb").close()  # noqa: PTH123  # whether it is there, which arrow tells by a text alone
                return Piece.opened(path)
            return Piece.opened(self._fs.cat_file(path))
        except FileNotFoundError:
            raise
        except OSError:
            return None

    def add(self, lines: Sequence[Line], keep: bool) -> Piece:
        """Return lines as a piece, in a file of its own if they are to be kept at once and can be."""
        content = written(table_of(lines))
        if keep and self._writable:
            path = f"{self._root}/{ADDED}/{uuid.uuid4().hex}.parquet"
            if self._written(path, lambda file: file.write(content)):
                piece = self._opened(path)
                if piece:
                    self._added[path] = piece
                    return piece
        piece = Piece.opened(content)
        assert piece is not None  # written a line above
        return piece

    def settle(self, parts: Sequence[Part], fresh: Part | None) -> None:
        """Write what the files lack, in the fewest bytes that leave few files.

        Args:
            parts: of every piece of this index the lines that count, those of `fresh` among them.
            fresh: lines that are in no file yet.
        """
        if not self._writable or not (fresh or self._untidy(parts)):
            return
        base, live, beside = self._sizes(parts)
        if live + beside <= SMALL or max(beside, base - live) * SHARE > base:
            self._merge(parts, f"{self._root}/{BASE}", list(self._added))
            return
        path = f"{self._root}/{ADDED}/{uuid.uuid4().hex}.parquet"
        if len(self._added) >= MOST_PIECES:
            self._merge([part for part in parts if part.piece is not self._base], path, list(self._added))
        elif fresh:
            self._merge([fresh], path, [])

    def _sizes(self, parts: Sequence[Part]) -> tuple[int, int, int]:
        """Return how many lines the base has, how many of them count, and how many count that stand beside it."""
        live = sum(len(part.rows) for part in parts if part.piece is self._base)
        beside = sum(len(part.rows) for part in parts) - live
        return len(self._base) if self._base else 0, live, beside

    def _untidy(self, parts: Sequence[Part]) -> bool:
        """Return whether files are to be written though no line is new."""
        base, live, beside = self._sizes(parts)
        if live + beside <= SMALL:
            return base > live or bool(self._added)
        return len(self._added) > MOST_PIECES or max(beside, base - live) * SHARE > base

    def _merge(self, parts: Sequence[Part], path: str, spent: Sequence[str]) -> None:
        """Write lines of several pieces into one file; then take away the files that have become needless."""

        def write(file: Any) -> None:
            writer = Writer(file)
            for table in _sorted(parts):
                writer.add(table)
            writer.close()

        if self._written(path, write):
            for one in spent:
                with contextlib.suppress(OSError):
                    self._fs.rm_file(one)

    def _written(self, path: str, write: Callable[[Any], Any]) -> bool:
        """Write a file whole or not at all; return whether it is there."""
        try:
            if self._local:
                with files.draft(Path(self._root), DRAFT) as folder:
                    with (folder / BASE).open("wb") as file:
                        write(file)
                    Path(path).parent.mkdir(exist_ok=True)
                    (folder / BASE).replace(path)
                return True
            draft = f"{self._root}/{DRAFT}{uuid.uuid4().hex}"
            with self._fs.open(draft, "wb") as file:
                write(file)
            self._fs.mv(draft, path)
        except (OSError, pa.ArrowException):  # a store that is only read works without its cache
            return False
        return True


def bring_up(
    keeper: Keeper,
    packed: Sequence[Piece],
    entries: Sequence[tuple[str, str]],
    line: Callable[[str, str], Line],
    of: Source,
) -> Indexed:
    """Return what a store holds, through its index, which is brought up to date on the way.

    Args:
        keeper: the files of the index.
        packed: indexes that come with the records and say all there is of them.
        entries: name and seal of every entry, in the store's order.
        line: reads the line of a name and seal anew.
        of: where records are to be had.
    """
    places = {name: place for place, (name, _) in enumerate(entries)}
    seals = [seal for _, seal in entries]
    free = np.ones(len(entries), dtype=bool)
    given = [_matched(piece, places, None, free) for piece in packed]
    own = [_matched(piece, places, seals, free) for piece in keeper.load()]
    lacking = np.flatnonzero(free).tolist()
    faults: dict[str, str] = {}
    fresh = None
    for at, lines in _portions(entries, lacking, line, faults):
        keep = len(lacking) > SMALL
        part = Part(keeper.add(lines, keep), np.arange(len(at)), np.array(at, dtype=np.int64))
        own.append(part)
        fresh = None if keep else part
    keeper.settle(own, fresh)
    parts = [part for part in (*given, *own) if len(part.rows)]
    first = np.array([name.endswith("-1") for name, _ in entries], dtype=bool)
    return Indexed(
        [part.only(first[part.places]) for part in parts],
        [part.only(~first[part.places]) for part in parts],
        faults,
        of,
    )


def _matched(piece: Piece, places: Mapping[str, int], seals: Sequence[str] | None, free: np.ndarray) -> Part:
    """Return the lines of a piece that have the seals of their entries, or of any seal, each entry once.

    `free` [entries] is True by place where an entry has no line yet; what is found here is False afterwards.
    """
    at = np.fromiter(map(places.get, piece.names, itertools.repeat(-1)), dtype=np.int64, count=len(piece))
    rows = np.flatnonzero(at >= 0)
    rows = rows[free[at[rows]]]
    if seals is not None:
        told = map(piece.seals.__getitem__, rows.tolist())
        now = map(seals.__getitem__, at[rows].tolist())
        rows = rows[np.fromiter(map(operator.eq, told, now), dtype=bool, count=len(rows))]
    rows = rows[np.sort(np.unique(at[rows], return_index=True)[1])]
    free[at[rows]] = False
    return Part(piece, rows, at[rows])


def _portions(
    entries: Sequence[tuple[str, str]],
    lacking: Sequence[int],
    line: Callable[[str, str], Line],
    faults: dict[str, str],
) -> Iterator[tuple[list[int], list[Line]]]:
    """Yield lines read anew with their entries' places, SMALL at a time; tell of what cannot be read."""
    for start in range(0, len(lacking), SMALL):
        found: dict[int, Line] = {}
        for place in lacking[start : start + SMALL]:
            name, seal = entries[place]
            try:
                found[place] = line(name, seal)
            except SuiteError as error:
                faults[name] = str(error)
        if found:
            yield list(found), list(found.values())


def _sorted(parts: Sequence[Part]) -> Iterator[pa.Table]:
    """Yield lines of several pieces, by task, row, seed and fold, no more at a time than MOST_BYTES."""
    keys: list[tuple[Any, ...]] = []
    for number, part in enumerate(parts):
        columns = [part.piece.column(name, part.rows) for name in ("task", "row", "seed", "fold", "name")]
        keys += [(*key, number, index) for index, key in enumerate(zip(*columns, strict=True))]
    keys.sort()
    size = sum(part.piece.size * len(part.rows) for part in parts)
    step = math.ceil(len(keys) / max(1, math.ceil(size / MOST_BYTES)))
    for start in range(0, len(keys), max(step, 1)):
        yield _gathered(parts, [key[-2:] for key in keys[start : start + step]])


def _gathered(parts: Sequence[Part], wanted: Sequence[tuple[int, int]]) -> pa.Table:
    """Return lines, each given by the number of its part and its place there, in that order."""
    by_part: dict[int, list[int]] = {}
    for number, index in wanted:
        by_part.setdefault(number, []).append(index)
    tables: list[pa.Table] = []
    order: dict[tuple[int, int], int] = {}
    for number, indices in by_part.items():
        indices.sort()
        start = len(order)
        order |= {(number, index): start + offset for offset, index in enumerate(indices)}
        tables.append(parts[number].piece.table(SCHEMA.names, parts[number].rows[indices]))
    together = pa.concat_tables(table.cast(SCHEMA) for table in tables).unify_dictionaries()
    return together.take(pa.array([order[one] for one in wanted], type=pa.int64()))
