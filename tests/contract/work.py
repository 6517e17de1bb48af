"""Work for engines that takes no time: other processes import it by name, so it loads no heavy library."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from suite.environment import Machine
from suite.spec import Result, RunSpec, SuiteError


def quick(spec: RunSpec, machine: Machine, progress: Callable[[dict[str, Any]], None]) -> list[Result]:
    """Stand in for an evaluation: the odd seeds fail, each in a way of its own."""
    progress({"phase": "working", "seed": spec.seed})
    if spec.seed == 1:
        raise SuiteError("The data cannot be used; name another file.")
    if spec.seed == 3:
        raise ValueError("first line of a long story\nsecond line")
    return []


def slow(spec: RunSpec, machine: Machine, progress: Callable[[dict[str, Any]], None]) -> list[Result]:
    """Take a second."""
    time.sleep(1)
    return []


def environment(spec: RunSpec, machine: Machine, progress: Callable[[dict[str, Any]], None]) -> list[Result]:
    """Tell what the process was started with and what it has now, of a few variables, and where it is."""
    names = ("OMP_NUM_THREADS", "HF_HUB_OFFLINE", "HF_TOKEN", "TRANSFER_SUITE_CACHE")
    started = Path("/proc/self/environ").read_bytes().decode().split("\0")
    then = dict(line.split("=", 1) for line in started if "=" in line)
    progress({"phase": "told", "then": {n: then.get(n) for n in names}, "now": {n: os.environ.get(n) for n in names}})
    return []


def deadly(spec: RunSpec, machine: Machine, progress: Callable[[dict[str, Any]], None]) -> list[Result]:
    """Die as a process does that runs out of memory."""
    os._exit(9)


def deadly_and_counted(
    folder: str, spec: RunSpec, machine: Machine, progress: Callable[[dict[str, Any]], None]
) -> list[Result]:
    """Leave a line for every time that a run is begun, and die."""
    with (Path(folder) / str(spec.seed)).open("a") as file:
        file.write("begun\n")
    os._exit(9)


def deadly_at_zero(spec: RunSpec, machine: Machine, progress: Callable[[dict[str, Any]], None]) -> list[Result]:
    """Die on one of the runs, and on no other."""
    if spec.seed == 0:
        os._exit(9)
    return []
