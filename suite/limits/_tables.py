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


def read_table(
    source: Any, columns: Sequence[str] | None = None, *, group: int | None = None, most: int = MAX_TABLE_BYTES
) -> Any:
    """Return a pyarrow table from a parquet file, all of it, or some columns, or one row group.

    Args:
        source: the file's bytes, or an open file.
        columns: the names of those to read.
        group: the row group to read.
        most: bytes in memory that it may take.

    Raises:
        ValueError: it would take more (ArrowInvalid, which is one, where it is no parquet file).
        KeyError: one of the columns is not there.
        OSError: its pages are damaged.
    """
    import pyarrow.parquet as pq

    content = io.BytesIO(source) if isinstance(source, bytes) else source
    file = pq.ParquetFile(content)
    groups = range(file.metadata.num_row_groups) if group is None else [group]
    _check(file.metadata, groups, most)
    names = file.schema_arrow.names
    if missing := [name for name in columns or () if name not in names]:
        raise KeyError(missing[0])
    wanted = names if columns is None else list(columns)
    if roomy := _roomy(file, groups, wanted, most):
        _check_shared(content, groups, roomy, most)
    return file.read_row_groups(list(groups), columns=None if columns is None else wanted)


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


def _roomy(file: Any, groups: Iterable[int], wanted: Sequence[str], most: int) -> list[str]:
    """Return the columns of texts or bytes that could grow too large, if each value were all that the column holds.

    What is read as a dictionary stays one: its texts are never written out.
    """
    import pyarrow as pa

    about = file.metadata
    plain = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)
    bounds: dict[str, int] = {}
    for place in range(about.num_columns):
        name, _, inner = about.schema.column(place).path.partition(".")
        of_texts = about.schema.column(place).physical_type == "BYTE_ARRAY"
        if name in wanted and of_texts and (inner or any(is_a(file.schema_arrow.field(name).type) for is_a in plain)):
            chunks = [about.row_group(group).column(place) for group in groups]
            bound = sum(chunk.num_values * chunk.total_uncompressed_size for chunk in chunks)
            bounds[name] = bounds.get(name, 0) + bound
    return [name for name, bound in bounds.items() if bound > most // max(len(bounds), 1)]


def _check_shared(content: Any, groups: Iterable[int], roomy: Sequence[str], most: int) -> None:
    """Add up how large texts will be, each read once, however many rows share it."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    file = pq.ParquetFile(content, read_dictionary=list(roomy))
    about, total = file.metadata, 0
    for place in range(about.num_columns):
        name, _, inner = about.schema.column(place).path.partition(".")
        chunks = [about.row_group(group).column(place) for group in groups] if name in roomy else []
        if chunks and (inner or any("DELTA_BYTE_ARRAY" in chunk.encodings for chunk in chunks)):
            raise ValueError(f"texts of the size of '{name}' are read only as a column of their own, plainly encoded")
    for name in roomy:
        for chunk in file.read_row_groups(list(groups), columns=[name])[name].chunks:
            held = chunk if isinstance(chunk, pa.DictionaryArray) else chunk.dictionary_encode()
            total += pc.sum(pc.binary_length(held.dictionary).cast(pa.int64()).take(held.indices)).as_py() or 0
    if total > most:
        raise ValueError(f"its texts would take {total:,} bytes in memory; at most {most:,} are read")
