"""The queue as files: one says what is asked and never changes, the others how far it is."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import fsspec
import numpy as np
from pydantic import ValidationError

from suite import files
from suite.spec import SuiteError, canonical_json
from suite.submissions._submission import STATES, Queued, State, Submission, now

MOST_PENDING = 200
"""Submissions that wait at once; beyond them none is taken."""

STALE = timedelta(days=1)
"""After which whoever said to work on a submission is taken to have died."""

_MOST_BYTES = 10_000
_NAME = re.compile(r"([0-9]{8}-[0-9]{6}-[0-9a-f]{8})(?:\.(running|done|failed))?\.json")


class Queue:
    """The submissions of a store."""

    def __init__(self, store: str) -> None:
        """Open the queue of a store; neither need exist.

        Raises:
            SuiteError: the URL's file system is unknown or its driver is not installed.
        """
        self.url = store
        try:
            self._fs, root = fsspec.core.url_to_fs(store)
        except (ValueError, ImportError) as error:
            raise SuiteError(f"The store '{store}' cannot be opened: {str(error).rstrip('.')}.") from None
        self._root = f"{str(root).rstrip('/')}/submissions"
        self._local = Path(self._root) if "file" in np.atleast_1d(self._fs.protocol) else None
        self._known: dict[tuple[str, State], list[Queued]] = {}

    def put(self, submission: Submission) -> None:
        """File a submission.

        Raises:
            SuiteError: the queue is full, or cannot be written.
        """
        if len(self._names("pending")) >= MOST_PENDING:
            raise SuiteError(f"The queue is full: {MOST_PENDING} submissions wait. Try again later.")
        self._write(submission.id, submission.model_dump(mode="json"))

    def listed(self, most: int | None = None) -> list[Queued]:
        """Return submissions, newest first, at most so many; files that are none are passed over."""
        found: list[Queued] = []
        for name, state in sorted(self._states().items(), reverse=True):
            if most is not None and len(found) >= most:
                break
            found += self._read(name, state)
        return found

    def waiting(self) -> list[Queued]:
        """Return what nobody works on, oldest first."""
        states = self._states()
        free = [name for name, state in states.items() if state == "pending" or self._is_left(name, state)]
        return [one for name in sorted(free) for one in self._read(name, states[name])]

    def open(self) -> list[Queued]:
        """Return what is pending or running."""
        states = self._states()
        names = [name for name, state in states.items() if state in ("pending", "running")]
        return [one for name in sorted(names) for one in self._read(name, states[name])]

    def counts(self) -> dict[State, int]:
        """Return how many submissions are in each state."""
        states = list(self._states().values())
        return {state: states.count(state) for state in STATES}

    def claim(self, one: Queued) -> bool:
        """Say that this process works on a submission; return False if another was first.

        In a store that is no folder two may start at once; they do the same work twice, and the store keeps one of it.
        """
        name = one.submission.id
        if one.state == "running":
            self.release(one)
        mine = {"at": now().isoformat(timespec="seconds"), "host": socket.gethostname(), "process": os.getpid()}
        if self._local is None:
            if self._fs.exists(f"{self._root}/{name}.running.json"):
                return False
            self._write(f"{name}.running", mine)
            return True
        try:
            with (self._local / f"{name}.running.json").open("x", encoding="utf-8") as file:
                file.write(canonical_json(mine))
        except FileExistsError:
            return False
        except OSError as error:
            raise self._unwritable(error) from None
        return True

    def release(self, one: Queued) -> None:
        """Take back that somebody works on a submission."""
        with contextlib.suppress(OSError):  # gone already is as good
            self._fs.rm_file(f"{self._root}/{one.submission.id}.running.json")

    def finish(self, one: Queued, state: Literal["done", "failed"], note: str) -> Queued:
        """Say what came of a submission.

        Raises:
            SuiteError: the queue cannot be written.
        """
        at = now().isoformat(timespec="seconds")
        self._write(f"{one.submission.id}.{state}", {"at": at, "note": note})
        self.release(one)
        return Queued(one.submission, state, at, note)

    def _states(self) -> dict[str, State]:
        """Return the state of each submission by its id, as the files' names tell it."""
        try:
            self._fs.invalidate_cache()
            files = [str(path).rpartition("/")[2] for path in self._fs.ls(self._root, detail=False)]
        except OSError:
            return {}
        found: dict[str, State] = {}
        for name, state in self._matched(files):
            last: State = state or "pending"
            found[name] = max(found.get(name, "pending"), last, key=STATES.index)
        asked = {name for name, state in self._matched(files) if state is None}
        return {name: state for name, state in found.items() if name in asked}

    def _matched(self, files: list[str]) -> Iterator[tuple[str, Any]]:
        for file in files:
            if match := _NAME.fullmatch(file):
                yield match[1], match[2]

    def _names(self, state: State) -> list[str]:
        return [name for name, found in self._states().items() if found == state]

    def _read(self, name: str, state: State) -> list[Queued]:
        """Return the submission of a name, or none where the file holds no such thing; what never changes is kept."""
        if (name, state) not in self._known or state == "running":
            self._known[name, state] = self._opened(name, state)
        return self._known[name, state]

    def _opened(self, name: str, state: State) -> list[Queued]:
        about = self._json(f"{name}.json")
        told = {} if state == "pending" else self._json(f"{name}.{state}.json") or {}
        try:
            submission = Submission.model_validate_json(json.dumps(about))
        except ValidationError:
            return []
        if submission.id != name:
            return []
        return [Queued(submission, state, str(told.get("at", submission.created)), str(told.get("note", ""))[:1000])]

    def _is_left(self, name: str, state: State) -> bool:
        """Return whether whoever works on a submission is known or taken to have died."""
        if state != "running":
            return False
        claim = self._json(f"{name}.running.json") or {}
        try:
            since = datetime.fromisoformat(str(claim["at"]))
            if now() - since > STALE:
                return True
            return claim["host"] == socket.gethostname() and not _lives(int(claim["process"]))
        except (KeyError, TypeError, ValueError):
            return False

    def _json(self, file: str) -> dict[str, Any] | None:
        try:
            content = self._fs.cat_file(f"{self._root}/{file}", start=0, end=_MOST_BYTES)
            value = json.loads(content)
        except (OSError, ValueError, RecursionError):
            return None
        return value if isinstance(value, dict) else None

    def _write(self, name: str, value: dict[str, Any]) -> None:
        try:
            content = canonical_json(value).encode()
            if self._local is not None:
                files.write(self._local / f"{name}.json", content)
                return
            self._fs.makedirs(self._root, exist_ok=True)
            self._fs.pipe_file(f"{self._root}/{name}.json", content)
        except OSError as error:
            raise self._unwritable(error) from None

    def _unwritable(self, error: OSError) -> SuiteError:
        return SuiteError(f"The queue of '{self.url}' cannot be written: {_reason(error)}.")


def _reason(error: OSError) -> str:
    """Return why a file cannot be written, in a few words and without addresses."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status:
        return f"the Hub answered {status}, so that the token may be missing, wrong or without the right to write"
    if isinstance(error, FileNotFoundError) and not error.strerror:
        return "there is no such repository, or this token does not see it"
    return error.strerror or type(error).__name__


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # somebody else's, but there
        return True
    return True
