"""Files that are there whole or not at all, and drafts that go once whoever made them is gone.

    .draft-1f3a9c02-5be1...   a folder of the machine 1f3a9c02; locked as long as its maker lives

The kernel lets go of a lock when its process ends, however it ends: what nobody holds is nobody's. Where locks
cannot be had, or on another machine's drafts, age tells: after a day nobody comes back for them.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import functools
import hashlib
import os
import platform
import shutil
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

STALE = 24 * 3600
"""Seconds after which a draft is nobody's, where locks do not tell."""

MACHINE = hashlib.sha256(platform.node().encode()).hexdigest()[:8]
_TEMPORARY, _SCRATCH = ".tmp-", "transfer-suite-scratch-"
_TROUBLES: dict[str, None] = {}
_TOLD: set[str] = set()


def path_of(word: str) -> Path:
    """Return the path that a word means; `~` is the home folder, and `~nobody` a name like others."""
    return Path(os.path.expanduser(word))  # noqa: PTH111  # Path.expanduser raises where there is no such home


def write(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees the old one or the new one, whole, even after a power cut.

    Raises:
        OSError: it cannot be written; the old one is still there.
    """
    _write(path, content, lasting=True)


def _write(path: Path, content: bytes, lasting: bool) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    sweep(path.parent, _TEMPORARY)
    temporary, held = _made(path.parent, _TEMPORARY, _create_file)
    try:
        _fill(held, content)
        if lasting:
            os.fsync(held)  # before it is renamed: what the name shows must be on the disk
        temporary.replace(path)
        if lasting:
            sync(path.parent)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    finally:
        os.close(held)


def keep(path: Path, content: bytes, what: str) -> None:
    """Write a file that can be made again; where that fails its maker goes on without, and `troubles` says so.

    A reader sees it whole or not; after a power cut it may be damaged, so it must tell by itself that it is not.
    """
    try:
        _write(path, content, lasting=False)
    except OSError as error:
        trouble = (
            f"{what} cannot be kept in {path.parent.parent}: {error.strerror or error}. The runs go on and make them "
            "again each time; free some space, or name another folder in TRANSFER_SUITE_CACHE."
        )
        _TROUBLES.setdefault(trouble, None)


def troubles() -> list[str]:
    """Return in sentences what could not be kept, each once in the life of this process."""
    new = [trouble for trouble in _TROUBLES if trouble not in _TOLD]
    _TOLD.update(new)
    return new


def _fill(held: int, content: bytes) -> None:
    left = memoryview(content)
    while left:
        left = left[os.write(held, left) :]


def sync(path: Path) -> None:
    """See to it that what a file or folder holds now is on the disk; of a folder, its names.

    Raises:
        OSError: the disk does not take it.
    """
    held = os.open(path, os.O_RDONLY)
    try:
        os.fsync(held)
    finally:
        os.close(held)


@contextlib.contextmanager
def draft(parent: Path, prefix: str) -> Iterator[Path]:
    """Give a new folder `<prefix>...` that is gone afterwards; on the way, take away what dead processes left.

    It may be renamed: then it stays.
    """
    parent.mkdir(parents=True, exist_ok=True)
    sweep(parent, prefix)
    folder, held = _made(parent, prefix, _create_folder)
    try:
        yield folder
    finally:
        _end(folder, held)


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """Give a folder among the system's temporary ones that is gone afterwards, even if this process is killed.

    Nobody else may look into it; whoever asks for the next one takes away what dead processes left.
    """
    parent = Path(tempfile.gettempdir())
    sweep(parent, _SCRATCH)
    folder, held = _made(parent, _SCRATCH, functools.partial(_create_folder, mode=0o700))
    try:
        yield folder
    finally:
        _end(folder, held)


@functools.cache
def own() -> Path:
    """Return a folder as `scratch` gives it that is this process's own and ends with it."""
    held = contextlib.ExitStack()
    atexit.register(held.close)
    return held.enter_context(scratch())


def _end(folder: Path, held: int) -> None:
    try:
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(held)


def sweep(parent: Path, prefix: str) -> None:
    """Take away the drafts in a folder that are nobody's any more."""
    for old in parent.glob(f"{prefix}*"):
        _discard(old)


def _discard(path: Path) -> None:
    """Take a draft away unless somebody may come back for it."""
    try:
        held = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return
    try:
        ours = f"-{MACHINE}-" in path.name
        alone = lock(held, wait=False) if ours else None
        old = time.time() - os.fstat(held).st_mtime > STALE
        if (old if alone is None else alone) and is_at(held, path):  # a draft may have been renamed meanwhile
            _remove(path)
    finally:
        os.close(held)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
        return
    with contextlib.suppress(OSError):
        path.unlink()


def lock(held: int, wait: bool) -> bool | None:
    """Lock an open file for as long as it is open; return False if another has it, None if there are no locks here."""
    try:
        fcntl.flock(held, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _made(parent: Path, prefix: str, create: Callable[[Path], int]) -> tuple[Path, int]:
    """Return a new file or folder and the open handle that locks it."""
    while True:
        path = parent / f"{prefix}{MACHINE}-{uuid.uuid4().hex}"
        with contextlib.suppress(FileNotFoundError):  # swept between its making and its lock: once more
            held = create(path)
            lock(held, wait=True)
            if is_at(held, path):
                return path, held
            os.close(held)


def _create_file(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)


def _create_folder(path: Path, mode: int = 0o777) -> int:
    path.mkdir(mode)
    return os.open(path, os.O_RDONLY)


def is_at(held: int, path: Path) -> bool:
    """Return whether an open file still has this name."""
    try:
        return os.path.samestat(os.fstat(held), path.stat())
    except OSError:
        return False
