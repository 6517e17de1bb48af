"""What an entry's bytes say, compared with what was put."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pyarrow as pa
from pydantic import ValidationError

from suite import limits
from suite.packaging import first_line
from suite.spec import SCHEMA, Record, SuiteError, digest

FILES = ("record.json", "predictions.parquet")


def read(fs: Any, entry: str, name: str, wanted: Iterable[str], url: str) -> dict[str, bytes]:
    """Return files of an entry, compared with their digest.

    Raises:
        SuiteError: it is not there, cannot be read, or its bytes are not those that were put.
    """
    try:
        digests = limits.parse_json(fs.cat_file(f"{entry}/digest.json"))
        found = {file: fs.cat_file(f"{entry}/{file}") for file in wanted}
    except FileNotFoundError:
        raise SuiteError(f"{name} is not in the store '{url}', or was never finished.") from None
    except (OSError, ValueError) as error:
        raise SuiteError(f"{name} cannot be read: {error}.") from None
    for file, content in found.items():
        if not isinstance(digests, dict) or digests.get(file) != digest(content):
            raise SuiteError(
                f"{name}: the bytes of {file} are not those that were put; it was changed or damaged. "
                f"To have it made anew, take {entry} away."
            )
    return found


def parse(text: bytes, name: str) -> Record:
    """Return the record of a text in JSON, of any schema so far.

    Raises:
        SuiteError: it is none, or another's.
    """
    from suite.store import _shape  # on demand: a board whose index is whole reads no record

    try:
        record = Record.model_validate_json(text)
        _shape.check(record)
    except ValueError as error:  # pydantic's are such
        version = _schema_of(text)
        newer = f" It has schema {version}, newer than this version's {SCHEMA}." if version > SCHEMA else ""
        raise SuiteError(f"{name}: this is no record: {_reason(error)}.{newer}") from None
    if f"{record.key}-{record.attempt}" != name:
        raise SuiteError(f"{name}: the record inside says it is {record.key[:64]}-{record.attempt}.")
    return record


def _reason(error: ValueError) -> str:
    """Return the first thing that is wrong, and where."""
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{place[:200]}: {first['msg'][:500]}"


def _schema_of(text: bytes) -> int:
    try:
        return int(limits.parse_json(text)["schema_version"])
    except (ValueError, KeyError, TypeError, OverflowError):
        return 0


def is_inside(name: str) -> bool:
    """Return whether a file's name leads to no other folder than the one that it is looked for in."""
    parts = name.split("/")
    return not {"", ".", ".."}.intersection(parts) and "\\" not in name and "\0" not in name


def columns_of(table: bytes, name: str) -> dict[str, list[Any]]:
    """Return the columns of a table of predictions by name.

    Raises:
        SuiteError: it is none.
    """
    try:
        found: dict[str, list[Any]] = limits.read_table(table).to_pydict()
    except (OSError, ValueError, pa.ArrowException) as error:
        raise SuiteError(f"{name}: predictions.parquet is no table of predictions: {first_line(error)}.") from None
    return found
