"""Where a run's time goes: a clock whose phases never overlap, so that they add up to the whole.

    with measure() as clock:
        with phase("training"):
            with phase("looks"):     # what is spent here is not training's
                ...
    clock.phases   ->   {"training": 1.9, "looks": 0.2, "other": 0.01}

Whoever does a part of the work names it by `phase`; where nobody measures that costs a microsecond.
"""

from __future__ import annotations

import contextlib
import contextvars
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

PHASES = (
    "loading data",
    "loading the checkpoint",
    "preparing",
    "features",
    "training",
    "looks",
    "predicting",
    "scoring",
    "comparing rows",
    "keeping weights",
    "other",
)
"""What a run's time is divided into, in the order in which it is told.

`training` is the steps, or the fit of a head on features, `looks` the scores on validation along the way, and `other`
what nobody named. What a command does beside its runs has names of its own.
"""


class Clock:
    """Seconds by phase; one phase runs at a time, and one within another stops the outer."""

    def __init__(self, now: Callable[[], float] = time.perf_counter) -> None:
        """Start with the phase `other`, by a clock that gives seconds."""
        self.now = now
        self._spent: dict[str, float] = {}
        self._running = ["other"]
        self._since = now()

    def _tick(self) -> None:
        now = self.now()
        name = self._running[-1]
        self._spent[name] = self._spent.get(name, 0.0) + now - self._since
        self._since = now

    def enter(self, name: str) -> None:
        """Begin a phase within the one that runs."""
        self._tick()
        self._running.append(name)

    def leave(self) -> None:
        """End the phase that runs, and go on with the one around it."""
        self._tick()
        self._running.pop()

    @property
    def phases(self) -> dict[str, float]:
        """The seconds of each phase until now, those of `PHASES` first and in their order."""
        self._tick()
        known = [name for name in PHASES if name in self._spent]
        return {name: self._spent[name] for name in (*known, *(n for n in self._spent if n not in PHASES))}


_CLOCK: contextvars.ContextVar[Clock | None] = contextvars.ContextVar("clock", default=None)


@contextlib.contextmanager
def measure(now: Callable[[], float] | None = None) -> Iterator[Clock]:
    """Give a clock that runs until the end of the block; one around it stands still meanwhile.

    It goes by `now`, without which it goes by what the one around it goes by, else by the time of day.
    """
    outer = _CLOCK.get()
    clock = Clock(now or (outer.now if outer else time.perf_counter))
    token = _CLOCK.set(clock)
    try:
        with _still(outer):
            yield clock
    finally:
        _CLOCK.reset(token)


@contextlib.contextmanager
def _still(outer: Clock | None) -> Iterator[None]:
    """Count what a clock within another measures as the outer one's `runs`."""
    if outer is None:
        yield
        return
    outer.enter("runs")
    try:
        yield
    finally:
        outer.leave()


@contextlib.contextmanager
def phase(name: str) -> Iterator[None]:
    """Count the block, or as a decorator the function, as this phase of the run that is being measured, if any is."""
    clock = _CLOCK.get()
    if clock is None:
        yield
        return
    clock.enter(name)
    try:
        yield
    finally:
        clock.leave()


def as_cost(phases: Mapping[str, float]) -> dict[str, float]:
    """Return the seconds by phase as a record's cost has them: `training_seconds`, `loading_data_seconds`, ..."""
    return {f"{name.replace(' ', '_')}_seconds": found for name, found in phases.items()}


def of_cost(cost: Mapping[str, float | int | None]) -> dict[str, float]:
    """Return the seconds by phase of a record's cost; none of one that was made when nobody measured."""
    found = {name: cost.get(f"{name.replace(' ', '_')}_seconds") for name in PHASES}
    return {name: float(seconds) for name, seconds in found.items() if seconds is not None}


def total(runs: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return the sums of some runs' seconds by phase, in the order of `PHASES`."""
    found = {name: sum(run.get(name, 0.0) for run in runs) for name in dict.fromkeys(n for run in runs for n in run)}
    order = {name: place for place, name in enumerate(PHASES)}
    return dict(sorted(found.items(), key=lambda item: order.get(item[0], len(order))))
