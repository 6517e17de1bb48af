"""How often one visitor may ask: counted in memory, so that nothing of a visitor is kept."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable

from suite.spec import SuiteError

HOUR, DAY = 3600, 86_400
_MOST_VISITORS = 10_000


class Gate:
    """Lets a visitor try so often an hour, and submit so many a day; all visitors together have limits too."""

    def __init__(
        self, tries: int = 20, taken: int = 5, together: int = 400, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Open the gate for `tries` checks an hour and `taken` submissions a day of each, `together` checks of all."""
        self._tries, self._taken, self._together, self._clock = tries, taken, together, clock
        self._knocks: dict[str, deque[float]] = {}
        self._entries: dict[str, deque[float]] = {}
        self._all: deque[float] = deque()
        self._lock = threading.Lock()

    def knock(self, visitor: str) -> None:
        """Count a try.

        Raises:
            SuiteError: there were too many.
        """
        with self._lock:
            at = self._clock()
            knocks = _recent(self._knocks, visitor, at - HOUR)
            entries = _recent(self._entries, visitor, at - DAY)
            self._forget(at)
            while self._all and self._all[0] <= at - HOUR:
                self._all.popleft()
            if len(entries) >= self._taken:
                raise SuiteError(f"{self._taken} submissions a day are taken of a visitor; {_in(entries, DAY, at)}.")
            if len(knocks) >= self._tries:
                raise SuiteError(f"{self._tries} tries an hour are taken of a visitor; {_in(knocks, HOUR, at)}.")
            if len(self._all) >= self._together or len(self._knocks) > _MOST_VISITORS:
                raise SuiteError("Too many submissions are being checked; try again in an hour.")
            knocks.append(at)
            self._all.append(at)

    def take(self, visitor: str) -> None:
        """Count a submission that was queued."""
        with self._lock:
            _recent(self._entries, visitor, self._clock() - DAY).append(self._clock())

    def _forget(self, at: float) -> None:
        """Drop visitors of whom nothing counts any more, when there are many."""
        for times, ago in ((self._knocks, HOUR), (self._entries, DAY)):
            if len(times) > _MOST_VISITORS // 2:
                for visitor in [name for name, past in times.items() if not past or past[-1] <= at - ago]:
                    del times[visitor]


def _recent(of: dict[str, deque[float]], visitor: str, since: float) -> deque[float]:
    times = of.setdefault(visitor, deque())
    while times and times[0] <= since:
        times.popleft()
    return times


def _in(times: deque[float], span: float, at: float) -> str:
    """Say when the oldest of them no longer counts."""
    minutes = max(1, math.ceil((times[0] + span - at) / 60))
    return f"try again in {minutes} min" if minutes < 120 else f"try again in {math.ceil(minutes / 60)} h"
