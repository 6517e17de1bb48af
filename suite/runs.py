"""One run as a worker carries it out: not while another command does, not a second time, and from where it stopped.

<store>/unfinished/3f9c....lock     held by whoever carries the run out, as long as that process lives
                   3f9c.../5d02.../ what training wrote on its way, one folder a machine and its settings
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from suite import environment, files, resampling, strategies
from suite.environment import Machine
from suite.spec import Result, RunSpec, SuiteError, canonical_json, digest
from suite.store import Store

FOLDER = "unfinished"
STALE = 30 * 24 * 3600
"""Seconds after which nobody comes back for an unfinished run."""

POLL = 0.2
"""Seconds between two looks at whether another command is through with a run."""


@dataclass(frozen=True)
class Orders:
    """What a command says about all of its runs.

    Attributes:
        store: where to look whether another command has finished a run meanwhile; None where a worker cannot look.
        unfinished: the folder of what unfinished runs left.
        keep: a folder to write trained weights into; None where they are let go.
        force: carry a run out from its start whatever there is of it.
        wait: wait for the command that carries a run out, rather than leave it.
    """

    store: str | None
    unfinished: Path
    keep: str | None = None
    force: bool = False
    wait: bool = False

    def folder(self) -> str | None:
        """Return where weights go; for a folder of another machine one of this process, which the engine empties."""
        if self.keep is None or Path(self.keep).is_dir():
            return self.keep
        return str(files.own())


def carry_out(
    spec: RunSpec, machine: Machine, progress: Callable[[dict[str, Any]], None], orders: Orders
) -> list[Result]:
    """Return the results of a run; none if the store holds them by now, or another command is about to put them there.

    Raises:
        SuiteError: data or checkpoint cannot be used; the message says why.
    """
    while (results := _attempt(spec, machine, progress, orders)) is None:
        if not orders.wait:
            return []
        progress({"phase": "waiting for another command"})
        time.sleep(POLL)
    for trouble in files.troubles():
        progress({"note": trouble})
    return results


def _attempt(
    spec: RunSpec, machine: Machine, progress: Callable[[dict[str, Any]], None], orders: Orders
) -> list[Result] | None:
    """Return the results of a run, none if the store holds them by now; None if another command is at it."""
    from suite import evaluation  # torch: a worker needs it, whoever gives the orders does not

    if orders.force:
        return evaluation.evaluate(spec, machine, progress, orders.folder())
    with contextlib.ExitStack() as stack:
        claim = stack.enter_context(_claimed(orders.unfinished / spec.key()))
        if orders.store is not None and is_held(spec, _opened(orders.store), orders.keep is not None):
            return []
        if not claim.mine:
            return None
        resume = claim.folder / _setting(machine) if claim.folder else None
        results = evaluation.evaluate(spec, machine, progress, orders.folder(), resume)
        _hold(spec, stack.pop_all())
    return results


_HELD: dict[str, contextlib.ExitStack] = {}


def _hold(spec: RunSpec, claim: contextlib.ExitStack) -> None:
    """Keep the claim on a run whose records are on their way into the store; by the next one's end they are there."""
    for key in list(_HELD):
        _HELD.pop(key).close()
    _HELD[spec.key()] = claim


def release(spec: RunSpec) -> None:
    """Let go of a run that this process has carried out, whatever became of its records."""
    if claim := _HELD.pop(spec.key(), None):
        claim.close()


def is_held(spec: RunSpec, store: Store, keep: bool) -> bool:
    """Return whether a store holds all records of a run, with `keep` their weights too, if it leaves any."""
    keys = [spec.key(task.name) for task in spec.tasks]
    keep = keep and leaves_weights(spec)
    try:
        return all(store.has(key) for key in keys) and (not keep or all(store.kept(key) for key in keys))
    except SuiteError:  # a damaged record is told of when it is fetched
        return True


def leaves_weights(spec: RunSpec) -> bool:
    """Return whether a run trains anything that outlives it."""
    strategy = strategies.get(spec.strategy)
    return strategy.keeps is not None and resampling.parse(spec.resample).name not in strategy.unkept


def settle(spec: RunSpec, orders: Orders) -> None:
    """Take away what a run left on its way, now that its records are stored."""
    folder = orders.unfinished / spec.key()
    release(spec)
    if orders.force:  # another command may be at the same run
        _clear(folder)
        return
    shutil.rmtree(folder, ignore_errors=True)
    with contextlib.suppress(OSError):
        folder.with_suffix(".lock").unlink()  # the worker may hold it still, but there is nothing more to do


def sweep(unfinished: Path, done: Collection[str]) -> None:
    """Take away what runs left that nobody comes back for, and the locks of processes that were killed.

    `done` are keys of runs whose records are stored.
    """
    for lock in unfinished.glob("*.lock"):
        with contextlib.suppress(FileNotFoundError):  # its owner was quicker
            folder = lock.with_suffix("")
            if folder.name in done or not folder.exists() or time.time() - lock.stat().st_mtime > STALE:
                _clear(folder)


def _clear(folder: Path) -> None:
    if folder.with_suffix(".lock").exists():
        with _claimed(folder) as claim:
            if claim.folder:
                shutil.rmtree(folder, ignore_errors=True)


@functools.lru_cache(maxsize=1)
def _opened(url: str) -> Store:
    return Store(url)


def _setting(machine: Machine) -> str:
    """Return a name for all that a half-trained model depends on besides its run: elsewhere it would end otherwise."""
    return digest(canonical_json([repr(machine), files.MACHINE, environment.versions()]).encode()).removeprefix(
        "sha256:"
    )[:16]


@dataclass(frozen=True)
class _Claim:
    """Whether a run is this process's to carry out, and the folder where it may leave what it has so far."""

    mine: bool
    folder: Path | None = None


@contextlib.contextmanager
def _claimed(folder: Path) -> Iterator[_Claim]:
    """Give a run, and its folder (which need not exist), to one process at a time.

    Where nothing can be locked everybody gets the run, and nobody a folder.
    """
    lock = folder.with_suffix(".lock")
    try:
        held = _locked(lock)
    except OSError:  # no such folder on this machine, a full disk, a file system without locks
        yield _Claim(mine=True)
        return
    if held is None:
        yield _Claim(mine=False)
        return
    try:
        yield _Claim(True, folder)
    finally:
        with contextlib.suppress(OSError):
            folder.rmdir()  # only an empty one goes
        if files.is_at(held, lock) and not folder.exists():
            lock.unlink(missing_ok=True)
        os.close(held)


def _locked(path: Path) -> int | None:
    """Return the open handle that locks a file, made if need be; None while another process has it.

    Raises:
        OSError: it cannot be made, or not be locked.
    """
    while True:
        held = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        locked = files.lock(held, wait=False)
        if locked and files.is_at(held, path):  # else whoever had it before took it away: once more
            os.utime(held)
            return held
        os.close(held)
        if locked is False:
            return None
        if locked is None:
            raise OSError(f"{path} cannot be locked")
