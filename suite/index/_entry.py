"""A stored record as boards see it: its heading, and on demand what its examples give, and all of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np

from suite.headings import Heading, heading, main_of, task_of
from suite.spec import MetricInfo, Record, TaskSpec


class Examples(NamedTuple):
    """What each test example gives, packed; `clusters` and `seen` are empty where there is nothing to say."""

    packed: bytes
    clusters: bytes = b""
    seen: bytes = b""

    @property
    def sound(self) -> bool:
        """Whether all of them speak of the same number of examples, and can be unpacked."""
        bits = self.packed[:1] == b"b" and _whole_bits(self.packed[1:])
        n = self.n if bits or (self.packed[:1] == b"d" and len(self.packed) % 8 == 1) else 0
        clusters = not self.clusters or len(self.clusters) == 4 * n
        return n > 0 and clusters and (not self.seen or (_whole_bits(self.seen) and _count(self.seen) == n))

    @property
    def shape(self) -> tuple[bytes, int, int, bytes, int]:
        """What `sound` depends on: heads and lengths."""
        return self.packed[:9], len(self.packed), len(self.clusters), self.seen[:8], len(self.seen)

    @property
    def n(self) -> int:
        """The number of examples."""
        return _count(self.packed[1:]) if self.packed[:1] == b"b" else (len(self.packed) - 1) // 8

    def in_clusters(self) -> np.ndarray | None:
        """Return the cluster of each, int32 [n], if there are any."""
        return np.frombuffer(self.clusters, dtype="<i4") if self.clusters else None

    def marked(self) -> np.ndarray | None:
        """Return whether the training rows hold each too, bool [n]; None where none is known to be."""
        return _bits(self.seen) if self.seen else None


class Source(Protocol):
    """Where records and their tables come from."""

    def record_of(self, name: str) -> Record:
        """Return the record of a name."""

    def table_of(self, name: str) -> dict[str, list[Any]]:
        """Return the per-example table of a name as columns."""


class Lender(Protocol):
    """A table that gives what the examples of its rows give when it is asked for."""

    def examples(self, row: int) -> Examples | None:
        """Return those of a row, None where they cannot be read."""


class Entry:
    """A stored record: its heading, what its test examples give to the main metric, and on demand all of it."""

    __slots__ = ("_examples", "_record", "_row", "_source", "head")

    def __init__(self, head: Heading, examples: Examples | Lender, source: Source, row: int = 0) -> None:
        """Keep the heading, what examples give or the table and the row that have it, and where to get the rest."""
        self.head, self._examples, self._source, self._row = head, examples, source, row
        self._record: Record | None = None

    @property
    def record(self) -> Record:
        """The whole record, read on first use.

        Raises:
            SuiteError: it cannot be read any more.
        """
        if self._record is None:
            self._record = self._source.record_of(self.head.name)
        return self._record

    @property
    def table(self) -> dict[str, list[Any]]:
        """The per-example table as columns, read each time.

        Raises:
            SuiteError: it cannot be read any more.
        """
        return self._source.table_of(self.head.name)

    @property
    def main(self) -> MetricInfo:
        """The main metric."""
        return main_of(self.head.main)

    @property
    def task_spec(self) -> TaskSpec:
        """The task that the record scores."""
        return task_of(self.head.task_spec)

    @property
    def examples(self) -> Examples:
        """What the test examples give, as the index has it; of an index that is damaged, by the record's table.

        Raises:
            SuiteError: it is, and the table cannot be read any more.
        """
        if isinstance(self._examples, Examples):
            return self._examples
        return self._examples.examples(self._row) or pack(self.table)

    @property
    def n(self) -> int:
        """The number of test examples."""
        return self.examples.n

    @property
    def values(self) -> np.ndarray:
        """What each test example gives to the main metric, fp64 [n]."""
        return np.asarray(unpack([self.examples])[0])

    @property
    def clusters(self) -> np.ndarray | None:
        """The cluster of each test example, int32 [n], if there are any."""
        return self.examples.in_clusters()

    @property
    def seen(self) -> np.ndarray | None:
        """Whether the training rows hold each test example too, bool [n]; None where none is known to be."""
        return self.examples.marked()


@dataclass(frozen=True)
class _Held:
    """A result in memory."""

    record: Record
    columns: Mapping[str, Any]

    def record_of(self, name: str) -> Record:
        return self.record

    def table_of(self, name: str) -> dict[str, list[Any]]:
        return dict(self.columns)


def entry_of(record: Record, columns: Mapping[str, Any]) -> Entry:
    """Return the entry of a record that is in no store, with the columns of its table."""
    return Entry(heading(record), pack(columns), _Held(record, columns))


def pack(columns: Mapping[str, Any]) -> Examples:
    """Return columns `value` [n] and, if they are there, `cluster` (any names) and `seen`, packed."""
    values = np.asarray(columns["value"], dtype=np.float64)
    whole = ((values == 0.0) | (values == 1.0)).all()
    packed = b"b" + _packed_bits(values == 1.0) if whole else b"d" + values.astype("<f8").tobytes()
    clusters = seen = b""
    if "cluster" in columns:
        if any(name is None for name in columns["cluster"]):
            raise ValueError("a cluster has no name")
        names = np.array(columns["cluster"], dtype=object)
        clusters = np.unique(names, return_inverse=True)[1].astype("<i4").tobytes()
    if "seen" in columns:
        seen = _packed_bits(np.asarray(columns["seen"], dtype=bool))
    return Examples(packed, clusters, seen)


def _packed_bits(bits: np.ndarray) -> bytes:
    return len(bits).to_bytes(8, "little") + np.packbits(bits).tobytes()


def _count(bits: bytes) -> int:
    return int.from_bytes(bits[:8], "little")


def _whole_bits(bits: bytes) -> bool:
    return len(bits) == 8 + -(-_count(bits) // 8)


def _bits(packed: bytes) -> np.ndarray:
    bits = np.unpackbits(np.frombuffer(packed, dtype=np.uint8, offset=8), count=_count(packed))
    return np.asarray(bits, dtype=bool)


def unpack(given: Sequence[Examples]) -> np.ndarray:
    """Return what examples give to the main metric, fp64 [k, n], of k runs with as many examples.

    Raises:
        ValueError: they do not have as many.
    """
    packed = [one.packed for one in given]
    if all(one[:1] == b"b" for one in packed) and len({one[:9] for one in packed}) == 1:
        bits = np.frombuffer(b"".join(one[9:] for one in packed), dtype=np.uint8).reshape(len(packed), -1)
        values: np.ndarray = np.unpackbits(bits, axis=1, count=given[0].n).astype(np.float64)
        return values
    return np.stack([_unpacked(one) for one in packed])


def _unpacked(packed: bytes) -> np.ndarray:
    if packed[:1] == b"b":
        return _bits(packed[1:]).astype(np.float64)
    return np.frombuffer(packed, dtype="<f8", offset=1)
