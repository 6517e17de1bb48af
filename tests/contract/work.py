"""Work for engines that takes no time: other processes import it by name, so it loads no heavy library."""

from __future__ import annotations

import os
from collections.abc import Callable
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


def deadly(spec: RunSpec, machine: Machine, progress: Callable[[dict[str, Any]], None]) -> list[Result]:
    """Die as a process does that runs out of memory."""
    os._exit(9)


def deadly_at_zero(spec: RunSpec, machine: Machine, progress: Callable[[dict[str, Any]], None]) -> list[Result]:
    """Die on one of the runs, and on no other."""
    if spec.seed == 0:
        os._exit(9)
    return []
