"""One line of an index a record, and many of them as a parquet file."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from suite import limits
from suite.headings import Heading, heading
from suite.index._entry import Examples, pack
from suite.spec import Record, SuiteError

VERSION = b"4"
LARGEST = 1e100
MOST_ROWS = 16_384
MOST_BYTES = 8_000_000
"""A row group holds so much at most: whoever wants what the examples of one row give reads one of them."""

HEAD = Heading._fields
_WORDS = {name: str(Heading.__annotations__[name].__forward_arg__) for name in HEAD}
REQUIRED = tuple(name for name in HEAD if "None" not in _WORDS[name])
GIVEN = ("values", "clusters", "seen")
_TYPES = {"str": pa.dictionary(pa.int32(), pa.string()), "int": pa.int64(), "float": pa.float64(), "bool": pa.bool_()}
SCHEMA = pa.schema(
    [
        *((name, pa.string() if name == "name" else _TYPES[_WORDS[name].split(" ")[0]]) for name in HEAD),
        ("seal", pa.string()),
        *((name, pa.binary()) for name in GIVEN),
    ],
    metadata={b"index": VERSION},
)


@dataclass(frozen=True)
class Line:
    """One line of an index; `seal` says what the record's files looked like when they were read."""

    head: Heading
    examples: Examples
    seal: str


def line_of(record: Record, table: bytes, seal: str) -> Line:
    """Return the index line of a record with the bytes of its table.

    Raises:
        SuiteError: the table is none of predictions.
    """
    try:
        file = limits.open_table(table, whole=True)
        wanted = [name for name in ("value", "cluster", "seen") if name in file.schema_arrow.names]
        found = file.read(columns=wanted)
        columns: dict[str, Any] = {name: found[name].to_pylist() for name in wanted}
        values = np.asarray([record.score, *columns["value"]], dtype=np.float64)
        if not (np.abs(values) <= LARGEST).all():  # neither is a NaN
            raise ValueError("the score or a value is not finite, or larger than any of which a variance can be taken")
        if len(found) != record.counts.get("test", len(found)):
            raise ValueError(f"it has {len(found)} rows, and the record tells of {record.counts['test']}")
        return Line(heading(record), pack(columns), seal)
    except (pa.ArrowException, OSError, KeyError, TypeError, ValueError) as error:
        name = f"{record.key}-{record.attempt}"
        reason = (str(error).splitlines() or [type(error).__name__])[0][:500]
        raise SuiteError(f"{name}: predictions.parquet is no table of predictions: {reason}.") from None


def table_of(lines: Iterable[Line]) -> pa.Table:
    """Return lines as a table, in their order."""
    held = list(lines)
    columns: dict[str, Any] = {name: [getattr(line.head, name) for line in held] for name in HEAD}
    columns["seal"] = [line.seal for line in held]
    columns["values"] = [line.examples.packed for line in held]
    columns["clusters"] = [line.examples.clusters for line in held]
    columns["seen"] = [line.examples.seen for line in held]
    return pa.table(columns, schema=SCHEMA)


class Writer:
    """An index that is written table by table; none of them is kept."""

    def __init__(self, to: Any) -> None:
        """Write to an open file. Pages carry a checksum: what is damaged is not taken for what was written."""
        self._to = pq.ParquetWriter(to, SCHEMA, compression="zstd", write_page_checksum=True)

    def add(self, table: pa.Table) -> None:
        """Write lines, in groups of no more than MOST_ROWS and about MOST_BYTES."""
        size = sum(table[name].nbytes for name in GIVEN) // max(len(table), 1)
        rows = max(1, min(MOST_ROWS, MOST_BYTES // max(size, 1)))
        self._to.write_table(table.unify_dictionaries(), row_group_size=rows)

    def close(self) -> None:
        """Write what makes it whole."""
        self._to.close()


def differences(line: Line, record: Record, columns: Mapping[str, Any]) -> list[str]:
    """Return in words what a line says that its record, with the columns of its table, does not give."""
    head, examples = heading(record), pack(columns)
    told = [
        f"its {name} is {_short(getattr(line.head, name))} there, {_short(getattr(head, name))} by the record"
        for name in HEAD
        if getattr(line.head, name) != getattr(head, name)
    ]
    return told if line.examples == examples else [*told, "what its examples give is not what its table gives"]


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def written(table: pa.Table) -> bytes:
    """Return an index as a parquet file, its lines in their order in a table."""
    content = io.BytesIO()
    writer = Writer(content)
    writer.add(table)
    writer.close()
    return content.getvalue()


def write(lines: Iterable[Line]) -> bytes:
    """Return an index as a parquet file, its lines in the order in which they come."""
    return written(table_of(lines))


def read(content: bytes) -> dict[str, Line]:
    """Return the lines of an index by name; none of one that is of another version or of no use."""
    from suite.index._piece import Piece

    piece = Piece.opened(content)
    lines = piece.lines() if piece else []
    return {line.head.name: line for line in lines}
