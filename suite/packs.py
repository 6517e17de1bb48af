"""Records of a store in few large files, as they lie on the Hub, read as if each had its folder.

    <store>/packs/5c1e.../records.parquet       one row a record: columns to look at, record.json and digest.json
                          predictions.parquet   one row a record: the bytes of its predictions.parquet
                          index.parquet         its lines of the store's index

A pack is named by what it holds (`packaging`) and is never written again: adding records is adding a pack. A thousand
records are three files in the place of three thousand, and a board is read without opening any of them but the index.
"""

from __future__ import annotations

import bisect
import functools
import io
import itertools
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa

from suite import hub, index, limits
from suite.packaging import INDEX as INDEX
from suite.packaging import PREDICTIONS as PREDICTIONS
from suite.packaging import RECORDS as RECORDS
from suite.packaging import check, first_line
from suite.packaging import merged as merged
from suite.packaging import name_of as name_of
from suite.packaging import names_of as names_of
from suite.spec import SuiteError, digest

FOLDER = "packs"
MOST_KEPT = 256_000_000
"""Bytes of records and predictions that are kept at hand: they are fetched many at a time."""

_NAMES = pa.schema([pa.field("name", pa.string(), nullable=False)])
_TEXTS = pa.schema([pa.field(name, pa.string(), nullable=False) for name in ("name", "record", "digest")])
_TABLES = pa.schema([*_NAMES, pa.field("predictions", pa.binary(), nullable=False)])
_COLUMNS = {"record.json": "record", "digest.json": "digest", PREDICTIONS: "predictions"}
_ON_HUB = re.compile(r"datasets/([^/@]+/[^/@]+)(@[^/]+)?(?:/.*)?")


def opened(url: str) -> tuple[Any, str]:
    """Return the file system and root of a store, the entries of its packs among its folders.

    Raises:
        ValueError: the URL's file system is unknown.
        ImportError: its driver is not installed.
    """
    if url.startswith("hf://"):
        hub.patient()
    fs, root = fsspec.core.url_to_fs(url)
    fs.invalidate_cache()  # kept for the life of a process by some: what was published since is to be seen
    return Packed(fs, str(root).rstrip("/")), root


class Packed:
    """A file system with the entries of packs among the folders of a store; all else is the file system's own."""

    def __init__(self, fs: Any, root: str) -> None:
        """Look at nothing yet: packs are found when somebody asks for an entry."""
        self._fs, self._root = fs, root
        self._broken: dict[str, str] = {}
        self._untrue: set[str] = set()
        self._lines: dict[str, dict[str, index.Line]] = {}
        self._bounds: dict[str, list[int]] = {}
        self._kept: dict[tuple[str, int], pa.Table] = {}

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._fs, name)

    def glob(self, pattern: str, **options: Any) -> list[str]:
        """Return the paths that fit, those of packed entries too.

        Raises:
            SuiteError: the Hub does not know the data set, or cannot be reached.
        """
        try:
            found = [str(path) for path in self._fs.glob(pattern, **options)]
        except FileNotFoundError:
            found = []
        except OSError as error:
            raise self._explained(error) from None
        if pattern == f"{self._root}/records/??/*-*":
            loose = set(found)
            packed = (f"{self._root}/records/{name[:2]}/{name}" for name in self._places)
            found += [path for path in packed if path not in loose]
        if not found:
            self._check_known()
        return found

    def exists(self, path: str, **options: Any) -> bool:
        """Return whether there is such a file, packed or not."""
        return self._entry_of(path) is not None or bool(self._fs.exists(path, **options))

    def cat_file(self, path: str, **options: Any) -> bytes:
        """Return a file's bytes, taken out of its pack if it is in one.

        Raises:
            OSError: there is no such file, or its pack cannot be read.
        """
        if entry := self._entry_of(path):
            return self._unpacked(*entry)
        content: bytes = self._fs.cat_file(path, **options)
        return content

    def commit(self, entry: str, files: Mapping[str, bytes | Path]) -> bool | None:
        """Write the files of an entry in one commit; return False if it is there, None where this is not on the Hub.

        Raises:
            SuiteError: the Hub does not take them; none of them is there.
        """
        repo = self._on_hub()
        if repo is None:
            return None
        inside = entry.removeprefix("datasets/").split("/", 2)[2]

        def lacking(head: hub.Head) -> hub.Files:
            there = head.read(f"{inside}/digest.json") is not None
            return {} if there else {f"{inside}/{name}": content for name, content in files.items()}

        pushed = hub.push(repo, lacking, f"Add {inside.rpartition('/')[2][:12]} (Transfer Suite)", "dataset")
        self._fs.invalidate_cache()
        return bool(pushed.changes)

    @property
    def takes_index(self) -> bool:
        """Whether an index may be written: on the Hub who reads leaves no commit."""
        return self._on_hub() is None

    @property
    def packed(self) -> list[str]:
        """The names of the entries in packs, in the order in which they lie there."""
        return list(self._places)

    def pieces(self) -> list[index.Piece]:
        """Return the indexes of the packs; of two that have the same name the first counts."""
        folders = [folder for folder in self._shards if self._places and folder not in self._untrue]
        held = [index.Piece.opened(self._shards[folder]) for folder in folders]
        return [piece for piece in held if piece]

    @functools.cached_property
    def _shards(self) -> dict[str, bytes]:
        """The index of every pack, by the pack's folder."""
        try:
            paths = sorted(self._fs.glob(f"{self._root}/{FOLDER}/*/{INDEX}"))
            return {str(path).rpartition("/")[0]: self._fs.cat_file(path) for path in paths}
        except (FileNotFoundError, ValueError):  # a store whose name is no pattern (**) has none
            return {}
        except OSError as error:
            raise self._explained(error) from None

    @functools.cached_property
    def _places(self) -> dict[str, tuple[str, int]]:
        """Of every packed name the folder and the row; a pack that cannot be used has one name, which says why."""
        places: dict[str, tuple[str, int]] = {}
        for folder, content in self._shards.items():
            try:
                names = names_of(content)
                check(folder.rpartition("/")[2], content)
            except ValueError as error:
                names = [f"{digest(folder.encode())[7:]}-1"]
                self._broken[names[0]] = f"{folder}/{INDEX} {error}"
                self._untrue.add(folder)
            for row, name in enumerate(names):
                places.setdefault(name, (folder, row))
        return places

    def pack_of(self, name: str) -> str | None:
        """Return the folder of a packed entry, as it is in the store; None of any other."""
        place = self._places.get(name)
        return place[0].removeprefix(f"{self._root}/") if place else None

    def line_of(self, name: str) -> index.Line | None:
        """Return what the index of its pack says of a packed entry; None of any other, and where it says nothing."""
        folder = self._places.get(name, ("",))[0]
        if folder and folder not in self._lines:
            self._lines = {folder: index.read(self._shards[folder])}
        return self._lines[folder].get(name) if folder else None

    def _entry_of(self, path: str) -> tuple[str, str] | None:
        """Return the name and the file of a path in a packed entry, None of any other."""
        folder, _, file = path.rpartition("/")
        name = folder.rpartition("/")[2]
        if file in _COLUMNS and path == f"{self._root}/records/{name[:2]}/{name}/{file}":
            return (name, file) if name in self._places else None
        return None

    def _unpacked(self, name: str, file: str) -> bytes:
        if reason := self._broken.get(name):
            raise OSError(reason)
        folder, row = self._places[name]
        try:
            if file == PREDICTIONS:
                held, row = self._group(folder, row)
            else:
                held = self._records(folder)
            if held["name"][row].as_py() != name:
                raise ValueError(f"row {row} is another record's")
            content = held[_COLUMNS[file]][row].as_py()
        except (pa.ArrowException, KeyError, ValueError, IndexError) as error:
            raise OSError(f"{folder} does not hold it as its index says ({first_line(error)})") from None
        return content if isinstance(content, bytes) else str(content).encode()

    def _records(self, folder: str) -> pa.Table:
        """Return the texts of all records of a pack."""
        if (folder, -1) not in self._kept:
            content = io.BytesIO(self._fs.cat_file(f"{folder}/{RECORDS}"))
            self._keep((folder, -1), limits.read_table(content, _TEXTS.names).cast(_TEXTS))
        return self._kept[folder, -1]

    def _group(self, folder: str, row: int) -> tuple[pa.Table, int]:
        """Return the row group of predictions that holds a row of the pack, and the row's place in it."""
        path = f"{folder}/{PREDICTIONS}"
        if folder not in self._bounds:
            with self._fs.open(path, "rb") as stream:
                about = limits.open_table(stream).metadata
            sizes = (about.row_group(group).num_rows for group in range(about.num_row_groups))
            self._bounds[folder] = [0, *itertools.accumulate(sizes)]
        group = bisect.bisect_right(self._bounds[folder], row) - 1
        if (folder, group) not in self._kept:
            with self._fs.open(path, "rb") as stream:  # no more is fetched than this group
                read = limits.open_table(stream).read_row_group(group, columns=_TABLES.names)
            self._keep((folder, group), read.cast(_TABLES))
        return self._kept[folder, group], row - self._bounds[folder][group]

    def _keep(self, key: tuple[str, int], read: pa.Table) -> None:
        """Keep what was fetched at hand, and what was kept the longest no more if it gets too much."""
        while self._kept and sum(kept.nbytes for kept in [*self._kept.values()]) + read.nbytes > MOST_KEPT:
            self._kept.pop(next(iter(self._kept)), None)
        self._kept[key] = read

    def _check_known(self) -> None:
        """Refuse a data set that the Hub does not know, where an empty store would be shown."""
        on_hub = self._on_hub()
        if on_hub and hub.look(on_hub, "dataset").commit is None:
            raise SuiteError(
                f"The Hub does not know the data set '{on_hub}'. Check the spelling; if it is private, log in with: "
                "hf auth login"
            )

    def _explained(self, error: OSError) -> SuiteError:
        on_hub = self._on_hub()
        if on_hub:
            return hub.explain(error, f"the data set '{on_hub}'")
        return SuiteError(f"The store '{self._root}' cannot be read: {error.strerror or error}.")

    def _on_hub(self) -> str | None:
        """Return the name of the data set of the Hub that this is, if it is one."""
        known = self._fs.protocol
        found = _ON_HUB.fullmatch(self._root) if "hf" in ((known,) if isinstance(known, str) else known) else None
        return found[1] if found else None
