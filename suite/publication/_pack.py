"""Records of a store written as packs: three parquet files for many records, named by what they hold."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from suite import index, packaging, packs
from suite.publication._columns import COLUMNS, schema
from suite.spec import Record, SuiteError, digest
from suite.store import Store

MOST_RECORDS = 5_000
MOST_BYTES = 128_000_000
"""A pack holds so much at most: whoever wants one table of predictions fetches a part of one file."""

GROUP = 32
"""Tables of predictions that are read together."""

PAGE = 1 << 26
"""Bytes of a page: what records of one task have in common is stored once a page."""

_PREDICTIONS = pa.schema([("name", pa.string()), ("predictions", pa.binary())])


@dataclass(frozen=True)
class Label:
    """What is remembered of a record once it is packed: its name and the bytes of its files."""

    name: str
    size: int


@dataclass(frozen=True)
class Filed:
    """A record with the bytes of its files."""

    name: str
    record: Record
    text: bytes
    digest: bytes
    table: bytes

    @property
    def label(self) -> Label:
        """Its name and size."""
        return Label(self.name, len(self.text) + len(self.digest) + len(self.table))

    def values(self) -> np.ndarray | None:
        """Return what each test example gives to the main metric, fp64 [n]; None where examples are not independent.

        Raises:
            SuiteError: the table is none of predictions, or larger than any that is read.
        """
        examples = index.line_of(self.record, self.table, "").examples
        return None if examples.clusters else index.unpack([examples])[0]


class Shelf:
    """The files of a store's entries, as bytes."""

    def __init__(self, store: Store) -> None:
        """Open the store's file system."""
        self._fs, root = packs.opened(store.url)
        self._root = str(root).rstrip("/")

    def filed(self, name: str) -> Filed:
        """Return an entry's files, compared with their digest.

        Raises:
            SuiteError: they cannot be read, or are not those that were put.
        """
        folder = f"{self._root}/records/{name[:2]}/{name}"
        try:
            text, table, seal = (
                self._fs.cat_file(f"{folder}/{file}") for file in ("record.json", "predictions.parquet", "digest.json")
            )
            claimed = json.loads(seal)
        except (OSError, ValueError) as error:
            raise SuiteError(f"{name} cannot be read: {error}.") from None
        if claimed != {"record.json": digest(text), "predictions.parquet": digest(table)}:
            raise SuiteError(f"{name}: its bytes are not those that were put; it was changed or damaged.")
        return Filed(name, Record.model_validate_json(text), text, seal, table)


def write(filed: Iterable[Filed], folder: Path, others: Callable[[Filed], str]) -> dict[str, Path]:
    """Write packs below a folder; return their files by the path that they have in a store.

    Args:
        filed: the entries; those of one task beside each other make small files.
        folder: where to write.
        others: what the column `every_eval_ever` says of an entry.
    """
    files: dict[str, Path] = {}
    for some in _portions(filed):
        made = [*_tables(some, others)]
        held = {one.name: digest(one.digest) for one in some}
        name = packaging.name_of(held, next(table for _, table, _ in made if isinstance(table, bytes)))
        for file, table, options in made:
            path = f"{packaging.FOLDER}/{name}/{file}"
            files[path] = folder / path
            files[path].parent.mkdir(parents=True, exist_ok=True)
            if isinstance(table, bytes):
                files[path].write_bytes(table)
            else:
                pq.write_table(table, files[path], compression="zstd", data_page_size=PAGE, **options)
    return files


def _portions(filed: Iterable[Filed]) -> Iterator[list[Filed]]:
    some: list[Filed] = []
    size = 0
    for one in filed:
        if some and (len(some) == MOST_RECORDS or size + one.label.size > MOST_BYTES):
            yield some
            some, size = [], 0
        some.append(one)
        size += one.label.size
    if some:
        yield some


def _tables(
    some: list[Filed], others: Callable[[Filed], str]
) -> Iterator[tuple[str, pa.Table | bytes, dict[str, Any]]]:
    """Yield the three files of a pack: a table and how it is written, or bytes."""
    columns: dict[str, list[Any]] = {one.name: [one.of(filed.record) for filed in some] for one in COLUMNS}
    columns["record"] = [filed.text.decode() for filed in some]
    columns["digest"] = [filed.digest.decode() for filed in some]
    columns["every_eval_ever"] = [others(filed) for filed in some]
    plain = [*(one.name for one in COLUMNS if one.name not in ("name", "key", "created"))]
    yield packaging.RECORDS, pa.table(columns, schema=schema()), {"use_dictionary": plain}
    tables = {"name": [one.name for one in some], "predictions": [one.table for one in some]}
    options = {"use_dictionary": False, "row_group_size": GROUP}
    yield packaging.PREDICTIONS, pa.table(tables, schema=_PREDICTIONS), options
    yield packaging.INDEX, index.write([index.line_of(one.record, one.table, digest(one.digest)) for one in some]), {}
