"""How the benchmarks measure and tell: medians of pairs taken in turn, beside the machine and the versions.

    from measuring import Pair, tell

    pairs = [Pair(ours(), theirs()) for _ in range(repeats)]
    tell("probes", {"ratio": ratio(pairs), "seconds": [dataclasses.asdict(pair) for pair in pairs]}, options)

A time alone says little on a noisy machine; a ratio of two that were taken one after the other says more.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import resource
import statistics
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from suite import environment

RESULTS = Path(__file__).resolve().parent / "results"


@dataclass(frozen=True)
class Pair:
    """What two ways of doing the same took, one right after the other, in the same unit."""

    ours: float
    theirs: float

    @property
    def times(self) -> float:
        """How many times faster ours was."""
        return self.theirs / self.ours


def ratio(pairs: Sequence[Pair]) -> float:
    """Return how many times faster ours was, in the median pair."""
    return round(statistics.median(pair.times for pair in pairs), 3)


def wait(child: subprocess.Popen[Any]) -> resource.struct_rusage:
    """Wait for a process and return what it alone used; its exit status is in `returncode` then."""
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    return used


def parser(description: str | None) -> argparse.ArgumentParser:
    """Return a benchmark's options, of which `--save` is common to all."""
    options = argparse.ArgumentParser(description=(description or "").partition("\n")[0])
    options.add_argument("--save", action="store_true", help="write the result to benchmarks/results too")
    return options


def tell(name: str, found: dict[str, Any], options: argparse.Namespace) -> None:
    """Print a result with its options, the machine and the versions; write it to benchmarks/results if asked to."""
    said = {name: value for name, value in vars(options).items() if name != "save"}
    about = {
        "options": {name: str(value) if isinstance(value, Path) else value for name, value in said.items()},
        "machine": f"{environment.processor()}, {environment.count_cores()} cores, {platform.platform()}",
        "libraries": environment.versions(),
        "code_commit": environment.code_commit(),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }
    text = json.dumps(found | about, indent=2, ensure_ascii=False)
    print(text)
    if options.save:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"{name}.json").write_text(text + "\n", encoding="utf-8")
