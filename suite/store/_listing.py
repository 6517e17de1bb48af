"""Which entries there are, and what their files look like, without opening any."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from suite.store._reading import FILES

_HEX = frozenset("0123456789abcdef")


def names_below(fs: Any, root: str, local: bool) -> set[str]:
    """Return the names of the entries that have folders of their own; drafts and foreign files are passed over.

    Every shard is listed each time: it is the stat of each file that takes the time, and that cannot be left out,
    since no folder's time tells that a file in it was edited.
    """
    if local:
        return {name for shard in _shards(f"{root}/records") for name in _listed(shard) if is_name(name)}
    try:
        folders = fs.glob(f"{root}/records/??/*-*")
    except ValueError:
        return set()
    names = (str(folder).rstrip("/").rpartition("/")[2] for folder in folders)
    return {name for name in names if is_name(name)}


def _shards(records: str) -> list[str]:
    return [f"{records}/{shard}" for shard in _listed(records) if len(shard) == 2]


def _listed(folder: str) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208  # 100,000 names: no object for each
    except OSError:  # none there, a file, or not to be read
        return []


def is_name(name: str) -> bool:
    """Return whether that is `<key>-<attempt>`."""
    key, _, attempt = name.partition("-")
    return len(key) == 64 and _HEX.issuperset(key) and len(attempt) < 10 and attempt.isascii() and attempt.isdecimal()


def seals(root: str, names: list[str]) -> Iterator[str]:
    """Yield size and time of the files of each entry, so that one that is edited in place is read and compared anew."""
    record, table, sealed = (f"/{file}" for file in (*FILES, "digest.json"))
    stat = os.stat  # as above
    for name in names:
        folder = f"{root}/records/{name[:2]}/{name}"
        try:
            one, other, last = stat(folder + record), stat(folder + table), stat(folder + sealed)
        except OSError:
            yield "incomplete"
            continue
        yield f"{one.st_size}.{one.st_mtime_ns} {other.st_size}.{other.st_mtime_ns} {last.st_size}.{last.st_mtime_ns}"
