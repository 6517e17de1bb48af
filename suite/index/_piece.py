"""A parquet file of index lines, of which no more is read than is asked for."""

from __future__ import annotations

import bisect
import io
import math
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from suite.headings import Heading, check_texts
from suite.index._entry import Examples
from suite.index._line import GIVEN, HEAD, REQUIRED, SCHEMA, VERSION, Line

MOST_KEPT = 64_000_000
"""Bytes of row groups whose examples are kept at hand: what goes through many of them does so in their order."""

MOST_LINES, MOST_BYTES = 10_000_000, 1_000_000_000
"""What a stranger's index may claim: lines, and bytes of a row group in memory.

Texts are read as dictionaries: one that many lines share is in memory once.
"""

_SHARED = ["name", "seal", *GIVEN]
_NUMBERS = ("score", "clean", "seconds")


class Piece:
    """Lines of an index as a file has them: `names` and `seals` at hand, all else read when it is wanted."""

    def __init__(self, file: pq.ParquetFile) -> None:
        """Read names and seals.

        Raises:
            pa.ArrowException, OSError: they cannot be read, or are not as many as the footer says.
        """
        self._file, self._lock = file, threading.Lock()
        about = file.metadata
        self._bounds = np.cumsum([0, *(about.row_group(number).num_rows for number in range(about.num_row_groups))])
        self._ends = self._bounds[1:].tolist()
        self._kept: dict[int, tuple[int, list[Examples]]] = {}
        self._room = MOST_KEPT
        self.names: list[str] = self.column("name")
        self.seals: list[str] = self.column("seal")
        if not len(self.names) == len(self.seals) == len(self):
            raise pa.ArrowInvalid("a column has not as many lines as the footer says")

    @classmethod
    def opened(cls, source: Any) -> Piece | None:
        """Return the lines of a file, by its path, its bytes or open; None of one of another version or of no use.

        A file that is replaced while it is open stays as it was for whoever opened it.
        """
        try:
            if isinstance(source, bytes | str):
                source = io.BytesIO(source) if isinstance(source, bytes) else pa.OSFile(source)
            file = pq.ParquetFile(source, read_dictionary=_SHARED, page_checksum_verification=True)
            return cls(file) if _is_index(file.metadata) else None
        except (OSError, pa.ArrowException, KeyError, ValueError):
            return None  # a cache: whatever is wrong with it, it is made again

    @property
    def size(self) -> int:
        """The bytes that a line takes in memory, about."""
        about = self._file.metadata
        whole = sum(about.row_group(number).total_byte_size for number in range(about.num_row_groups))
        return int(whole // max(len(self), 1)) + 1

    def __len__(self) -> int:
        """Return the number of lines."""
        return int(self._bounds[-1])

    def table(self, columns: Sequence[str], rows: np.ndarray | None = None) -> pa.Table:
        """Return columns of all rows, or of some in ascending order; no row group is read that has none of them.

        Raises:
            pa.ArrowException, OSError: they cannot be read.
        """
        if rows is None:
            with self._lock:
                return self._file.read(columns=list(columns), use_threads=False)
        groups = np.unique(np.searchsorted(self._bounds, rows, side="right") - 1)
        with self._lock:
            found = self._file.read_row_groups([int(group) for group in groups], list(columns), use_threads=False)
        sizes = self._bounds[groups + 1] - self._bounds[groups]
        before = np.concatenate([[0], np.cumsum(sizes)])[: len(groups)]
        places = np.searchsorted(groups, np.searchsorted(self._bounds, rows, side="right") - 1)
        wanted = rows - self._bounds[groups][places] + before[places]
        return found if len(wanted) == len(found) else found.take(as_array(wanted))

    def column(self, name: str, rows: np.ndarray | None = None) -> list[Any]:
        """Return one column as a list; texts that are the same are the same object.

        Raises:
            pa.ArrowException, OSError: it cannot be read.
        """
        return as_list(self.table([name], rows)[name])

    def heads(self, rows: np.ndarray | None = None) -> list[Heading]:
        """Return the headings of all rows, or of some in ascending order.

        Raises:
            pa.ArrowException, OSError, ValueError: they cannot be read, or are none.
        """
        table = self.table(HEAD, rows)
        if any(table[name].null_count for name in REQUIRED):
            raise pa.ArrowInvalid("a heading lacks what every one has")
        columns = {name: as_list(table[name]) for name in HEAD}
        if not all(math.isfinite(number) for name in _NUMBERS for number in columns[name] if number is not None):
            raise pa.ArrowInvalid("a number is not finite")
        check_texts(*(columns[name] for name in ("about", "main", "task_spec", "contamination")))
        return list(map(Heading._make, zip(*columns.values(), strict=True)))

    def examples(self, row: int) -> Examples | None:
        """Return what the examples of a row give, None where it cannot be read."""
        group = bisect.bisect_right(self._ends, row)
        with self._lock:
            held = self._kept.get(group) or self._fetched(group)
        if held is None:
            return None
        return held[1][row - int(self._bounds[group])]

    def _fetched(self, group: int) -> tuple[int, list[Examples]] | None:
        """Read what the examples of a row group give and keep it at hand; what was kept the longest may have to go."""
        try:
            read = self._file.read_row_group(group, list(GIVEN), use_threads=False)
            given = list(map(Examples._make, zip(*(as_list(read[name]) for name in GIVEN), strict=True)))
            if not all(one.sound for one in {one.shape: one for one in given}.values()):
                return None
        except (pa.ArrowException, OSError, TypeError, ValueError):
            return None
        found = read.nbytes, given
        self._room -= found[0]
        while self._kept and self._room < 0:
            self._room += self._kept.pop(next(iter(self._kept)))[0]
        self._kept[group] = found
        return found

    def lines(self) -> list[Line]:
        """Return all lines; none where one of them cannot be read."""
        try:
            heads = self.heads()
        except (OSError, pa.ArrowException, ValueError):
            return []
        given = [self.examples(row) for row in range(len(heads))]
        return [Line(head, one, seal) for head, one, seal in zip(heads, given, self.seals, strict=True) if one]


def as_list(column: pa.ChunkedArray) -> list[Any]:
    """Return a column as a list; of texts that stand in it once, one object each."""
    found: list[Any] = []
    for chunk in column.chunks:
        if pa.types.is_dictionary(chunk.type):
            known = np.array([*chunk.dictionary.to_pylist(), None], dtype=object)
            found += list(known[codes_of(chunk)])
        else:
            found += chunk.to_pylist() if chunk.null_count else _numbers(chunk).tolist()
    return found


def codes_of(chunk: pa.DictionaryArray) -> np.ndarray:
    """Return where in the dictionary each value stands, int [n]; -1 for null."""
    if chunk.indices.null_count:
        return np.array([-1 if code is None else code for code in chunk.indices.to_pylist()])
    return _numbers(chunk.indices)


def _numbers(chunk: pa.Array) -> np.ndarray:
    """Return numbers [n] as they lie in memory: arrow's own ways load pandas first."""
    buffer, within = chunk.buffers()[1], slice(chunk.offset, chunk.offset + len(chunk))
    if not len(chunk):
        return np.empty(0, dtype=np.int64)
    if pa.types.is_boolean(chunk.type):
        return np.unpackbits(np.frombuffer(buffer, np.uint8), bitorder="little")[within].astype(bool)
    return np.frombuffer(buffer, chunk.type.to_pandas_dtype())[within]


def as_array(rows: np.ndarray) -> pa.Array:
    """Return numbers of rows, int64 [n], as arrow has them."""
    return pa.Array.from_buffers(pa.int64(), len(rows), [None, pa.py_buffer(np.ascontiguousarray(rows, np.int64))])


def _is_index(about: pq.FileMetaData) -> bool:
    """Return whether a file is an index of this version, and claims no more than is read."""
    schema = about.schema.to_arrow_schema()
    if (about.metadata or {}).get(b"index") != VERSION or not schema.equals(SCHEMA):
        return False
    groups = [about.row_group(number) for number in range(about.num_row_groups)]
    return about.num_rows <= MOST_LINES and all(group.total_byte_size <= MOST_BYTES for group in groups)
