"""Workers elsewhere: hired, given runs, replaced when they are lost, and dismissed. Ray is behind `Posts`."""

from __future__ import annotations

import threading
import uuid
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from suite import files
from suite.engines import Outcome, Progress, Work
from suite.engines._dispatch import DIED, TRIES, Waiting
from suite.engines._likeness import check
from suite.environment import Machine
from suite.spec import Failure, Result, RunSpec, SuiteError

PATIENCE = 5.0
"""Seconds after which a silent cluster is looked at."""


class Posts(ABC):
    """What a crew needs of a cluster.

    Attributes:
        lost: the errors that mean that a worker is gone, with what it was doing.
        failed: any error of the cluster.
    """

    lost: tuple[type[Exception], ...]
    failed: type[Exception]

    @abstractmethod
    def hire(self) -> Any:
        """Return a new worker."""

    @abstractmethod
    def dismiss(self, worker: Any) -> None:
        """End a worker at once."""

    @abstractmethod
    def wait(self, answers: list[Any], seconds: float) -> Any | None:
        """Return one of the answers that has come, None where none comes for so long."""

    @abstractmethod
    def read(self, answer: Any) -> Any:
        """Return what an answer says."""

    @abstractmethod
    def news(self) -> list[tuple[int, dict[str, Any]]]:
        """Return what workers said of their runs since it was last asked for."""

    @abstractmethod
    def room(self) -> int:
        """Return how many workers the cluster has room for as it is now."""


class Crew:
    """The workers of one grid."""

    def __init__(
        self, posts: Posts, work: Work, specs: Sequence[RunSpec], machine: Machine, progress: Progress
    ) -> None:
        """Take what the workers are to do; none is hired yet."""
        self._posts, self._work, self._specs, self._machine = posts, work, specs, machine
        self._waiting = Waiting(specs)
        self._left = set(range(len(specs)))
        self._begun: Counter[int | None] = Counter()
        self._workers: dict[int, Any] = {}
        self._running: dict[Any, tuple[int, int | None]] = {}
        self._reader = _Reader(posts, specs, progress)

    def carry_out(self, slots: int) -> Iterator[Outcome]:
        """Yield each run's outcome the moment it is there.

        Raises:
            SuiteError: a worker has another environment, or none can be had any more.
        """
        self._reader.start()
        for slot in range(slots):
            self._hire(slot)
        while self._left:
            answer = self._posts.wait(list(self._running), PATIENCE)
            if answer is None:
                self._look_at_room()
            else:
                yield from self._answered(answer)

    def dismiss(self) -> None:
        """End all workers, whatever they are doing."""
        self._reader.stop()
        for worker in self._workers.values():
            self._posts.dismiss(worker)
        self._workers.clear()

    def _hire(self, slot: int) -> None:
        self._workers[slot] = self._posts.hire()
        self._running[self._workers[slot].about.remote()] = slot, None

    def _answered(self, answer: Any) -> Iterator[Outcome]:
        """Look at what a slot has to say, and give it its next run before anybody else looks at the outcome."""
        slot, number = self._running.pop(answer)
        outcome: list[Result] | Failure
        try:
            said = self._posts.read(answer)
            if number is None:
                check(said)
                self._next(slot)
                return
            outcome = self._with_weights(slot, said)
        except self._posts.lost as error:
            if (failure := self._lost(slot, number, error)) is None:
                return
            outcome = failure
        except self._posts.failed as error:  # the work or its outcome cannot be sent
            if number is None:
                raise
            outcome = Failure(self._specs[number], str(error).strip().splitlines()[-1], str(error))
            self._next(slot)
        else:
            self._next(slot)
        assert number is not None
        self._reader.read()  # else a word on a run could come after its end
        self._left.discard(number)
        yield self._specs[number], outcome

    def _next(self, slot: int) -> None:
        number = self._waiting.take(slot)
        if number is None:
            self._posts.dismiss(self._workers.pop(slot))
            return
        self._begun[number] += 1
        run = self._workers[slot].run.remote(self._work, self._specs[number], self._machine, number)
        self._running[run] = slot, number

    def _lost(self, slot: int, number: int | None, error: Exception) -> Failure | None:
        """Replace a worker that is gone; its run waits again, unless it has lost too many.

        Raises:
            SuiteError: workers do not even start.
        """
        self._posts.dismiss(self._workers.pop(slot))
        if number is None:
            self._begun[None] += 1
            _check_starts(error, self._begun[None], len(self._specs))
        over = number is not None and self._begun[number] >= TRIES
        if number is not None and not over:
            self._waiting.put_back(number)
        if self._waiting:
            self._hire(slot)
        return Failure(self._specs[number], DIED) if number is not None and over else None

    def _look_at_room(self) -> None:
        """Go on waiting for a busy cluster, but not for one that has nothing left.

        Raises:
            SuiteError: no node is left that a worker would fit on.
        """
        if all(number is None for _, number in self._running.values()) and not self._posts.room():
            raise SuiteError(
                f"The cluster has lost every node that the runs fit on; {len(self._left)} of them are left. What had "
                "finished is stored; the same command does the rest."
            )

    def _with_weights(self, slot: int, outcome: list[Result] | Failure) -> list[Result] | Failure:
        """Return an outcome whose folders of weights are here: those on another machine's disk are brought."""
        if isinstance(outcome, Failure):
            return outcome
        return [self._brought(slot, result) for result in outcome]

    def _brought(self, slot: int, result: Result) -> Result:
        if result.weights is None or Path(result.weights).is_dir():
            return result
        found = self._posts.read(self._workers[slot].read_folder.remote(result.weights))
        folder = files.own() / uuid.uuid4().hex
        folder.mkdir()
        for name, content in found.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            content.tofile(path)
        return replace(result, weights=str(folder))


def _check_starts(error: Exception, lost: int, runs: int) -> None:
    """Give up on workers that end before they begin.

    Raises:
        SuiteError: they have done so too often, or would do so always.
    """
    if "No module named" in str(error):
        missing = str(error).rpartition("No module named ")[2].splitlines()[0].strip()
        raise SuiteError(
            f"A worker of the cluster cannot import {missing}: install transfer-suite and its libraries there, in the "
            "same versions as here."
        ) from None
    if lost > TRIES * max(2, min(runs, 10)):
        last = str(error).strip().splitlines()[-1]
        raise SuiteError(f"Workers of the cluster die before they begin; the last one said: {last}") from None


class _Reader(threading.Thread):
    """Hands what workers say to the caller's progress display."""

    def __init__(self, posts: Posts, specs: Sequence[RunSpec], progress: Progress) -> None:
        super().__init__(daemon=True)
        self._posts, self._specs, self._progress = posts, specs, progress
        self._done = threading.Event()
        self._lock = threading.Lock()

    def run(self) -> None:
        while not self._done.wait(0.2):
            if not self.read():
                return

    def stop(self) -> None:
        """Pass on no more."""
        self._done.set()
        if self.ident is not None:
            self.join(timeout=5)

    def read(self) -> bool:
        """Pass on the news; return False where nobody gives any, since the cluster is gone."""
        with self._lock:
            try:
                news = self._posts.news()
            except self._posts.failed:
                return False
            for number, event in news:
                self._progress(self._specs[number], event)
        return True
