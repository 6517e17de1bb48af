"""A parquet file's footer, read by hand: what it claims of every column.

pyarrow's own view of it ends the whole process where a field is malformed. The encoding is thrift's compact protocol
(github.com/apache/thrift, doc/specs/thrift-compact-protocol.md), the fields are those of parquet.thrift
(github.com/apache/parquet-format).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

MAX_FOOTER = 16_000_000
MAX_NESTING = 12
"""Structs and lists in one another; a footer of today has seven."""

_TEXTS, _PREFIXES = 6, 7
"""BYTE_ARRAY among types, DELTA_BYTE_ARRAY among encodings."""

_WIDTHS = {1: 0, 2: 0, 3: 1, 7: 8}
"""Bytes of truths, bytes and doubles."""

Struct = dict[int, Any]


@dataclass(frozen=True)
class Column:
    """What is claimed of one column of one row group: `shared` says that a value may stand for several."""

    name: str
    nested: bool
    texts: bool
    values: int
    size: int
    shared: bool
    prefixes: bool


@dataclass(frozen=True)
class Group:
    """What is claimed of a row group."""

    size: int
    columns: tuple[Column, ...]


def read_footer(stream: Any) -> list[Group]:
    """Return what a parquet file claims of its row groups.

    Args:
        stream: the open file.

    Raises:
        ValueError: it has no footer that can be read.
    """
    end = stream.seek(0, 2)
    stream.seek(max(end - 8, 0))
    tail = stream.read(8)
    length = int.from_bytes(tail[:4], "little")
    if len(tail) < 8 or tail[4:] != b"PAR1" or length > min(MAX_FOOTER, end - 8):
        raise ValueError("it ends as no parquet file does")
    stream.seek(end - 8 - length)
    content = stream.read(length)
    stream.seek(0)
    try:
        whole, _ = _struct(content, 0, 0)
        return [_group(one) for one in whole.get(4, ())]
    except (IndexError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(f"its footer cannot be read ({type(error).__name__})") from None


def _group(said: Struct) -> Group:
    return Group(max(said[2], 0), tuple(_column(one[3]) for one in said[1]))


def _column(said: Struct) -> Column:
    path = [part.decode("utf-8", "replace") for part in said[3]]
    return Column(
        name=path[0],
        nested=len(path) > 1,
        texts=said[1] == _TEXTS,
        values=max(said[5], 0),
        size=max(said[6], 0),
        shared=said.get(11, 0) > 0 or _PREFIXES in said[2],
        prefixes=_PREFIXES in said[2],
    )


def _struct(content: bytes, at: int, depth: int) -> tuple[Struct, int]:
    """Return a struct's fields by number, and where it ends."""
    if depth > MAX_NESTING:
        raise ValueError("its footer is nested too deep")
    found: Struct = {}
    number = 0
    while head := content[at]:
        at += 1
        if delta := head >> 4:
            number += delta
        else:
            raw, at = _varint(content, at)
            number = (raw >> 1) ^ -(raw & 1)
        found[number], at = _value(content, at, head & 15, depth)
    return found, at + 1


def _value(content: bytes, at: int, kind: int, depth: int) -> tuple[Any, int]:
    if kind in _WIDTHS:  # what no claim is made in
        return None, at + _WIDTHS[kind]
    if kind in (4, 5, 6):
        raw, at = _varint(content, at)
        return (raw >> 1) ^ -(raw & 1), at
    if kind == 8:
        size, at = _varint(content, at)
        if at + size > len(content):
            raise IndexError
        return content[at : at + size], at + size
    if kind in (9, 10):
        return _list(content, at, depth + 1)
    if kind == 12:
        return _struct(content, at, depth + 1)
    raise ValueError("its footer holds a field of no known type")


def _list(content: bytes, at: int, depth: int) -> tuple[list[Any], int]:
    if depth > MAX_NESTING:
        raise ValueError("its footer is nested too deep")
    head = content[at]
    count, at = (head >> 4, at + 1) if head >> 4 < 15 else _varint(content, at + 1)
    found = []
    for _ in range(count):
        if head & 15 in (1, 2):  # in a list a truth has a byte of its own
            one, at = None, at + 1
        else:
            one, at = _value(content, at, head & 15, depth)
        found.append(one)
    return found, at


def _varint(content: bytes, at: int) -> tuple[int, int]:
    value = content[at]
    if value < 128:
        return value, at + 1
    value &= 127
    for shift in range(7, 70, 7):
        at += 1
        byte = content[at]
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at + 1
    raise ValueError("its footer holds a number of over 64 bits")
