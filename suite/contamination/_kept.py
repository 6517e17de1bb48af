"""Arrays that were computed once: the last few in memory, all of them on disk, at an address made of what they are."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from suite import files
from suite.resources import cache_folder
from suite.spec import canonical_json

Arrays = dict[str, np.ndarray]

_MEMORY: dict[tuple[str, str], Arrays] = {}
_IN_MEMORY = 16


def kept(about: object, make: Callable[[], Arrays]) -> Arrays:
    """Return the arrays that `about` (JSON) describes, made if they are not there yet.

    A file that cannot be read counts as none. One that cannot be written is no mistake of the run's: the
    arrays are there, and another process makes them again.
    """
    key = hashlib.sha256(canonical_json(about).encode()).hexdigest()
    path = cache_folder() / "contamination" / key[:2] / f"{key}.npz"
    found = _MEMORY.pop((str(path), key), None)
    if found is None:
        found = _read(path)
    if found is None:
        found = make()
        files.keep(path, _bytes(found), "What of the rows was compared")
    while len(_MEMORY) >= _IN_MEMORY:
        _MEMORY.pop(next(iter(_MEMORY)))
    _MEMORY[str(path), key] = found
    return found


def _read(path: Path) -> Arrays | None:
    try:
        with np.load(path, allow_pickle=False) as file:  # a zip file: its checksums tell a damaged one
            return {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile):
        return None


def _bytes(arrays: Arrays) -> bytes:
    content = io.BytesIO()
    np.savez(content, allow_pickle=False, **arrays)
    return content.getvalue()
