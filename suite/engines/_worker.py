"""The two processes of a cluster that are ours: one that carries out runs, and one that passes on what they say."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from suite.engines import Work, attempt
from suite.engines._likeness import Likeness, check_sees, mine
from suite.environment import Machine
from suite.spec import Failure, Result, RunSpec, SuiteError

OFTEN = 0.2
"""Seconds between two words on a run's steps: nobody reads faster."""


class Worker:
    """One slot of a cluster. It keeps what it has imported and read from run to run."""

    def __init__(self, wait: Callable[..., Any], mail: Any, secrets: Mapping[str, str], paths: Sequence[str]) -> None:
        """Take what is not in the environment that the process was started with.

        Args:
            wait: Ray's own.
            mail: the actor that words on runs go to.
            secrets: environment variables that no log may show.
            paths: where the driver finds modules; those that this machine has too come after its own.
        """
        os.environ.update(secrets)
        sys.path += [path for path in paths if path not in sys.path and Path(path).exists()]
        self._wait, self._mail = wait, mail
        self._last: Any = None
        self._told = 0.0

    def about(self) -> Likeness:
        """Return where this is, and its versions."""
        return mine()

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Return what a function returns here."""
        return function(*arguments)

    def run(self, work: Work, spec: RunSpec, machine: Machine, number: int) -> list[Result] | Failure:
        """Carry out one run; when this returns, all that was said of it has arrived."""
        self._tell(number, {"phase": "starting"})
        try:
            check_sees(spec)
        except SuiteError as error:
            return Failure(spec, str(error))
        outcome = attempt(work, spec, machine, lambda event: self._tell(number, event))
        self._wait([self._last], timeout=5)
        return outcome

    def read_folder(self, folder: str) -> dict[str, Any]:
        """Return a folder's files by name, uint8 [bytes] each, and take the folder away."""
        import numpy as np

        files = [path for path in Path(folder).rglob("*") if path.is_file()]
        found = {path.relative_to(folder).as_posix(): np.fromfile(path, np.uint8) for path in files}
        shutil.rmtree(folder, ignore_errors=True)
        return found

    def _tell(self, number: int, event: dict[str, Any]) -> None:
        now = time.monotonic()
        if "steps" in event and now - self._told < OFTEN:
            return
        self._told = now
        self._last = self._mail.put.remote(number, event)


class Mail:
    """What workers say of their runs, until the driver asks for it."""

    def __init__(self) -> None:
        self._said: list[tuple[int, dict[str, Any]]] = []

    def put(self, number: int, event: dict[str, Any]) -> None:
        """Take a word on a run."""
        self._said.append((number, event))

    def take(self) -> list[tuple[int, dict[str, Any]]]:
        """Return all that was said since this was last asked for."""
        said, self._said = self._said, []
        return said
