"""Engines, one file each: where runs are carried out. An engine knows nothing of what a run is.

`get("local")` imports `suite/engines/local.py` and returns its `ENGINE`.
"""

from __future__ import annotations

import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from suite import plugins
from suite.environment import Machine
from suite.spec import Failure, Result, RunSpec, SuiteError

Progress = Callable[[RunSpec, dict[str, Any]], None]
Work = Callable[[RunSpec, Machine, Callable[[dict[str, Any]], None]], list[Result]]
Outcome = tuple[RunSpec, list[Result] | Failure]


class Engine(ABC):
    """What every engine does."""

    @abstractmethod
    def map(
        self, work: Work, specs: Sequence[RunSpec], machine: Machine, workers: int, progress: Progress
    ) -> Iterator[Outcome]:
        """Carry out every run and yield each outcome the moment it is there, failures included.

        Args:
            work: carries out one run; importable by name, so that another process finds it.
            specs: the runs; those next to each other share what they can.
            machine: device and threads of one run.
            workers: how many runs go on at once.
            progress: called in this process with what a run is doing.
        """


def names() -> list[str]:
    """Return the known engines."""
    return plugins.names("engines")


def get(name: str) -> Engine:
    """Return an engine by name.

    Raises:
        SuiteError: nobody knows the name.
    """
    engine = plugins.load("engines", name).ENGINE
    assert isinstance(engine, Engine)
    return engine


def attempt(
    work: Work, spec: RunSpec, machine: Machine, progress: Callable[[dict[str, Any]], None]
) -> list[Result] | Failure:
    """Carry out one run; what goes wrong becomes a Failure with one sentence and the details."""
    try:
        return work(spec, machine, progress)
    except SuiteError as error:
        return Failure(spec, str(error), traceback.format_exc())
    except Exception as error:  # a grid goes on whatever one run does; the details are kept
        first = str(error).strip().splitlines()[:1]
        return Failure(spec, f"{type(error).__name__}: {first[0] if first else 'no message'}", traceback.format_exc())
