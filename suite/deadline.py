"""A call that must end: what reads a stranger's file or a far-away disk may hang, and a hang says nothing.

A call runs in a thread of its own, which is left behind if it does not come back. Nothing else runs meanwhile,
so its numbers are those of a plain call.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from suite.spec import SuiteError

Result = TypeVar("Result")

SECONDS = 300.0
"""How long the reading of one batch of rows may take: the slowest real ones seen take a tenth of that."""


class Deadline:
    """Runs calls that are of one kind, one after the other, each for at most `SECONDS`."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._calls: queue.SimpleQueue[Any] | None = None
        self._answers: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def call(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """Return what the function returns; what it raises is raised.

        Raises:
            SuiteError: it took too long.
        """
        if self._calls is None:
            self._calls = _start(self._answers)
        self._calls.put((function, arguments))
        try:
            value, error = self._answers.get(timeout=SECONDS)
        except queue.Empty:
            self.close()
            raise SuiteError(
                f"{self._what} has taken more than {SECONDS:g} seconds for one batch: a file, a disk or a decoder "
                "hangs. See that the data can be read, and run the same command again."
            ) from None
        except BaseException:  # interrupted while waiting: the answer that may still come is nobody's
            self.close()
            raise
        if error is not None:
            raise error
        result: Result = value
        return result

    def close(self) -> None:
        """Let the thread go; it ends with the call that it is in."""
        if self._calls is not None:
            self._calls.put(None)
        self._calls, self._answers = None, queue.SimpleQueue()

    def __enter__(self) -> Deadline:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _start(answers: queue.SimpleQueue[Any]) -> queue.SimpleQueue[Any]:
    """Return the queue of a new thread that carries out what is put there; it does not keep the process alive."""
    calls: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threading.Thread(target=_carry_out, args=(calls, answers), name="deadline", daemon=True).start()
    return calls


def _carry_out(calls: queue.SimpleQueue[Any], answers: queue.SimpleQueue[Any]) -> None:
    while (call := calls.get()) is not None:
        function, arguments = call
        try:
            answers.put((function(*arguments), None))
        except BaseException as error:  # told to the one who waits, whatever it is
            answers.put((None, error))
        del call, function, arguments  # a batch must not stay in memory until the next one
