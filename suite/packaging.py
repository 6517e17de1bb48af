"""What a pack is: three files, and a name that binds them.

    packs/<32 hex of what it holds>-<32 hex of its index>/records.parquet, predictions.parquet, index.parquet

The first half is the digest over the names of its records with the digests of their digest.json, which the index has
as its seals; the second is that of the bytes of the index. So who reads the index alone knows that it is the one that
the pack was made with, and which records it speaks of. That its lines are what the records give, only who reads the
records can tell. Packs of before had the first half alone.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from suite import index, limits
from suite.spec import digest

RECORDS, PREDICTIONS, INDEX = "records.parquet", "predictions.parquet", "index.parquet"
GROUP = 32
"""Tables of predictions that are read together."""

PAGE = 1 << 26
"""Bytes of a page: what records of one task have in common is stored once a page."""

_NAMES = pa.schema([pa.field("name", pa.string(), nullable=False)])
_BOUND = re.compile(r"([0-9a-f]{32})-([0-9a-f]{32})")


def name_of(held: Mapping[str, str], content: bytes) -> str:
    """Return the name of a pack.

    Args:
        held: the digest of each record's digest.json, by the record's name.
        content: the bytes of its index, whose seals these digests are.
    """
    return f"{_digest_of(held)}-{digest(content)[7:39]}"


def _digest_of(held: Mapping[str, str]) -> str:
    return digest("\n".join(sorted(f"{name} {sealed}" for name, sealed in held.items())).encode())[7:39]


def names_of(content: bytes) -> list[str]:
    """Return the names of the records of a pack, by the bytes of its index.

    Raises:
        ValueError: it is none.
    """
    try:
        names: list[str] = limits.read_table(content, ["name"]).cast(_NAMES)["name"].to_pylist()
    except (OSError, KeyError, ValueError, pa.ArrowException) as error:
        raise ValueError(f"is no index of records: {first_line(error)}") from None
    return names


def check(name: str, content: bytes) -> None:
    """Compare the index of a pack with the pack's name; a name of before says nothing of it.

    Raises:
        ValueError: it is not the one that the pack was made with, or speaks of other records.
    """
    bound = _BOUND.fullmatch(name)
    if bound is None:
        return
    piece = index.Piece.opened(content)
    other = piece and bound[1] != _digest_of(dict(zip(piece.names, piece.seals, strict=True)))
    if other or bound[2] != digest(content)[7:39]:
        raise ValueError("is not the index that the pack was made with: its headings may be those of other records")


def first_line(error: Exception) -> str:
    """Return the first line of what an error says."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def merged(parts: Sequence[Mapping[str, bytes]]) -> tuple[str, dict[str, bytes]]:
    """Return the name and the files of one pack that holds what several hold, every record as it is there.

    Records of one task and column stand beside each other, as where they are packed at once; of two of one name the
    first counts.

    Args:
        parts: the files of each pack by their names.

    Raises:
        ValueError: one of them is no pack, or of another version: they cannot be made one.
    """
    try:
        records, predictions, lines = (_together(parts, file) for file in (RECORDS, PREDICTIONS, INDEX))
    except (KeyError, OSError, pa.ArrowException) as error:
        raise ValueError(first_line(error)) from None
    rows = _order(records, predictions, lines)
    lines = _anew(lines.take(rows))
    seals = [digest(text.encode()) for text in records["digest"].take(rows).to_pylist()]
    lines = lines.set_column(lines.schema.get_field_index("seal"), "seal", pa.array(seals, pa.string()))
    files = {
        RECORDS: _written(records.take(rows), use_dictionary=_plain(records), data_page_size=PAGE),
        PREDICTIONS: _written(predictions.take(rows), use_dictionary=False, row_group_size=GROUP, data_page_size=PAGE),
        INDEX: index.written(lines),
    }
    return name_of(dict(zip(lines["name"].to_pylist(), seals, strict=True)), files[INDEX]), files


def _anew(lines: pa.Table) -> pa.Table:
    """Return lines with their texts numbered as they come: the bytes depend on no order but theirs."""
    plain = [pa.field(f.name, pa.string() if pa.types.is_dictionary(f.type) else f.type) for f in lines.schema]
    return lines.cast(pa.schema(plain)).cast(index.SCHEMA)


def _together(parts: Sequence[Mapping[str, bytes]], file: str) -> pa.Table:
    """Return one of the three tables of all packs; what their files say beside it is that of the first."""
    tables = [limits.read_table(part[file]) for part in parts]
    if file == INDEX and any(index.Piece.opened(part[file]) is None for part in parts):
        raise ValueError("an index is of another version")
    if any(not table.schema.equals(tables[0].schema) for table in tables):
        raise ValueError(f"the columns of {file} are not the same")
    return pa.concat_tables(tables).unify_dictionaries()


def _order(records: pa.Table, predictions: pa.Table, lines: pa.Table) -> pa.Array:
    """Return the rows of the three tables in the order of the pack to be."""
    names = lines["name"].to_pylist()
    if not names == records["name"].to_pylist() == predictions["name"].to_pylist():
        raise ValueError("the three files do not hold the same records")
    keys = zip(lines["task"].to_pylist(), lines["column"].to_pylist(), names, range(len(names)), strict=True)
    first: dict[str, int] = {}
    for *_, name, row in sorted(keys):
        first.setdefault(name, row)
    return pa.array(np.array(list(first.values()), dtype=np.int64))


def _plain(records: pa.Table) -> list[str]:
    """Return the columns whose values repeat, as the ones that are written with a dictionary."""
    single = ("name", "key", "created", "record", "digest", "every_eval_ever")
    return [name for name in records.column_names if name not in single]


def _written(table: pa.Table, **options: Any) -> bytes:
    content = io.BytesIO()
    pq.write_table(table, content, compression="zstd", **options)
    return content.getvalue()
