"""Results, filed by what produced them. It files and finds; it does not know what a score means.

    <store>/records/3f/3f9c...-1/record.json          what was asked, what came out, what explains it
                                 predictions.parquet   one row a test example
                                 digest.json           sha256 of both, written last
                                 weights/              what was trained, where it was kept; record.json has its sha256
    <store>/index.parquet                              a cache; throw it away whenever you like

`-1` is the first attempt, the one that counts; a re-run of the same key is kept beside it as `-2`.
An entry without digest.json was never finished and is no entry. Nothing is ever overwritten.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import uuid
from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from suite import artifacts, index, packs
from suite.index import Contents, Entry
from suite.spec import SCHEMA, Record, Result, SuiteError, canonical_json, digest

_FILES = ("record.json", "predictions.parquet")
_TABLE = pa.schema(
    [
        ("id", pa.string()),
        ("label", pa.string()),
        ("prediction", pa.string()),
        ("scores", pa.list_(pa.float32())),
        ("value", pa.float64()),
    ]
)
_OPTIONAL = {"cluster": pa.field("cluster", pa.string()), "seen": pa.field("seen", pa.bool_())}


class Store:
    """A folder or fsspec URL of records."""

    def __init__(self, url: str) -> None:
        """Open a store; it need not exist before the first result is put.

        Raises:
            SuiteError: the URL's file system is unknown or its driver is not installed.
        """
        self.url = url
        try:
            self._fs, root = packs.opened(url)
        except (ValueError, ImportError) as error:
            raise SuiteError(f"The store '{url}' cannot be opened: {str(error).rstrip('.')}.") from None
        self._root = str(root).rstrip("/")
        self._local = Path(self._root) if "file" in np.atleast_1d(self._fs.protocol) else None

    def has(self, key: str) -> bool:
        """Return whether the first attempt of a key is there, whole."""
        return self._exists(self._entry(key, 1) + "/digest.json")

    def get(self, key: str, attempt: int = 1) -> Record:
        """Return a record, after comparing it with its digest.

        Raises:
            SuiteError: it is not there, or its bytes are not those that were put.
        """
        return self._read(self._name(key, attempt))[0]

    def predictions(self, key: str, attempt: int = 1) -> dict[str, list[Any]]:
        """Return the per-example table of a record as columns."""
        return self.result(key, attempt).columns

    def result(self, key: str, attempt: int = 1) -> Result:
        """Return a record with its per-example table, both after comparing them with their digest.

        Raises:
            SuiteError: it is not there, or its bytes are not those that were put.
        """
        record, table = self._read(self._name(key, attempt))
        return Result(record, _columns(table))

    def find(self, prefix: str) -> list[str]:
        """Return the keys that begin with a prefix of at least 6 digits."""
        return sorted({name.rpartition("-")[0] for name in self.names() if name.startswith(prefix)})

    def put(self, result: Result, again: bool = False) -> Record:
        """File a result; return the record as it stands in the store.

        Of two writers of one key the first wins and the other's result is dropped whole, unless
        `again` asks to keep it as a further attempt, linked to the first. The folder of its weights is
        taken over, if it has one.

        Raises:
            SuiteError: the store cannot be written.
        """
        table = io.BytesIO()
        schema = pa.schema([*_TABLE, *(field for name, field in _OPTIONAL.items() if name in result.columns)])
        pq.write_table(pa.table(result.columns, schema=schema), table, compression="zstd")
        try:
            weights = Path(result.weights) if result.weights else None
            artifact = artifacts.hashes(weights) if weights else {}
            return self._put(result.record.model_copy(update={"artifact": artifact}), table.getvalue(), weights, again)
        except OSError as error:
            raise SuiteError(f"The store '{self.url}' cannot be written: {error.strerror or error}.") from None

    def _put(self, record: Record, table: bytes, weights: Path | None, again: bool) -> Record:
        attempt = 1
        while self._exists(self._entry(record.key, attempt) + "/digest.json"):
            if not again:
                return self.get(record.key, attempt)
            attempt += 1
        parent = self._name(record.key, 1) if attempt > 1 else None
        update = {"predictions": digest(table), "attempt": attempt, "parent": parent}
        record = record.model_copy(update=update)
        body = canonical_json(record.model_dump(mode="json", by_alias=True)).encode()
        both = {"record.json": digest(body), "predictions.parquet": digest(table)}
        files = {"record.json": body, "predictions.parquet": table, "digest.json": canonical_json(both).encode()}
        if self._write(self._entry(record.key, attempt), files, weights):
            return record
        return self._put(record, table, weights, again)

    def _write(self, entry: str, files: dict[str, bytes], weights: Path | None) -> bool:
        """Write an entry so that it is there whole or not at all; return False if another was first."""
        if self._local is None:
            if weights:
                artifacts.upload(weights, self._fs, f"{entry}/{artifacts.FOLDER}")
            for name, content in files.items():  # digest.json comes last and makes it an entry
                self._fs.pipe_file(f"{entry}/{name}", content)
            return True
        draft = Path(self._root) / "records" / f".draft-{uuid.uuid4().hex}"
        try:
            draft.mkdir(parents=True)
            for name, content in files.items():
                with (draft / name).open("wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())  # renamed below: what the name shows must be on the disk
            if weights:
                artifacts.move(weights, draft / artifacts.FOLDER)
            done = self._rename(draft, Path(entry))
            if weights and not done:
                artifacts.move(draft / artifacts.FOLDER, weights)
            return done
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    def _rename(self, draft: Path, entry: Path) -> bool:
        entry.parent.mkdir(parents=True, exist_ok=True)
        if entry.is_dir() and not (entry / "digest.json").exists():  # left by a foreign hand: never finished
            entry.rename(entry.with_name(f".broken-{entry.name}-{uuid.uuid4().hex[:8]}"))
        try:
            draft.rename(entry)
        except OSError:
            if (entry / "digest.json").exists():
                return False
            raise
        return True

    def drafts(self) -> AbstractContextManager[Path]:
        """Return what gives a folder for weights that are to be put."""
        return artifacts.drafts(self._local / "records" if self._local else None)

    def attempts(self, key: str) -> list[int]:
        """Return the numbers of the attempts at a key."""
        found = (name.rpartition("-")[2] for name in self.names() if name.startswith(f"{key}-"))
        return sorted(int(number) for number in found)

    def kept(self, key: str) -> int | None:
        """Return the first attempt at a key that kept its weights."""
        attempt = 1
        while self._exists(self._entry(key, attempt) + "/digest.json"):
            if self.get(key, attempt).artifact:
                return attempt
            attempt += 1
        return None

    def weight_files(self, key: str, attempt: int = 1) -> list[str]:
        """Return the names of the files of kept weights that are there, whatever the record says."""
        folder = f"{self._entry(key, attempt)}/{artifacts.FOLDER}"
        try:
            return sorted(str(path).rpartition(f"/{artifacts.FOLDER}/")[2] for path in self._fs.find(folder))
        except OSError:
            return []

    def weights(self, key: str, attempt: int = 1) -> AbstractContextManager[Path]:
        """Return what gives the folder of a record's kept weights, fetched first where the store is elsewhere."""
        folder = f"{self._entry(key, attempt)}/{artifacts.FOLDER}"
        return contextlib.nullcontext(Path(folder)) if self._local else artifacts.fetched(self._fs, folder)

    def check_writable(self) -> None:
        """Create the store if need be.

        Raises:
            SuiteError: it cannot be written.
        """
        probe = f"{self._root}/.write-{uuid.uuid4().hex}"
        try:
            self._fs.makedirs(f"{self._root}/records", exist_ok=True)
            self._fs.pipe_file(probe, b"1")
            self._fs.rm_file(probe)
        except OSError as error:
            raise SuiteError(f"The store '{self.url}' cannot be written: {error.strerror or error}.") from None

    def log(self, name: str, text: str) -> str | None:
        """Keep the details of a failure for whoever looks into it; return where, None if that fails too."""
        path = f"{self._root}/failures/{name}.log"
        try:
            self._fs.makedirs(f"{self._root}/failures", exist_ok=True)
            self._fs.pipe_file(path, text.encode())
        except OSError:
            return None
        return path

    def contents(self) -> Contents:
        """Return all attempts, through the index, which is brought up to date on the way.

        A store that does not exist is empty.
        """
        known = self._load_index()
        lines: dict[str, index.Line] = {}
        contents = Contents()
        for name in self.names():
            try:
                line = known.get(name)
                lines[name] = line if line and line.seal == self._seal(name) else self._line(name)
                to = contents.entries if name.endswith("-1") else contents.again
                to.append(Entry(lines[name].head, lines[name].examples, self))
            except SuiteError as error:
                lines.pop(name, None)
                contents.faults[name] = str(error)
        if {name: line.seal for name, line in lines.items()} != {name: line.seal for name, line in known.items()}:
            self._save_index(lines)
        return contents

    def _line(self, name: str) -> index.Line:
        seal = self._seal(name)  # before reading: a file that changes meanwhile no longer looks like this
        return index.line_of(*self._read(name), seal)

    def record_of(self, name: str) -> Record:
        """Return the record of a name, compared with its digest; its table is not looked at.

        Raises:
            SuiteError: it is not there, or its bytes are not those that were put.
        """
        entry = f"{self._root}/records/{name[:2]}/{name}"
        return _parse(self._files(entry, name, ("record.json",))["record.json"].decode(), name)

    def table_of(self, name: str) -> dict[str, list[Any]]:
        """Return the per-example table of a name as columns, compared with its digest.

        Raises:
            SuiteError: as for `record_of`.
        """
        return _columns(self._read(name)[1])

    def _seal(self, name: str) -> str:
        """Return size and time of an entry's files, so that one edited in place is read and compared anew.

        Where asking costs a request a file, the digests alone answer for it: when it is indexed, and by `get`.
        """
        if self._local is None:
            return ""
        try:
            folder = f"{self._root}/records/{name[:2]}/{name}"
            states = [os.stat(f"{folder}/{file}") for file in (*_FILES, "digest.json")]  # noqa: PTH116  # 100,000 records
        except OSError:
            return "incomplete"
        return " ".join(f"{state.st_size}.{state.st_mtime_ns}" for state in states)

    def _load_index(self) -> dict[str, index.Line]:
        try:
            return index.read(self._fs.cat_file(f"{self._root}/index.parquet"))
        except OSError:
            return {}

    def _save_index(self, lines: dict[str, index.Line]) -> None:
        draft = f"{self._root}/.index-{uuid.uuid4().hex}"
        try:
            self._fs.pipe_file(draft, index.write(lines.values()))
            self._fs.mv(draft, f"{self._root}/index.parquet")
        except OSError:  # a store that is only read works without its cache
            with contextlib.suppress(OSError):
                self._fs.rm_file(draft)

    def _read(self, name: str) -> tuple[Record, bytes]:
        """Return a record and its table's bytes, compared with their digest."""
        files = self._files(f"{self._root}/records/{name[:2]}/{name}", name, _FILES)
        record, table = _parse(files["record.json"].decode(), name), files["predictions.parquet"]
        if record.predictions != digest(table):
            raise SuiteError(f"{name}: the record names another table of predictions than the one beside it.")
        return record, table

    def _files(self, entry: str, name: str, wanted: Iterable[str]) -> dict[str, bytes]:
        """Return files of an entry, compared with their digest."""
        try:
            digests = json.loads(self._fs.cat_file(f"{entry}/digest.json"))
            files = {file: self._fs.cat_file(f"{entry}/{file}") for file in wanted}
        except FileNotFoundError:
            raise SuiteError(f"{name} is not in the store '{self.url}', or was never finished.") from None
        except (OSError, ValueError) as error:
            raise SuiteError(f"{name} cannot be read: {error}.") from None
        for file, content in files.items():
            if not isinstance(digests, dict) or digests.get(file) != digest(content):
                raise SuiteError(
                    f"{name}: the bytes of {file} are not those that were put; it was changed or damaged. "
                    f"To have it made anew, take {entry} away."
                )
        return files

    def names(self) -> list[str]:
        """Return the names (`<key>-<attempt>`) of all entries, sorted; drafts and foreign files are passed over."""
        try:
            folders: Iterable[str] = self._fs.glob(f"{self._root}/records/??/*-*")
        except (OSError, ValueError):
            return []
        names = (str(folder).rstrip("/").rpartition("/")[2] for folder in folders)
        return sorted(name for name in names if _is_name(name))

    def _name(self, key: str, attempt: int) -> str:
        """Return an entry's name, which is also its folder's: nothing but a key can lead anywhere.

        Raises:
            SuiteError: that is no key.
        """
        name = f"{key}-{attempt}"
        if not _is_name(name):
            raise SuiteError(f"'{name[:80]}' is no record; expected a key of 64 hexadecimal digits.")
        return name

    def _entry(self, key: str, attempt: int) -> str:
        return f"{self._root}/records/{key[:2]}/{self._name(key, attempt)}"

    def _exists(self, path: str) -> bool:
        return bool(self._fs.exists(path))


def _columns(table: bytes) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = pq.read_table(io.BytesIO(table)).to_pydict()
    return columns


def _is_name(name: str) -> bool:
    key, _, attempt = name.partition("-")
    return len(key) == 64 and set(key) <= set("0123456789abcdef") and attempt.isdecimal()


def _parse(text: str, name: str) -> Record:
    """Read a record of any schema so far."""
    try:
        record = Record.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        version = _schema_of(text)
        newer = f" It has schema {version}, newer than this version's {SCHEMA}." if version > SCHEMA else ""
        raise SuiteError(f"{name}: this is no record: {place}: {first['msg']}.{newer}") from None
    if f"{record.key}-{record.attempt}" != name:
        raise SuiteError(f"{name}: the record inside says it is {record.key}-{record.attempt}.")
    return record


def _schema_of(text: str) -> int:
    try:
        return int(json.loads(text)["schema_version"])
    except (ValueError, KeyError, TypeError):
        return 0
