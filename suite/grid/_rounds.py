"""Runs in rounds: those that another command is at come last. What they give is stored the moment it is there."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from suite import artifacts, engines, environment, files, lifetime, runs, timing
from suite.resources import cache_folder
from suite.spec import Failure, Record, Result, RunSpec, SuiteError
from suite.store import Store, UnwritableError

Progress = Callable[[RunSpec, dict[str, Any]], None]


@dataclass(frozen=True)
class Done:
    """One run that has a record: just made, or stored when it was asked for."""

    record: Record
    stored: bool


@dataclass(frozen=True)
class Hand:
    """What runs are carried out with."""

    engine: engines.Engine
    machine: environment.Machine
    workers: int
    store: Store
    orders: runs.Orders
    progress: Progress

    def map(self, specs: Sequence[RunSpec]) -> Iterator[engines.Outcome]:
        work = functools.partial(runs.carry_out, orders=self.orders)
        return self.engine.map(work, specs, self.machine, self.workers, self._tell)

    def _tell(self, spec: RunSpec, event: dict[str, Any]) -> None:
        lifetime.heed()
        self.progress(spec, event)


def unfinished(store: Store) -> Path:
    """Return the folder of what unfinished runs leave: in the store, or in the cache where that is no folder."""
    folder = _folder(store)
    with contextlib.suppress(OSError):  # without it a run that stops starts anew
        folder.mkdir(parents=True, exist_ok=True)
    return folder


def tidy(store: Store, held: Sequence[RunSpec]) -> None:
    """Take away what commands left that were killed, though nothing but stored runs (`held`) be asked for."""
    if store.folder:
        files.sweep(store.folder / "records", artifacts.DRAFT)
    done = {spec.key() for spec in held} if store.folder else ()  # the cache has unfinished runs of other stores too
    with contextlib.suppress(OSError):
        runs.sweep(_folder(store), done)


def _folder(store: Store) -> Path:
    return (store.folder or cache_folder()) / runs.FOLDER


def carry_out(specs: Sequence[RunSpec], hand: Hand) -> Iterator[Done | Failure]:
    """Carry out runs; those that another command is at come last, when there is nothing else to do."""
    elsewhere = yield from _round(specs, hand)
    if not elsewhere:
        return
    some = f"{len(elsewhere)} of these runs" if len(elsewhere) > 1 else "one of these runs"
    hand.progress(elsewhere[0], {"note": f"Another command on this store carries out {some}; waiting for it."})
    waiting = replace(hand, orders=replace(hand.orders, wait=True))
    for spec in (yield from _round(elsewhere, waiting)):
        yield Failure(spec, "Another command carried it out, but the store does not hold it; run again.")


def _round(specs: Sequence[RunSpec], hand: Hand) -> Generator[Done | Failure, None, list[RunSpec]]:
    """Carry out runs once; return those that another command is at. Nothing is begun that no store would take."""
    left = {spec.key(): spec for spec in specs}
    elsewhere = []
    for spec, outcome in hand.map(specs):
        left.pop(spec.key(), None)
        if isinstance(outcome, Failure):
            lifetime.heed()
            yield _logged(outcome, hand.store)
        elif outcome:
            try:
                yield from _filed(spec, outcome, hand)
            except UnwritableError as error:
                yield Failure(spec, str(error))
                break
        elif runs.is_held(spec, hand.store, hand.orders.keep is not None):
            yield from stored(spec, hand.store)
        else:
            elsewhere.append(spec)
    else:
        return elsewhere
    for spec in (*left.values(), *elsewhere):
        yield Failure(spec, "Not carried out, since the store cannot be written.")
    return []


def _filed(spec: RunSpec, outcome: list[Result], hand: Hand) -> Iterator[Done | Failure]:
    """Put a run's results into the store.

    Raises:
        UnwritableError: the store takes nothing any more.
    """
    again = hand.orders.force or (hand.orders.keep is not None and runs.leaves_weights(spec))
    try:
        with lifetime.uninterrupted():
            filed = list(_or_failure(spec, functools.partial(_file, hand.store, outcome, again)))
            if not any(isinstance(one, Failure) for one in filed):
                runs.settle(spec, hand.orders)
    finally:
        runs.release(spec)
    yield from filed
    if reason := next((result.unkept for result in outcome if result.unkept), None):
        yield Failure(spec, f"The record is stored, but its weights could not be kept: {reason}")


def stored(spec: RunSpec, store: Store) -> Iterator[Done | Failure]:
    """Yield the records of a run that the store holds; one that it cannot give is that run's failure."""
    yield from _or_failure(spec, lambda: [Done(store.get(spec.key(task.name)), stored=True) for task in spec.tasks])


def _file(store: Store, made: Sequence[Result], again: bool) -> list[Done]:
    with timing.phase("storing"):
        return [Done(store.put(result, again), stored=False) for result in made]


def _or_failure(spec: RunSpec, ask: Callable[[], list[Done]]) -> Iterator[Done | Failure]:
    """Yield what the store answers; a refusal is that run's failure, unless it would refuse all others too."""
    try:
        yield from ask()
    except UnwritableError:
        raise
    except SuiteError as error:
        yield Failure(spec, str(error))


def _logged(failure: Failure, store: Store) -> Failure:
    where = store.log(failure.spec.key()[:16], failure.details) if failure.details else None
    return Failure(failure.spec, failure.reason, where or "")
