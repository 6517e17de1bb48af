"""Where visitors submit: their words checked, what waits shown, and each of them let in so often."""

from __future__ import annotations

import hashlib
import os
import secrets
import threading
from collections.abc import Mapping

from showroom import pages
from suite.spec import SuiteError
from suite.submissions import STATES, Ask, Gate, Queue, check

SHOWN = 50
_TONES = {"pending": "", "running": "strong", "done": "good", "failed": "warn"}


class Desk:
    """Takes submissions for a store."""

    def __init__(self, store: str, gate: Gate | None = None, offline: bool = False) -> None:
        """Open the queue of a store.

        Raises:
            SuiteError: it cannot be opened.
        """
        self.store, self._queue, self._gate, self._offline = store, Queue(store), gate or Gate(), offline
        self._lock = threading.Lock()
        self._salt = secrets.token_bytes(16)

    def submit(self, ask: Ask, visitor: str) -> str:
        """Queue what a visitor asks for and return the sentence that says so.

        Raises:
            SuiteError: it is refused, and why.
        """
        name = hashlib.sha256(self._salt + visitor.encode()).hexdigest()
        self._gate.knock(name)
        with self._lock:  # of two alike at the same time one is refused
            submission = check(ask, self.store, self._queue, self._offline)
            self._queue.put(submission)
        self._gate.take(name)
        runs = f"{submission.runs} run{'s' * (submission.runs != 1)}"
        return f"Queued: {submission.model} at {submission.revision[:19]}, {runs}."

    def html(self) -> str:
        """Return the queue as a page."""
        try:
            counts, listed = self._queue.counts(), self._queue.listed(SHOWN)
        except SuiteError as error:
            return pages.render("queue", counts=[], rows=[], about=str(error))
        rows = [
            {
                "state": one.state,
                "tone": _TONES[one.state],
                "note": one.note,
                "model": one.submission.model,
                "revision": one.submission.revision[:19],
                "strategy": one.submission.strategy,
                "collection": one.submission.collection,
                "runs": one.submission.runs,
                "since": one.since,
            }
            for one in listed
        ]
        more = f"The newest {SHOWN} are shown." if sum(counts.values()) > SHOWN else ""
        return pages.render("queue", counts=[(state, counts[state]) for state in STATES], rows=rows, about=more)


def visitor_of(host: str | None, headers: Mapping[str, str]) -> str:
    """Return what tells visitors apart: the address that asks, behind the Hub's proxy the last one that it names.

    What comes before the last one is what the visitor says, and may be anything.
    """
    if os.environ.get("SPACE_ID"):
        named = [part.strip() for part in headers.get("x-forwarded-for", "").split(",") if part.strip()]
        if named:
            return named[-1]
    return host or "unknown"
