"""Runs on this machine: in this process, or in several of their own."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import queue
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor, as_completed
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
    context = multiprocessing.get_context("spawn")
    with _children_deaf_to_interrupts():
        manager = context.Manager()
    with manager:
        events: Any = manager.Queue()
        listener = _Listener(events, specs, progress)
        pool = ProcessPoolExecutor(workers, context, initializer=_start_worker, initargs=(machine.threads,))
        try:
            with _children_deaf_to_interrupts():
                futures = {
                    pool.submit(_in_worker, work, spec, machine, i, events): spec for i, spec in enumerate(specs)
                }
            for future in as_completed(futures):
                yield futures[future], _outcome(future, futures[future])
            pool.shutdown()
        except BaseException:  # Ctrl-C, or the caller stops listening: nothing that is under way is waited for
            pool.shutdown(wait=False, cancel_futures=True)
            for child in multiprocessing.active_children():
                if child.pid != manager._process.pid:  # type: ignore[attr-defined]
                    child.terminate()
            raise
        finally:
            listener.stop()


@contextlib.contextmanager
def _children_deaf_to_interrupts() -> Iterator[None]:
    """Start children that leave Ctrl-C to the parent from their first moment; it gets its own a little later."""
    resource_tracker.ensure_running()  # once it runs, multiprocessing leaves the mask alone
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _outcome(future: Future[list[Result] | Failure], spec: RunSpec) -> list[Result] | Failure:
    try:
        return future.result()
    except BrokenExecutor:
        return Failure(spec, "Its worker process died, perhaps for lack of memory; run again, with fewer --workers.")


def _start_worker(threads: int) -> None:
    """Leave Ctrl-C to the parent, and fix the thread count before any library reads it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ["OMP_NUM_THREADS"] = str(threads)


def _in_worker(work: Work, spec: RunSpec, machine: Machine, number: int, events: Any) -> list[Result] | Failure:
    return attempt(work, spec, machine, lambda event: events.put((number, event)))


class _Listener(threading.Thread):
    """Hands what workers say to the caller's progress display."""

    def __init__(self, events: Any, specs: Sequence[RunSpec], progress: Progress) -> None:
        super().__init__(daemon=True)
        self._events, self._specs, self._progress = events, specs, progress
        self._done = threading.Event()
        self.start()

    def run(self) -> None:
        while not self._done.is_set():
            try:
                number, event = self._events.get(timeout=0.2)
            except queue.Empty:
                continue
            except (EOFError, OSError):
                return
            self._progress(self._specs[number], event)

    def stop(self) -> None:
        """Stop listening before the queue goes away."""
        self._done.set()
        self.join(timeout=5)


ENGINE = Local()
