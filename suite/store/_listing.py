"""Which entries there are, and what their files look like, without opening any."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from pyarrow.fs import LocalFileSystem

from suite.store._reading import FILES

PORTION, THREADS = 2_048, 2
"""Entries that are looked at at once, and how often that is done at the same time."""

_SEALED = (*FILES, "digest.json")
_NAME = re.compile("[0-9a-f]{64}-[0-9]{1,9}")


def names_below(fs: Any, root: str, local: bool) -> list[str]:
    """Return the names of the entries that have folders of their own; drafts and foreign files are passed over.

    Every shard is listed each time: it is the stat of each file that takes the time, and that cannot be left out,
    since no folder's time tells that a file in it was edited.
    """
    if local:
        shards = sorted(_shards(f"{root}/records"))  # so that what comes back is in order, as good as always
        return [name for shard in shards for name in sorted(filter(_NAME.fullmatch, _listed(shard)))]
    try:
        folders = fs.glob(f"{root}/records/??/*-*")
    except ValueError:
        return []
    return list(filter(_NAME.fullmatch, (str(folder).rstrip("/").rpartition("/")[2] for folder in folders)))


def _shards(records: str) -> list[str]:
    return [f"{records}/{shard}" for shard in _listed(records) if len(shard) == 2]


def _listed(folder: str) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208  # 100,000 names: no object for each
    except OSError:  # none there, a file, or not to be read
        return []


def is_name(name: str) -> bool:
    """Return whether that is `<key>-<attempt>`."""
    return _NAME.fullmatch(name) is not None


def seals(root: str, names: Sequence[str]) -> Iterator[str]:
    """Yield size and time of the files of each entry, so that one that is edited in place is read and compared anew."""
    portions = [names[start : start + PORTION] for start in range(0, len(names), PORTION)]
    with ThreadPoolExecutor(THREADS) as pool:
        for found in pool.map(functools.partial(_looked_at, root), portions):
            yield from found


def _looked_at(root: str, names: Sequence[str]) -> list[str]:
    """Return size and time of the files of some entries; arrow asks for those of many at once, and needs no GIL."""
    paths = [f"{root}/records/{name[:2]}/{name}/{file}" for name in names for file in _SEALED]
    try:
        found = LocalFileSystem().get_file_info(paths)
    except (OSError, ValueError):  # one of them cannot be looked at: each is asked for alone
        return ["incomplete"] if len(names) == 1 else [seal for name in names for seal in _looked_at(root, [name])]
    told = ["" if one.size is None else f"{one.size}.{one.mtime_ns}" for one in found]
    each = zip(*(told[start :: len(_SEALED)] for start in range(len(_SEALED))), strict=True)
    return [" ".join(files) if all(files) else "incomplete" for files in each]
