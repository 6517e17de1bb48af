"""How an entry gets into a store: whole or not at all, and never over another."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from suite import artifacts, files

TRIES = 5
"""How often an entry is written anew because another writer of the same key came in between."""


def write_folder(root: Path, entry: Path, contents: Mapping[str, bytes], weights: Path | None) -> bool:
    """Write an entry of a folder under another name and rename it; return False if another was first.

    Raises:
        OSError: it cannot be written.
    """
    with files.draft(root / "records", artifacts.DRAFT) as draft:
        for name, content in contents.items():
            (draft / name).write_bytes(content)
            files.sync(draft / name)
        if weights:
            artifacts.move(weights, draft / artifacts.FOLDER)
        files.sync(draft)  # renamed now: what the name shows must be on the disk
        done = _rename(draft, entry)
        if weights and not done:
            artifacts.move(draft / artifacts.FOLDER, weights)
        return done


def _rename(draft: Path, entry: Path) -> bool:
    if not entry.parent.is_dir():
        entry.parent.mkdir(exist_ok=True)
        files.sync(draft.parent)
    if entry.is_dir() and not (entry / "digest.json").exists():  # left by a foreign hand: never finished
        entry.rename(entry.with_name(f".broken-{entry.name}-{uuid.uuid4().hex[:8]}"))
    try:
        draft.rename(entry)
    except OSError:
        if (entry / "digest.json").exists():
            return False
        raise
    files.sync(entry.parent)
    return True


def write_elsewhere(fs: Any, entry: str, contents: Mapping[str, bytes], weights: Path | None) -> bool:
    """Write an entry where nothing can be renamed; return False if another was first.

    On the Hub it is one commit. Elsewhere digest.json comes last and makes it an entry: what an interrupted writer left
    is no entry, and is written over. Another writer of the same key may write at the same moment. So what is there is
    read back: where it is a mixture of both, either writes again, until it is one's whole.

    Raises:
        OSError: it cannot be written.
    """
    kept = {f"{artifacts.FOLDER}/{name}": weights / name for name in artifacts.names(weights)} if weights else {}
    done: bool | None = fs.commit(entry, {**kept, **contents})
    if done is not None:
        return done
    if weights:
        artifacts.upload(weights, fs, f"{entry}/{artifacts.FOLDER}")
    for attempt in range(TRIES):
        for name, content in contents.items():
            fs.pipe_file(f"{entry}/{name}", content)
        found = {name: fs.cat_file(f"{entry}/{name}") for name in contents}
        if found == contents:
            return True
        if found["digest.json"] != contents["digest.json"] and _fits(found):
            return False
        time.sleep(random.uniform(0.01, 0.05) * 2**attempt)
    raise OSError(f"another writer of {entry} writes at the same time")


def _fits(found: Mapping[str, bytes]) -> bool:
    """Return whether the files of an entry are those that its digest names."""
    from suite.spec import canonical_json, digest

    named = {name: digest(content) for name, content in found.items() if name != "digest.json"}
    return found["digest.json"] == canonical_json(named).encode()
