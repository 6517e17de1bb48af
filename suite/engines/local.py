"""Runs on this machine: in this process, or in several of their own."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import queue
import signal
import threading
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.managers import SyncManager
from typing import Any

from suite.engines import Engine, Outcome, Progress, Work, attempt
from suite.engines._dispatch import DIED, TRIES, Waiting, in_groups
from suite.environment import Machine
from suite.lifetime import end_with_parent, heed
from suite.spec import Failure, Result, RunSpec


class Local(Engine):
    """One process, or workers that each keep what they have imported and read."""

    def map(
        self, work: Work, specs: Sequence[RunSpec], machine: Machine, workers: int, progress: Progress
    ) -> Iterator[Outcome]:
        """Carry out the runs one by one, or `workers` at once."""
        if workers > 1 and len(specs) > 1:
            yield from _in_workers(work, specs, machine, workers, progress)
            return
        for spec in [specs[number] for number in in_groups(specs)]:
            progress(spec, {"phase": "starting"})
            outcome = attempt(work, spec, machine, lambda event, spec=spec: progress(spec, event))  # type: ignore[misc]
            heed()  # what a lost Ctrl-C went through is not to be trusted
            yield spec, outcome


def _in_workers(
    work: Work, specs: Sequence[RunSpec], machine: Machine, workers: int, progress: Progress
) -> Iterator[Outcome]:
    """Carry out all runs in workers. What a dying worker takes with it is done again at the end, one by one."""
    manager = SyncManager(ctx=_CONTEXT)
    with _children_deaf_to_interrupts():
        manager.start(end_with_parent)
    with manager:
        events: Any = manager.Queue()
        listener = _Listener(events, specs, progress)
        grid = _Grid(work, specs, machine, events, manager._process.pid)  # type: ignore[attr-defined]
        try:
            lost = yield from _Round(grid, range(len(specs)), workers).outcomes()
            for number in sorted(lost):  # a run that died for lack of memory has the machine to itself now
                if (yield from _alone(grid, number)):
                    yield specs[number], Failure(specs[number], DIED)
        finally:
            listener.stop()


def _alone(grid: _Grid, number: int) -> Generator[Outcome, None, bool]:
    """Begin a run again that was lost once; return whether it is lost for good."""
    for _ in range(TRIES - 1):
        if not (yield from _Round(grid, [number], 1).outcomes()):
            return False
    return True


_CONTEXT = multiprocessing.get_context("spawn")


@dataclass(frozen=True)
class _Grid:
    """What every round of workers shares."""

    work: Work
    specs: Sequence[RunSpec]
    machine: Machine
    events: Any
    manager: int


class _Round:
    """Workers at some runs, each a process of its own: one that dies takes the run that it is at, and no other."""

    def __init__(self, grid: _Grid, numbers: Sequence[int], workers: int) -> None:
        self._grid = grid
        self._waiting = Waiting(grid.specs, numbers)
        self._slots = range(min(workers, len(numbers)))
        self._pools: dict[int, ProcessPoolExecutor] = {}
        self._running: dict[Future[list[Result] | Failure], tuple[int, int]] = {}

    def outcomes(self) -> Generator[Outcome, None, list[int]]:
        """Yield each run's outcome; return the runs that a worker's death took with it."""
        lost: list[int] = []
        try:
            for slot in self._slots:
                self._next(slot)
            while self._running:
                done = wait(self._running, return_when=FIRST_COMPLETED).done
                for future in sorted(done, key=lambda one: self._running[one]):
                    yield from self._ended(future, lost)
        except BaseException:  # Ctrl-C, or the caller stops listening: nothing that is under way is waited for
            self._kill()
            raise
        return lost

    def _ended(self, future: Future[list[Result] | Failure], lost: list[int]) -> Iterator[Outcome]:
        """Give the worker its next run before the outcome is looked at: it does not wait for the store."""
        slot, number = self._running.pop(future)
        try:
            outcome = future.result()
        except BrokenExecutor:
            lost.append(number)
            self._dismiss(slot)
            self._next(slot)
            return
        self._next(slot)
        yield self._grid.specs[number], outcome

    def _next(self, slot: int) -> None:
        number = self._waiting.take(slot)
        if number is None:
            self._dismiss(slot)
            return
        try:
            future = self._submit(slot, number)
        except BrokenExecutor:  # it died with nothing to do
            self._dismiss(slot)
            future = self._submit(slot, number)
        self._running[future] = slot, number

    def _submit(self, slot: int, number: int) -> Future[list[Result] | Failure]:
        grid = self._grid
        if slot not in self._pools:
            self._pools[slot] = ProcessPoolExecutor(1, _CONTEXT, _start_worker, (grid.machine.threads,))
        with _children_deaf_to_interrupts():
            return self._pools[slot].submit(
                _in_worker, grid.work, grid.specs[number], grid.machine, number, grid.events
            )

    def _dismiss(self, slot: int) -> None:
        if pool := self._pools.pop(slot, None):
            pool.shutdown(wait=False)

    def _kill(self) -> None:
        for pool in self._pools.values():
            pool.shutdown(wait=False, cancel_futures=True)
        for child in multiprocessing.active_children():
            if child.pid != self._grid.manager:
                child.terminate()


@contextlib.contextmanager
def _children_deaf_to_interrupts() -> Iterator[None]:
    """Start children that leave Ctrl-C to the parent from their first moment; it gets its own a little later."""
    resource_tracker.ensure_running()  # once it runs, multiprocessing leaves the mask alone
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _start_worker(threads: int) -> None:
    """End with the parent, leave Ctrl-C to it, and fix the thread count before any library reads it."""
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ["OMP_NUM_THREADS"] = str(threads)


def _in_worker(work: Work, spec: RunSpec, machine: Machine, number: int, events: Any) -> list[Result] | Failure:
    events.put((number, {"phase": "starting"}))
    return attempt(work, spec, machine, lambda event: events.put((number, event)))


class _Listener(threading.Thread):
    """Hands what workers say to the caller's progress display."""

    def __init__(self, events: Any, specs: Sequence[RunSpec], progress: Progress) -> None:
        super().__init__(daemon=True)
        self._events, self._specs, self._progress = events, specs, progress
        self._done = threading.Event()
        self.start()

    def run(self) -> None:
        while True:
            try:
                number, event = self._events.get(timeout=0.2)
            except queue.Empty:
                if self._done.is_set():
                    return
                continue
            except (EOFError, OSError):
                return
            self._progress(self._specs[number], event)

    def stop(self) -> None:
        """Hear what was said already, and stop listening before the queue goes away."""
        self._done.set()
        self.join(timeout=5)


ENGINE = Local()
