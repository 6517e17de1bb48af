"""How often one visitor may ask: counted in memory, so that nothing of a visitor is kept."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable

from suite.spec import SuiteError

HOUR, DAY = 3600, 86_400


class Gate:
    """Lets a visitor try so often an hour, and submit so many a day; all visitors together have limits too."""

    def __init__(
        self, tries: int = 20, taken: int = 5, together: int = 400, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Open the gate for `tries` checks an hour and `taken` submissions a day of each, `together` checks of all."""
        self._tries, self._taken, self._together, self._clock = tries, taken, together, clock
        self._knocks: dict[str, deque[float]] = {}
        self._entries: dict[str, deque[float]] = {}
        self._all: deque[tuple[float, str]] = deque()
        self._queued: deque[tuple[float, str]] = deque()
        self._lock = threading.Lock()

    def knock(self, visitor: str) -> None:
        """Count a try.

        Raises:
            SuiteError: there were too many.
        """
        with self._lock:
            at = self._clock()
            self._forget(at)
            knocks, entries = self._knocks.get(visitor, deque()), self._entries.get(visitor, deque())
            if len(entries) >= self._taken:
                raise SuiteError(f"{self._taken} submissions a day are taken of a visitor; {_in(entries, DAY, at)}.")
            if len(knocks) >= self._tries:
                raise SuiteError(f"{self._tries} tries an hour are taken of a visitor; {_in(knocks, HOUR, at)}.")
            if len(self._all) >= self._together:
                raise SuiteError("Too many submissions are being checked; try again in an hour.")
            self._knocks.setdefault(visitor, deque()).append(at)  # who is refused is not even noted
            self._all.append((at, visitor))

    def take(self, visitor: str) -> None:
        """Count a submission that was queued."""
        with self._lock:
            at = self._clock()
            self._entries.setdefault(visitor, deque()).append(at)
            self._queued.append((at, visitor))

    def _forget(self, at: float) -> None:
        """Drop what no longer counts; each try and submission is dropped once."""
        for every, of, span in ((self._all, self._knocks, HOUR), (self._queued, self._entries, DAY)):
            while every and every[0][0] <= at - span:
                _, visitor = every.popleft()
                of[visitor].popleft()
                if not of[visitor]:
                    del of[visitor]


def _in(times: deque[float], span: float, at: float) -> str:
    """Say when the oldest of them no longer counts."""
    minutes = max(1, math.ceil((times[0] + span - at) / 60))
    return f"try again in {minutes} min" if minutes < 120 else f"try again in {math.ceil(minutes / 60)} h"
