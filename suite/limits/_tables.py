"""Parquet: what its footer claims, compared with what fits before any of it is read.

A few bytes can stand for any number: a page is compressed, and a text that many rows share stands in it once.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

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
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        about = pq.read_metadata(path)
        _check(about, range(about.num_row_groups), MAX_DATA_BYTES)
    except pa.ArrowException as error:
        raise ValueError(str(error).splitlines()[0]) from None


def open_table(source: Any, *, most: int = MAX_TABLE_BYTES, **options: Any) -> Any:
    """Return a pyarrow ParquetFile, each of whose row groups takes at most so many bytes in memory.

    Args:
        source: the file's bytes, or an open file.
        most: bytes.
        **options: further ones of ParquetFile.

    Raises:
        ValueError: one would take more (ArrowInvalid, which is one, where it is no parquet file).
        OSError: it cannot be read.
    """
    import pyarrow.parquet as pq

    content = io.BytesIO(source) if isinstance(source, bytes) else source
    file = pq.ParquetFile(content, **options)
    for group in range(file.metadata.num_row_groups):
        _check(file.metadata, [group], most)
        if roomy := _roomy(file, group, most):
            _check_shared(content, group, roomy, most)
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
    file = open_table(source, most=most)
    _check(file.metadata, range(file.metadata.num_row_groups), most)
    if missing := [name for name in columns or () if name not in file.schema_arrow.names]:
        raise ValueError(f"it has no column '{missing[0]}'")
    return file.read(columns=None if columns is None else list(columns))


def _check(about: Any, groups: Iterable[int], most: int) -> None:
    if about.num_columns > MAX_COLUMNS:
        raise ValueError(f"it claims {about.num_columns:,} columns; at most {MAX_COLUMNS:,} are read")
    size = total = values = 0
    for group in groups:
        held = about.row_group(group)
        total += max(held.total_byte_size, 0)
        for place in range(about.num_columns):
            size += max(held.column(place).total_uncompressed_size, 0)
            values += max(held.column(place).num_values, 0)
    if max(size, total, values) > most:
        raise ValueError(f"it claims {max(size, total, values):,} bytes in memory; at most {most:,} are read")


def _roomy(file: Any, group: int, most: int) -> list[str]:
    """Return the columns of texts or bytes that could grow too large, if each value were all that the column holds.

    What is read as a dictionary stays one: its texts are never written out.
    """
    import pyarrow as pa

    plain = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)
    types = {field.name: field.type for field in file.schema_arrow}
    bounds: dict[str, int] = {}
    for place in range(file.metadata.num_columns):
        chunk = file.metadata.row_group(group).column(place)
        name, _, inner = chunk.path_in_schema.partition(".")
        if chunk.physical_type != "BYTE_ARRAY" or not _is_shared(chunk):
            continue
        if inner or name not in types or any(is_a(types[name]) for is_a in plain):
            bounds[name] = bounds.get(name, 0) + chunk.num_values * chunk.total_uncompressed_size
    return [name for name, bound in bounds.items() if bound > most // max(len(bounds), 1)]


def _is_shared(chunk: Any) -> bool:
    """Return whether a value of a column may stand for several."""
    return bool(chunk.has_dictionary_page) or any("DELTA_BYTE_ARRAY" in name for name in chunk.encodings)


def _check_shared(content: Any, group: int, roomy: Sequence[str], most: int) -> None:
    """Add up how large texts will be, each read once, however many rows share it."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    file = pq.ParquetFile(content, read_dictionary=list(roomy))
    total = 0
    for place in range(file.metadata.num_columns):
        chunk = file.metadata.row_group(group).column(place)
        name, _, inner = chunk.path_in_schema.partition(".")
        if name in roomy and (inner or any("DELTA_BYTE_ARRAY" in one for one in chunk.encodings)):
            raise ValueError(f"texts of the size of '{name}' are read only as a column of their own, plainly encoded")
    for name in roomy:
        for part in file.read_row_group(group, columns=[name])[name].chunks:
            held = part if isinstance(part, pa.DictionaryArray) else part.dictionary_encode()
            total += pc.sum(pc.binary_length(held.dictionary).cast(pa.int64()).take(held.indices)).as_py() or 0
    if total > most:
        raise ValueError(f"its texts would take {total:,} bytes in memory; at most {most:,} are read")
