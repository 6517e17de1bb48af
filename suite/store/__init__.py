"""Results, filed by what produced them. It files and finds; it does not know what a score means.

    <store>/records/3f/3f9c...-1/record.json          what was asked, what came out, what explains it
                                 predictions.parquet   one row a test example
                                 digest.json           sha256 of both, written last
                                 weights/              what was trained, where it was kept; record.json has its sha256
    <store>/index.parquet, index/                      a cache; throw it away whenever you like

`-1` is the first attempt, the one that counts; a re-run of the same key is kept beside it as `-2`.
An entry without digest.json was never finished and is no entry. Nothing is ever overwritten.
"""

from __future__ import annotations

import contextlib
import errno
import io
import uuid
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from suite import artifacts, files, index, packs
from suite.index import Contents
from suite.spec import Record, Result, SuiteError, canonical_json, digest
from suite.store import _listing, _reading, _upkeep, _writing

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
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


class UnwritableError(SuiteError):
    """The store takes nothing any more: its disk is full, or was made read-only."""


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

    @property
    def folder(self) -> Path | None:
        """Where the store lies on this machine, if it does."""
        return self._local

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
        return Result(record, _reading.columns_of(table, self._name(key, attempt)))

    def find(self, prefix: str) -> list[str]:
        """Return the keys that begin with a prefix of at least 6 digits."""
        return sorted({name.rpartition("-")[0] for name in self.names() if name.startswith(prefix)})

    def put(self, result: Result, again: bool = False) -> Record:
        """File a result; return the record as it stands in the store.

        Of two writers of one key the first wins and the other's result is dropped whole, unless
        `again` asks to keep it as a further attempt, linked to the first. The folder of its weights is
        taken over, if it has one.

        Raises:
            SuiteError: the store cannot be written; UnwritableError if that holds for whatever comes next too.
        """
        table = io.BytesIO()
        schema = pa.schema([*_TABLE, *(field for name, field in _OPTIONAL.items() if name in result.columns)])
        pq.write_table(pa.table(result.columns, schema=schema), table, compression="zstd")
        try:
            weights = Path(result.weights) if result.weights else None
            artifact = artifacts.hashes(weights) if weights else {}
            return self._put(result.record.model_copy(update={"artifact": artifact}), table.getvalue(), weights, again)
        except OSError as error:
            raise self._unwritten(error) from None

    def _unwritten(self, error: OSError) -> SuiteError:
        told = f"The store '{self.url}' cannot be written: {error.strerror or error}."
        return (UnwritableError if error.errno in _FULL else SuiteError)(told)

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
        contents = {"record.json": body, "predictions.parquet": table, "digest.json": canonical_json(both).encode()}
        if self._write(self._entry(record.key, attempt), contents, weights):
            return record
        return self._put(record, table, weights, again)

    def _write(self, entry: str, contents: dict[str, bytes], weights: Path | None) -> bool:
        """Write an entry so that it is there whole or not at all; return False if another was first."""
        if self._local is None:
            return _writing.write_elsewhere(self._fs, entry, contents, weights)
        return _writing.write_folder(self._local, Path(entry), contents, weights)

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

    def weight_file(self, key: str, attempt: int, name: str) -> bytes:
        """Return one file of a record's kept weights, compared with the record.

        Raises:
            SuiteError: the record kept no file of that name, or it is not the one that was kept.
        """
        claimed = self.get(key, attempt).artifact
        if name not in claimed or not _reading.is_inside(name):
            told = ", ".join(sorted(claimed)) or "none"
            raise SuiteError(f"{key[:12]}-{attempt} kept no file '{name[:80]}'. Its weights have: {told}.")
        path = f"{self._entry(key, attempt)}/{artifacts.FOLDER}/{name}"
        try:
            content: bytes = self._fs.cat_file(path)
        except OSError as error:
            raise SuiteError(f"{path} cannot be read: {error.strerror or error}.") from None
        if digest(content) != claimed[name]:
            raise SuiteError(f"{path} is not the file that was kept; it was changed or damaged.")
        return content

    def check_writable(self) -> None:
        """Create the store if need be.

        Raises:
            SuiteError: it cannot be written.
        """
        try:
            if self._local:
                with files.draft(self._local, ".write-") as draft:
                    (draft / "probe").write_bytes(b"1")
                (self._local / "records").mkdir(exist_ok=True)
                return
            probe = f"{self._root}/.write-{uuid.uuid4().hex}"
            self._fs.makedirs(f"{self._root}/records", exist_ok=True)
            self._fs.pipe_file(probe, b"1")
            self._fs.rm_file(probe)
        except OSError as error:
            raise self._unwritten(error) from None

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

        A store that does not exist is empty. Of the index no more is read than is asked of what comes back.
        """
        packed = set(self._fs.packed)
        names = self.names()
        entries = list(zip(names, self._seals(names, packed), strict=True))
        keeper = _upkeep.Keeper(self._fs, self._root, self._local is not None, self._fs.takes_index)
        return _upkeep.bring_up(keeper, self._fs.pieces(), entries, self._line, self)

    def _line(self, name: str, seal: str) -> index.Line:
        return index.line_of(*self._read(name), seal)

    def _seals(self, names: Sequence[str], packed: set[str]) -> list[str]:
        """Return what tells that an entry was edited in place: size and time of its files.

        Where asking costs a request a file, and in a pack, the digests alone answer for it: when it is indexed, and by
        `get` and `verify`.
        """
        if self._local is None:
            return [""] * len(names)
        loose = _listing.seals(self._root, [name for name in names if name not in packed] if packed else names)
        return list(loose) if not packed else ["" if name in packed else next(loose) for name in names]

    def told_otherwise(self, record: Record, columns: Mapping[str, Any]) -> str | None:
        """Return what a pack's index says of a record that the record itself does not give, None where it agrees."""
        name = f"{record.key}-{record.attempt}"
        line = self._fs.line_of(name)
        wrong = index.differences(line, record, columns) if line else []
        return f"the index of {self._fs.pack_of(name)} is untrue: {'; '.join(wrong)}" if wrong else None

    def record_of(self, name: str) -> Record:
        """Return the record of a name, compared with its digest; its table is not looked at.

        Raises:
            SuiteError: it is not there, or its bytes are not those that were put.
        """
        return _reading.parse(self._files(name, _reading.FILES[:1])["record.json"], name)

    def table_of(self, name: str) -> dict[str, list[Any]]:
        """Return the per-example table of a name as columns, compared with its digest.

        Raises:
            SuiteError: as for `record_of`.
        """
        return _reading.columns_of(self._read(name)[1], name)

    def _read(self, name: str) -> tuple[Record, bytes]:
        """Return a record and its table's bytes, compared with their digest."""
        found = self._files(name, _reading.FILES)
        record, table = _reading.parse(found["record.json"], name), found["predictions.parquet"]
        if record.predictions != digest(table):
            raise SuiteError(f"{name}: the record names another table of predictions than the one beside it.")
        return record, table

    def _files(self, name: str, wanted: Sequence[str]) -> dict[str, bytes]:
        return _reading.read(self._fs, f"{self._root}/records/{name[:2]}/{name}", name, wanted, self.url)

    def names(self) -> list[str]:
        """Return the names (`<key>-<attempt>`) of all entries, sorted; drafts and foreign files are passed over."""
        loose = _listing.names_below(self._fs, self._root, self._local is not None)
        return sorted(dict.fromkeys([*loose, *filter(_listing.is_name, self._fs.packed)]))

    def laid_out(self, names: Sequence[str]) -> list[str]:
        """Return names in the order in which their records lie: those of a pack one after the other."""
        places = {name: place for place, name in enumerate(self._fs.packed)}
        return sorted(names, key=lambda name: (places.get(name, len(places)), name))

    def _name(self, key: str, attempt: int) -> str:
        """Return an entry's name, which is also its folder's: nothing but a key can lead anywhere.

        Raises:
            SuiteError: that is no key.
        """
        name = f"{key}-{attempt}"
        if not _listing.is_name(name):
            raise SuiteError(f"'{name[:80]}' is no record; expected a key of 64 hexadecimal digits.")
        return name

    def _entry(self, key: str, attempt: int) -> str:
        return f"{self._root}/records/{key[:2]}/{self._name(key, attempt)}"

    def _exists(self, path: str) -> bool:
        return bool(self._fs.exists(path))
