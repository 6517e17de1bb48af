"""Engines, one file each: where runs are carried out. An engine knows nothing of what a run is.

`get("local")` imports `suite/engines/local.py` and returns its `ENGINE`.
"""

from __future__ import annotations

import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from suite import environment, plugins
from suite.engines._dispatch import forecast as forecast
from suite.environment import Machine, Precisions
from suite.spec import Failure, Result, RunSpec, SuiteError

Progress = Callable[[RunSpec, dict[str, Any]], None]
Work = Callable[[RunSpec, Machine, Callable[[dict[str, Any]], None]], list[Result]]
Outcome = tuple[RunSpec, list[Result] | Failure]


@dataclass(frozen=True)
class Wanted:
    """What a command asks of an engine.

    Attributes:
        device: auto, cpu or cuda.
        threads: of one run; None is as many as there are for each.
        workers: how many runs go on at once.
        gpus_per_run: GPUs that a run trains on, on a cluster also the part of one; None is one where it gets any.
        ray_address: the cluster; None is one of its own.
    """

    device: str = "auto"
    threads: int | None = None
    workers: int = 1
    gpus_per_run: float | None = None
    ray_address: str | None = None


class Engine(ABC):
    """What every engine does."""

    def machine(self, wanted: Wanted) -> Machine:
        """Return the device and threads of one run, after looking whether what is wanted is there.

        Raises:
            SuiteError: it is not, or makes no sense; nothing was run.
        """
        if wanted.ray_address is not None:
            raise SuiteError("--ray-address says something of a cluster; it goes with --engine ray.")
        return environment.choose(wanted.device, wanted.threads, wanted.workers, wanted.gpus_per_run)

    def precision(self, machine: Machine) -> Precisions:
        """Return what a protocol's `auto` means on the machines that carry out the runs: here, on this one."""
        from suite import precision

        measured: Precisions = precision.measured(machine)
        return measured

    @abstractmethod
    def map(
        self, work: Work, specs: Sequence[RunSpec], machine: Machine, workers: int, progress: Progress
    ) -> Iterator[Outcome]:
        """Carry out every run and yield each outcome the moment it is there, failures included.

        Args:
            work: carries out one run; importable by name, so that another process finds it.
            specs: the runs; those that share a checkpoint and data follow each other in one process.
            machine: device and threads of one run.
            workers: how many runs go on at once.
            progress: called in this process with what a run is doing.

        Raises:
            SuiteError: no run can be carried out any more.
        """

    def close(self) -> None:  # noqa: B027  # most engines hold nothing between their grids
        """Let go of what was kept for the next grid; the end of the process does it too."""


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
