"""What a board needs of each record, as one table: a cache that saves opening thousands of files.

    name     what comparable says of it     numbers                        examples
    3f9c-1   row, column, protocol          score, seed, fold, cost, ...   values, clusters, seen

Texts that many records share (a task, a metric, a row) stand in the table once. What examples give is packed: bits
where all of it is 0 or 1, else fp64. The record itself is read when somebody asks for it.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from suite.headings import Heading, heading, main_of, task_of
from suite.spec import MetricInfo, Record, SuiteError, TaskSpec

VERSION = b"4"


_TYPES = {"str": pa.dictionary(pa.int32(), pa.string()), "int": pa.int64(), "float": pa.float64(), "bool": pa.bool_()}
_SCHEMA = pa.schema(
    [
        *((f.name, pa.string() if f.name == "name" else _TYPES[str(f.type).split(" ")[0]]) for f in fields(Heading)),
        ("seal", pa.string()),
        ("values", pa.binary()),
        ("clusters", pa.binary()),
        ("seen", pa.binary()),
    ]
)


@dataclass(frozen=True)
class Examples:
    """What each test example gives, packed; `clusters` and `seen` are empty where there is nothing to say."""

    packed: bytes
    clusters: bytes = b""
    seen: bytes = b""


class Source(Protocol):
    """Where records and their tables come from."""

    def record_of(self, name: str) -> Record:
        """Return the record of a name."""

    def table_of(self, name: str) -> dict[str, list[Any]]:
        """Return the per-example table of a name as columns."""


class Entry:
    """A stored record: its heading, what its test examples give to the main metric, and on demand all of it."""

    __slots__ = ("_examples", "_record", "_source", "head")

    def __init__(self, head: Heading, examples: Examples, source: Source) -> None:
        """Keep what the index holds, and where to get the rest."""
        self.head, self._examples, self._source = head, examples, source
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
    def n(self) -> int:
        """The number of test examples."""
        packed = self._examples.packed
        return int.from_bytes(packed[1:9], "little") if packed[:1] == b"b" else (len(packed) - 1) // 8

    @property
    def values(self) -> np.ndarray:
        """What each test example gives to the main metric, fp64 [n]."""
        return _unpacked(self._examples.packed)

    @property
    def clusters(self) -> np.ndarray | None:
        """The cluster of each test example, int32 [n], if there are any."""
        return np.frombuffer(self._examples.clusters, dtype="<i4") if self._examples.clusters else None

    @property
    def seen(self) -> np.ndarray | None:
        """Whether the training rows hold each test example too, bool [n]; None where none is known to be."""
        return _bits(self._examples.seen) if self._examples.seen else None


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


@dataclass
class Contents:
    """Everything that a store holds: first attempts, further ones, and what in it cannot be used and why."""

    entries: list[Entry] = field(default_factory=list)
    again: list[Entry] = field(default_factory=list)
    faults: dict[str, str] = field(default_factory=dict)


def pack(columns: Mapping[str, Any]) -> Examples:
    """Return columns `value` [n] and, if they are there, `cluster` (any names) and `seen`, packed."""
    values = np.asarray(columns["value"], dtype=np.float64)
    whole = np.isin(values, (0.0, 1.0)).all()
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


def _bits(packed: bytes) -> np.ndarray:
    count = int.from_bytes(packed[:8], "little")
    return np.unpackbits(np.frombuffer(packed, dtype=np.uint8, offset=8), count=count).astype(bool)


def _unpacked(packed: bytes) -> np.ndarray:
    if packed[:1] == b"b":
        return _bits(packed[1:]).astype(np.float64)
    return np.frombuffer(packed, dtype="<f8", offset=1)


@dataclass(frozen=True)
class Line:
    """One line of the index; `seal` says what the record's files looked like when they were read."""

    head: Heading
    examples: Examples
    seal: str


def write(lines: Iterable[Line]) -> bytes:
    """Return the index as a parquet file."""
    held = list(lines)
    names = [f.name for f in fields(Heading)]
    columns: dict[str, Any] = {name: [getattr(line.head, name) for line in held] for name in names}
    columns["seal"] = [line.seal for line in held]
    columns["values"] = [line.examples.packed for line in held]
    columns["clusters"] = [line.examples.clusters for line in held]
    columns["seen"] = [line.examples.seen for line in held]
    table = pa.table(columns, schema=_SCHEMA).replace_schema_metadata({b"index": VERSION})
    content = io.BytesIO()
    pq.write_table(table, content, compression="zstd", row_group_size=16_384)
    return content.getvalue()


def read(content: bytes) -> dict[str, Line]:
    """Return the lines of an index by name; none of one that is of another version or of no use."""
    try:
        table = pq.read_table(io.BytesIO(content))
        if (table.schema.metadata or {}).get(b"index") != VERSION:
            return {}
        columns = [table[name].to_pylist() for name in _SCHEMA.names]
    except (OSError, pa.ArrowException, KeyError, ValueError):
        return {}  # a cache: whatever is wrong with it, it is made again
    found = {}
    for *head, seal, values, clusters, seen in zip(*columns, strict=True):
        found[head[0]] = Line(Heading(*head), Examples(values, clusters, seen), seal)
    return found


def line_of(record: Record, table: bytes, seal: str) -> Line:
    """Return the index line of a record with the bytes of its table.

    Raises:
        SuiteError: the table is none of predictions.
    """
    try:
        columns = pq.read_table(io.BytesIO(table))
        wanted = [name for name in ("value", "cluster", "seen") if name in columns.column_names]
        return Line(heading(record), pack(columns.select(wanted).to_pydict()), seal)
    except (pa.ArrowException, KeyError, TypeError, ValueError) as error:
        name = f"{record.key}-{record.attempt}"
        raise SuiteError(f"{name}: predictions.parquet is no table of predictions: {error}.") from None
