"""Parquet: what its footer claims, compared with what fits before any of it is read.

A few bytes can stand for any number: a page is compressed, and a text that many rows share stands in it once.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from suite.limits._footer import Group, read_footer

MAX_TABLE_BYTES = 2_000_000_000
"""Of a table of ours in memory: predictions, an index, a pack's part."""

MAX_DATA_BYTES = 8_000_000_000
"""Of a data file, as it lies on the disk and as its footer says that it will be in memory."""

MAX_COLUMNS = 10_000


def check_parquet(path: Path) -> None:
    """Compare what a data file claims with MAX_DATA_BYTES.

    Raises:
        ValueError: it claims more, or its footer cannot be read.
        OSError: the file cannot be read.
    """
    with path.open("rb") as stream:
        _check(read_footer(stream), MAX_DATA_BYTES)


def open_table(source: Any, *, most: int = MAX_TABLE_BYTES, whole: bool = False, **options: Any) -> Any:
    """Return a pyarrow ParquetFile, each of whose row groups takes at most so many bytes in memory.

    Args:
        source: the file's bytes, or an open file.
        most: bytes.
        whole: of all row groups together, for a file that is read as one.
        **options: further ones of ParquetFile.

    Raises:
        ValueError: one would take more (ArrowInvalid, which is one, where it is no parquet file).
        OSError: it cannot be read.
    """
    import pyarrow.parquet as pq

    content = io.BytesIO(source) if isinstance(source, bytes) else source
    groups = dict(enumerate(read_footer(content)))
    portions = [groups] if whole else [{number: group} for number, group in groups.items()]
    for group in groups.values():
        _check([group], most)
    for portion in portions:
        _check(list(portion.values()), most)
    file = pq.ParquetFile(content, **options)
    for portion in portions:
        if roomy := _roomy(file, portion.values(), most):
            _check_shared(content, portion, roomy, most)
    return file


def read_table(source: Any, columns: Sequence[str] | None = None, *, most: int = MAX_TABLE_BYTES) -> Any:
    """Return a pyarrow table from a parquet file, all columns or some.

    Args:
        source: the file's bytes, or an open file.
        columns: the names of those to read.
        most: bytes in memory that it may take.

    Raises:
        ValueError: it would take more, or one of the columns is not there (ArrowInvalid, which is one, where it is no
            parquet file).
        OSError: its pages are damaged.
    """
    file = open_table(source, most=most, whole=True)
    if missing := [name for name in columns or () if name not in file.schema_arrow.names]:
        raise ValueError(f"it has no column '{missing[0]}'")
    return file.read(columns=None if columns is None else list(columns))


def _check(groups: Sequence[Group], most: int) -> None:
    held = [column for group in groups for column in group.columns]
    if len(held) > MAX_COLUMNS * max(len(groups), 1):
        raise ValueError(f"it claims {len(held):,} columns; at most {MAX_COLUMNS:,} are read")
    sizes = sum(column.size for column in held), sum(group.size for group in groups), sum(one.values for one in held)
    if max(sizes) > most:
        raise ValueError(f"it claims {max(sizes):,} bytes in memory; at most {most:,} are read")


def _roomy(file: Any, groups: Iterable[Group], most: int) -> list[str]:
    """Return the columns of texts or bytes that could grow too large, if each value were all that the column holds.

    What is read as a dictionary stays one: its texts are never written out.
    """
    bounds: dict[str, int] = {}
    for column in (column for group in groups for column in group.columns):
        if column.texts and column.shared:
            bounds[column.name] = bounds.get(column.name, 0) + column.values * column.size
    roomy = [name for name, bound in bounds.items() if bound > most // len(bounds)]
    if not roomy:
        return []
    import pyarrow as pa

    types = {field.name: field.type for field in file.schema_arrow}
    return [name for name in roomy if not (name in types and pa.types.is_dictionary(types[name]))]


def _check_shared(content: Any, groups: Mapping[int, Group], roomy: Sequence[str], most: int) -> None:
    """Add up how large texts will be, each read once, however many rows share it."""
    import pyarrow.parquet as pq

    for column in (column for group in groups.values() for column in group.columns):
        if column.name in roomy and (column.nested or column.prefixes):
            raise ValueError(
                f"texts of the size of '{column.name}' are read only as a column of their own, each written out"
            )
    file = pq.ParquetFile(content, read_dictionary=list(roomy))
    total = 0
    for number in groups:
        for name in roomy:
            total += _written_out(file.read_row_group(number, columns=[name])[name])
            if total > most:
                raise ValueError(f"its texts would take {total:,} bytes in memory; at most {most:,} are read")


def _written_out(column: Any) -> int:
    """Return how many bytes a column's texts take without a dictionary."""
    import pyarrow as pa
    import pyarrow.compute as pc

    total = 0
    for part in column.chunks:
        held = part if isinstance(part, pa.DictionaryArray) else part.dictionary_encode()
        total += pc.sum(pc.binary_length(held.dictionary).cast(pa.int64()).take(held.indices)).as_py() or 0
    return total
