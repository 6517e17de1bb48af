"""Runs on this machine: in this process, or in several of their own."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import queue
import signal
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import resource_tracker
from typing import Any

from suite.engines import Engine, Outcome, Progress, Work, attempt
from suite.environment import Machine
from suite.spec import Failure, Result, RunSpec


class Local(Engine):
    """One process, or a pool of workers that each keep what they have imported and read."""

    def map(
        self, work: Work, specs: Sequence[RunSpec], machine: Machine, workers: int, progress: Progress
    ) -> Iterator[Outcome]:
        """Carry out the runs one by one, or `workers` at once."""
        if workers > 1 and len(specs) > 1:
            yield from _in_pool(work, specs, machine, workers, progress)
            return
        for spec in specs:
            progress(spec, {"phase": "starting"})
            yield spec, attempt(work, spec, machine, lambda event, spec=spec: progress(spec, event))  # type: ignore[misc]


def _in_pool(
    work: Work, specs: Sequence[RunSpec], machine: Machine, workers: int, progress: Progress
) -> Iterator[Outcome]:
    """Carry out all runs in workers. What a dying worker takes with it is done again, the suspects one by one."""
    with _children_deaf_to_interrupts():
        manager = _CONTEXT.Manager()
    with manager:
        events: Any = manager.Queue()
        listener = _Listener(events, specs, progress)
        grid = _Grid(work, specs, machine, events, manager._process.pid)  # type: ignore[attr-defined]
        try:
            waiting = list(range(len(specs)))
            while waiting:
                lost = yield from _round(grid, waiting, workers)
                suspects = listener.begun(lost) or lost
                for number in suspects:
                    if (yield from _round(grid, [number], 1)):
                        yield specs[number], Failure(specs[number], DIED)
                waiting = [number for number in lost if number not in suspects]
        finally:
            listener.stop()


DIED = "Its worker process died twice, perhaps for lack of memory; run again with fewer --workers."
_CONTEXT = multiprocessing.get_context("spawn")


@dataclass(frozen=True)
class _Grid:
    """What every round of workers shares."""

    work: Work
    specs: Sequence[RunSpec]
    machine: Machine
    events: Any
    manager: int


def _round(grid: _Grid, numbers: Sequence[int], workers: int) -> Generator[Outcome, None, list[int]]:
    """Carry out these runs in one pool; return those that a worker's death took with it."""
    lost = []
    pool = ProcessPoolExecutor(workers, _CONTEXT, initializer=_start_worker, initargs=(grid.machine.threads,))
    try:
        with _children_deaf_to_interrupts():
            futures = {
                pool.submit(_in_worker, grid.work, grid.specs[n], grid.machine, n, grid.events): n for n in numbers
            }
        for future in as_completed(futures):
            number = futures[future]
            try:
                outcome = future.result()
            except BrokenExecutor:
                lost.append(number)
                continue
            yield grid.specs[number], outcome
        pool.shutdown()
    except BaseException:  # Ctrl-C, or the caller stops listening: nothing that is under way is waited for
        pool.shutdown(wait=False, cancel_futures=True)
        for child in multiprocessing.active_children():
            if child.pid != grid.manager:
                child.terminate()
        raise
    return sorted(lost)


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
    """Leave Ctrl-C to the parent, and fix the thread count before any library reads it."""
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
        self._begun: set[int] = set()
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
            self._begun.add(number)
            self._progress(self._specs[number], event)

    def begun(self, numbers: Sequence[int]) -> list[int]:
        """Return those of the runs that a worker had begun."""
        while numbers and self.is_alive() and not self._events.empty():
            time.sleep(0.01)
        return [number for number in numbers if number in self._begun]

    def stop(self) -> None:
        """Hear what was said already, and stop listening before the queue goes away."""
        self._done.set()
        self.join(timeout=5)


ENGINE = Local()
